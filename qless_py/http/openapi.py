"""The description of the API (OpenAPI 3.1), made from its routes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from apispec import APISpec
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from qless_py import package
from qless_py.http.callers import SCOPES
from qless_py.http.problems import CODES
from qless_py.http.route import Route, Routes

_REF: Final = "#/components/schemas/{model}"
_EVERYWHERE: Final = ("invalid", "store-unavailable", "server-error")
_WITH_SCOPE: Final = ("unauthenticated", "forbidden", "too-many-attempts")
_WITH_BODY: Final = ("malformed-json", "json-required", "body-too-large")
_DESCRIPTION: Final = """Put jobs, run them, and look after them, from any language.

Every request carries a token, `Authorization: Bearer …`, whose scopes say what it may do:
{scopes}. Times are Unix seconds, spans are seconds. Unknown fields are refused.
"""


def describe(subjects: Sequence[Routes], server: str) -> dict[str, Any]:
    """Return the document for the routes, which are served below the URL `server`."""
    scopes = "; ".join(f"`{name}`: {meaning}" for name, meaning in SCOPES.items())
    spec = APISpec(
        title="qless_py",
        version=package.__version__,
        openapi_version="3.1.0",
        info={"description": _DESCRIPTION.format(scopes=scopes)},
        servers=[{"url": server}],
        tags=[{"name": one.tag, "description": one.description} for one in subjects],
    )
    spec.components.security_scheme("token", {"type": "http", "scheme": "bearer"})
    spec.components.schema("Problem", _PROBLEM)
    refs = _add_models(spec, subjects)
    for subject in subjects:
        for route in subject.all:
            path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.rule)
            operation = _operation(route, subject.tag, refs)
            spec.path(path, operations={route.method.lower(): operation})
    return spec.to_dict()


_PROBLEM: Final = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": sorted(CODES)},
        "detail": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}

_Refs = Mapping[Any, Any]


def _add_models(spec: APISpec, subjects: Sequence[Routes]) -> _Refs:
    wanted: list[tuple[type[BaseModel], Any]] = []
    for route in (one for subject in subjects for one in subject.all):
        wanted += [(route.body, "validation")] if route.body else []
        wanted += [(one, "serialization") for one in route.returns.values() if one]
    unique = list(dict.fromkeys(wanted))
    refs, document = models_json_schema(unique, ref_template=_REF)
    for name, schema in document.get("$defs", {}).items():
        _forbid_other_keys(schema)
        spec.components.schema(name, schema)
    return dict(refs)


def _forbid_other_keys(schema: Any) -> None:
    """Say of maps whose keys have a pattern that they have no others, which pydantic leaves out."""
    if isinstance(schema, dict):
        if "patternProperties" in schema:
            schema.setdefault("additionalProperties", False)
        for one in schema.values():
            _forbid_other_keys(one)
    elif isinstance(schema, list):
        for one in schema:
            _forbid_other_keys(one)


def _operation(route: Route, tag: str, refs: _Refs) -> dict[str, Any]:
    summary, _, rest = (inspect.getdoc(route.handler) or "").partition("\n")
    found: dict[str, Any] = {
        "operationId": route.name,
        "tags": [tag],
        "summary": summary.rstrip("."),
        "parameters": [*_path(route), *_query(route), *_headers(route)],
        "responses": _responses(route, refs),
    }
    if rest.strip():
        found["description"] = rest.strip()
    if route.body is not None:
        schema = refs[route.body, "validation"]
        content = {"application/json": {"schema": schema}}
        found["requestBody"] = {"required": True, "content": content}
    if route.scope is not None:
        found["security"] = [{"token": []}]
        found["x-scope"] = route.scope
    return found


def _path(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": adapter.json_schema()}
        for name, adapter in route.path.items()
    ]


def _query(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    schema = route.query.model_json_schema()
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": value.pop("description", ""),
            "schema": value,
        }
        for name, value in schema.get("properties", {}).items()
    ]


def _headers(route: Route) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "header",
            "description": meaning,
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        }
        for name, meaning in route.headers.items()
    ]


def _responses(route: Route, refs: _Refs) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, model in route.returns.items():
        found[str(status)] = {"description": _summary(model)}
        if model is not None:
            schema = refs[model, "serialization"]
            text = {one: {"schema": {"type": "string"}} for one in route.media}
            found[str(status)]["content"] = {"application/json": {"schema": schema}, **text}
            if route.links:
                found[str(status)]["links"] = dict(route.links)
    codes = [*_EVERYWHERE, *route.problems]
    codes += _WITH_SCOPE if route.scope is not None else ()
    codes += _WITH_BODY if route.body is not None else ()
    for code in sorted(codes):
        status_text = str(CODES[code][0])
        known = found.setdefault(status_text, {"description": "", "content": _PROBLEM_CONTENT})
        known["description"] = f"{known['description']} {code}: {CODES[code][1]}".strip()
    return found


_PROBLEM_CONTENT: Final = {
    "application/problem+json": {"schema": {"$ref": _REF.format(model="Problem")}}
}


def _summary(model: type[BaseModel] | None) -> str:
    return "Done." if model is None else inspect.getdoc(model) or ""
