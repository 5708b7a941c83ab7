"""A page on which a person reads what the API can do, and tries it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, render_template, request
from werkzeug.wrappers import Response

from qless_py import package
from qless_py.http import openapi

_FILES: Final = {"try.js": "text/javascript", "try.css": "text/css"}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
TEMPLATES: Final = package.path("web") / "templates"


def add_to(blueprint: Blueprint, subjects: Any) -> None:
    """Serve the page as `/try`, and its files below that."""

    @blueprint.get("/try", provide_automatic_options=False)
    def try_page() -> Response:
        server = request.script_root + request.path.removesuffix("/try")
        document = openapi.describe(subjects, server)
        page = render_template("qless_py/try.html", document=document, groups=_groups(document))
        return Response(page, mimetype="text/html", headers={"Content-Security-Policy": _POLICY})

    @blueprint.get("/try/<any('try.js', 'try.css'):name>", provide_automatic_options=False)
    def try_file(name: str) -> Response:
        content = (package.path("web") / "static" / name).read_bytes()
        return Response(content, mimetype=_FILES[name])


def _groups(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the operations by tag, each with what the page shows of it."""
    found = {one["name"]: {**one, "operations": []} for one in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody")
            shown = {**operation, "method": method.upper(), "path": path, "example": ""}
            if body is not None:
                schema = body["content"]["application/json"]["schema"]
                example = _example(schema, document["components"]["schemas"])
                shown["example"] = json.dumps(example, indent=2)
            found[operation["tags"][0]]["operations"].append(shown)
    return list(found.values())


def _example(schema: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    """Return a value of a schema: what is required, and as much as makes sense of it."""
    while "$ref" in schema:
        schema = known[schema["$ref"].rpartition("/")[2]]
    choices = schema.get("anyOf") or schema.get("oneOf") or ()
    if choices and not schema.get("examples"):
        return _example(choices[0], known)
    if schema.get("examples"):
        return schema["examples"][0]
    return _plain_example(schema, known)


def _plain_example(schema: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    kind = schema.get("type")
    if kind == "object":
        required = schema.get("required", ())
        parts = schema.get("properties", {})
        return {name: _example(parts[name], known) for name in required if name in parts}
    if kind == "array":
        return [_example(schema.get("items", {}), known)]
    if kind in ("integer", "number"):
        return schema.get("minimum", 0)
    return schema.get("enum", ["text"])[0] if kind == "string" else None
