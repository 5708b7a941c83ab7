"""Routes with checked parameters: declared once, served by Flask and described by OpenAPI.

    routes = Routes("work", "Pop jobs and report what became of them.")

    @routes.post("/jobs/<jid>/complete", scope="work", returns=Ended, problems=("lease-lost",))
    def complete(jid: Name, body: CompleteBody) -> Any:
        ...

Of a function's parameters, `body` and `query` are pydantic models and all others are parts of the
path. It returns what becomes the JSON of the response, a `Reply`, or a response of Flask.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, Final, get_args, get_origin, get_type_hints

from flask import Blueprint, g, request
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json
from werkzeug.wrappers import Response

from qless_py.client.serialize import plain
from qless_py.http import audit
from qless_py.http.callers import Scope
from qless_py.http.context import api, caller
from qless_py.http.problems import Problem, from_validation

Handler = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """JSON with a status or headers of its own; None is an empty body."""

    value: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path: what it takes, returns and refuses."""

    method: str
    rule: str
    scope: Scope | None
    handler: Handler
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    path: Mapping[str, TypeAdapter[Any]]
    # status -> the shape of the response, None for an empty one.
    returns: Mapping[int, type[BaseModel] | None]
    problems: Sequence[str]
    headers: Mapping[str, str]
    links: Mapping[str, Any]
    media: Sequence[str]

    @property
    def name(self) -> str:
        """The operation's id, which is also the name of the endpoint."""
        return self.handler.__name__

    def serve(self, **path: str) -> Response:
        """Check the caller and the parameters, call the handler, and return its response."""
        if self.scope is not None:
            caller().require(self.scope)
        given: dict[str, Any] = {name: self._path_value(name, text) for name, text in path.items()}
        if self.query is not None:
            given["query"] = _query(self.query)
        elif request.args:
            raise Problem("invalid", f"query {next(iter(request.args))}: this path takes no query")
        if self.body is not None:
            given["body"] = _body(self.body)
        if self.is_audited:
            return audit.audited(self.name, path, given.get("body"), partial(self._call, given))
        return self._call(given)

    @property
    def is_audited(self) -> bool:
        """Whether it changes something for a person: the audit log then says who used it."""
        return self.scope == "operate" and self.method != "GET"

    def _call(self, given: Mapping[str, Any]) -> Response:
        return _response(self.handler(**given), next(iter(self.returns)))

    def _path_value(self, name: str, text: str) -> Any:
        try:
            return self.path[name].validate_strings(text)
        except ValidationError as error:
            raise from_validation(error, f"path {name}") from None


class Routes:
    """The routes of one subject."""

    def __init__(self, tag: str, description: str) -> None:
        self.tag: Final = tag
        self.description: Final = description
        self.all: Final[list[Route]] = []

    def get(self, rule: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare a route; for the options see `_route`."""
        return self._declare("GET", rule, **options)

    def post(self, rule: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare a route; for the options see `_route`."""
        return self._declare("POST", rule, **options)

    def put(self, rule: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare a route; for the options see `_route`."""
        return self._declare("PUT", rule, **options)

    def patch(self, rule: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare a route; for the options see `_route`."""
        return self._declare("PATCH", rule, **options)

    def delete(self, rule: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare a route; for the options see `_route`."""
        return self._declare("DELETE", rule, **options)

    def _declare(self, method: str, rule: str, **options: Any) -> Callable[[Handler], Handler]:
        def declare(handler: Handler) -> Handler:
            self.all.append(_route(method, rule, handler, **options))
            return handler

        return declare

    def add_to(self, blueprint: Blueprint) -> None:
        """Serve the routes."""
        for one in self.all:
            # OPTIONS has one answer for all methods of a path: see `qless_py.http.api`.
            blueprint.add_url_rule(
                one.rule,
                one.name,
                one.serve,
                methods=[one.method],
                provide_automatic_options=False,
            )


def _route(  # noqa: PLR0913 - what can be said of a route
    method: str,
    rule: str,
    handler: Handler,
    *,
    scope: Scope | None,
    returns: type[BaseModel] | Mapping[int, type[BaseModel] | None] | None = None,
    problems: Sequence[str] = (),
    headers: Mapping[str, str] = MappingProxyType({}),
    links: Mapping[str, Any] = MappingProxyType({}),
    media: Sequence[str] = (),
) -> Route:
    """Declare a route.

    `returns`: the shape of the response with status 200, or shapes by status, the usual one first.
    `problems`: codes that it may answer, beside those that every route may. `headers`: names and
    meanings of request headers. `links`: how parts of the response lead to other routes (OpenAPI).
    `media`: in which types beside JSON it may answer.
    """
    hints = get_type_hints(handler, include_extras=True)
    path = {
        name: TypeAdapter(hints[name])
        for name in inspect.signature(handler).parameters
        if name not in ("body", "query")
    }
    shapes = returns if isinstance(returns, Mapping) else {200 if returns else 204: returns}
    return Route(
        method, rule, scope, handler, hints.get("body"), hints.get("query"), path, shapes,
        problems, headers, links, media,
    )  # fmt: skip


def _query(model: type[BaseModel]) -> BaseModel:
    given: dict[str, Any] = {}
    for name, values in request.args.lists():
        known = model.model_fields.get(name)
        if known is not None and _is_list(known.annotation):
            given[name] = values
        elif len(values) > 1:
            raise Problem("invalid", f"query {name}: given more than once")
        else:
            given[name] = values[0]
    try:
        # Strings within lists are no strings to pydantic, which takes them in its lax mode.
        if any(isinstance(one, list) for one in given.values()):
            return model.model_validate(given, strict=False)
        return model.model_validate_strings(given)
    except ValidationError as error:
        raise from_validation(error, "query") from None


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is list or any(
        get_origin(one) is list for one in get_args(annotation)
    )


def _body(model: type[BaseModel]) -> BaseModel:
    if request.mimetype != "application/json":
        raise Problem("json-required", "send the body as application/json")
    try:
        return model.model_validate(read_json())
    except ValidationError as error:
        raise from_validation(error, "body") from None


def read_json() -> Any:
    """Return the body of the request, which must be JSON."""
    try:
        # By default pydantic keeps the last 16,384 short strings of all bodies, values among them:
        # leases and data, which do not come again.
        return from_json(read_body(), allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise Problem("malformed-json", f"the body is not JSON: {error}") from None


def read_body() -> bytes:
    """Return the body of the request; refuse one that is too large before reading it."""
    if "qless_py_body" not in g:
        most = api().config.max_body
        if (request.content_length or 0) > most:
            raise Problem("body-too-large", f"the body has more than {most} bytes")
        # One that does not say its length is read until it is too large.
        parts, left = [], most + 1
        while left > 0 and (part := request.stream.read(left)):
            parts.append(part)
            left -= len(part)
        if left <= 0:
            raise Problem("body-too-large", f"the body has more than {most} bytes")
        g.qless_py_body = b"".join(parts)
    body: bytes = g.qless_py_body
    return body


def _json(value: Any) -> str:
    write = partial(json.dumps, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        return write(value)
    except (TypeError, ValueError):  # Data that was put with another codec than JSON.
        return write(plain(value))


def _response(made: Any, status: int) -> Response:
    if isinstance(made, Response):
        return made
    if not isinstance(made, Reply):
        made = Reply(made, status)
    if made.value is None:
        return Response(status=made.status, headers=dict(made.headers))
    text = _json(made.value)
    return Response(
        text.encode("utf-8", "backslashreplace"),
        status=made.status,
        headers=dict(made.headers),
        mimetype="application/json",
    )
