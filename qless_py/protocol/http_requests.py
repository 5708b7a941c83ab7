"""Jobs that are HTTP requests: their data, checked when they are put and when they are sent.

Such a job has the klass `http`. Its data is a map: `url`, and optionally `method`, `headers`,
`body`, `body_base64`, `json` or `form`, `timeout`, `success`, `permanent` and `hand_off`.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments, http_urls
from qless_py.protocol.http_urls import HttpUrl

KLASS: Final = "http"
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
WITH_BODY: Final = ("POST", "PUT", "PATCH", "DELETE")
TIMEOUT: Final = 60.0
MAX_TIMEOUT: Final = 1800.0
SUCCESS: Final = ("2xx",)
# What a target answers to a request that it will never accept.
PERMANENT: Final = (400, 404, 410, 422)
MAX_HAND_OFF: Final = 86_400.0

_BODIES: Final = ("body", "body_base64", "json", "form")
_KNOWN: Final = frozenset(
    {"url", "method", "headers", "timeout", "success", "permanent", "hand_off", *_BODIES}
)
_CONTENT_TYPES: Final = {
    "body": "text/plain; charset=utf-8",
    "body_base64": "application/octet-stream",
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
}
_MAX_CODES: Final = 100
_MAX_ID: Final = 128
_CLASSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as it is sent, without the headers that depend on the attempt.

    `hand_off` is the seconds for which the target keeps a job that it answers with 202; `None` if
    only its answer says so.
    """

    url: HttpUrl
    method: str
    headers: Mapping[str, str]
    body: bytes
    timeout: float
    success: frozenset[int]
    permanent: frozenset[int]
    hand_off: float | None

    @classmethod
    def of(cls, data: Any) -> "HttpRequest":
        """Read the data of a job; raise `BadArgumentError` saying which field is wrong."""
        if not isinstance(data, Mapping):
            raise BadArgumentError(
                f"the data of an http job is a map with a url, not {data!r:.100}"
            )
        if unknown := sorted(map(str, data.keys() - _KNOWN)):
            raise BadArgumentError(
                f"unknown {unknown[0]!r:.100} in an http job; known are {', '.join(sorted(_KNOWN))}"
            )
        if "url" not in data:
            raise BadArgumentError("an http job needs a url")
        method = data.get("method", "POST")
        if not isinstance(method, str) or method.upper() not in METHODS:
            raise BadArgumentError(f"method {method!r:.100} is none of {', '.join(METHODS)}")
        headers = http_urls.headers(data.get("headers", {}))
        kind, body = _body(data)
        if kind and method.upper() not in WITH_BODY:
            raise BadArgumentError(f"a {method.upper()} request has no body: leave out {kind}")
        if kind and "content-type" not in {name.lower() for name in headers}:
            headers["Content-Type"] = _CONTENT_TYPES[kind]
        return cls(
            http_urls.parse(data["url"]),
            method.upper(),
            headers,
            body,
            _seconds("timeout", data.get("timeout", TIMEOUT), MAX_TIMEOUT),
            _codes("success", data.get("success", SUCCESS)),
            _codes("permanent", data.get("permanent", PERMANENT)),
            _seconds("hand_off", data["hand_off"], MAX_HAND_OFF) if "hand_off" in data else None,
        )


def checked(data: Any) -> dict[str, Any]:
    """Return the data to put for a request, in its one form; raise if it could not be sent."""
    request = HttpRequest.of(data)
    found = {**data, "url": request.url.text, "method": request.method}
    if "headers" in data:
        found["headers"] = dict(data["headers"])
    return found


def split(url: Any, options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the arguments of `put_http` into the data of the job and the options of its put."""
    put = dict(options)
    asked = {name: put.pop(name) for name in _KNOWN & put.keys()}
    per_target = put.pop("throttle_per_target", True)
    if not isinstance(per_target, bool):
        raise BadArgumentError(f"throttle_per_target {per_target!r:.100} is neither true nor false")
    data = given(url, asked)
    if per_target:
        put["throttles"] = with_throttle(data, put.get("throttles"))
    return data, put


def given(url: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data for a request from arguments, where `None` means that one was not given.

    A body may be text or bytes.
    """
    data = {**{name: one for name, one in options.items() if one is not None}, "url": url}
    if isinstance(body := data.get("body"), bytes | bytearray):
        try:
            data["body"] = bytes(body).decode()
        except UnicodeDecodeError:
            del data["body"]
            data["body_base64"] = base64.b64encode(body).decode()
    for name in ("success", "permanent"):
        if isinstance(data.get(name), Iterable) and not isinstance(data[name], str | bytes):
            data[name] = list(data[name])
    form = data.get("form")
    if isinstance(form, Iterable) and not isinstance(form, str | bytes | Mapping):
        data["form"] = list(form)
    return checked(data)


def throttle_of(url: HttpUrl) -> str:
    """Return the throttle of a target: `target:example.com`, with a port that is not the default.

    A host that is too long for a name is replaced by its hash.
    """
    host = url.host.removesuffix(".")
    port = "" if url.port == http_urls.PORTS[url.scheme] else f":{url.port}"
    name = f"target:{host}{port}"
    if len(name) > _MAX_ID:
        name = f"target:{hashlib.sha256(host.encode()).hexdigest()[:32]}{port}"
    return name


def with_throttle(data: Mapping[str, Any], throttles: Any) -> Any:
    """Return the throttles of a put with that of the target added; eight at most."""
    target = throttle_of(http_urls.parse(data["url"]))
    if not throttles:
        return [target]
    checked_options = arguments.throttles(throttles)
    ids = checked_options["throttles"]
    if target in ids:
        return throttles
    if len(ids) >= arguments.MAX_THROTTLES:
        raise BadArgumentError(
            f"{len(ids)} throttles leave no room for that of the target: leave one out, or use "
            "throttle_per_target=False"
        )
    costs = checked_options.get("costs")
    return {**costs, target: 1} if costs else [*ids, target]


def _body(data: Mapping[str, Any]) -> tuple[str | None, bytes]:
    """Return which field holds the body, and the body."""
    kinds = [name for name in _BODIES if name in data]
    if len(kinds) > 1:
        raise BadArgumentError(f"{' and '.join(kinds)} exclude each other")
    if not kinds:
        return None, b""
    value = data[kinds[0]]
    try:
        match kinds[0]:
            case "body":
                return "body", _text("body", value).encode()
            case "body_base64":
                return "body_base64", base64.b64decode(_text("body_base64", value), validate=True)
            case "json":
                text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
                return "json", text.encode()
            case _:
                return "form", form(value)
    except (binascii.Error, UnicodeEncodeError, TypeError, ValueError, RecursionError) as error:
        if isinstance(error, BadArgumentError):
            raise
        raise BadArgumentError(f"{kinds[0]} cannot be sent: {error}") from error


def form(value: Any) -> bytes:
    """Return a map or pairs as a form; a list in a map gives its field several times."""
    pairs = value.items() if isinstance(value, Mapping) else value
    if isinstance(value, str | bytes) or not isinstance(pairs, Iterable):
        raise BadArgumentError("form is neither a map nor a list of pairs")
    found: list[tuple[str, str]] = []
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:  # noqa: PLR2004 - a pair
            raise BadArgumentError("form is neither a map nor a list of pairs")
        name, one = pair
        many = one if isinstance(one, list | tuple) else [one]
        found += [(_plain("name", name), _plain(f"field {name!r:.100}", each)) for each in many]
    return urlencode(found).encode()


def _plain(what: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise BadArgumentError(f"form: {what} is neither text nor a number")


def _text(what: str, value: Any) -> str:
    if not isinstance(value, str):
        raise BadArgumentError(f"{what} is not text; for other values use json or form")
    return value


def _seconds(what: str, value: Any, most: float) -> float:
    seconds = arguments.span(what, value, 0.001) / 1000
    if seconds > most:
        raise BadArgumentError(f"{what} {value!r} is over {most:g} seconds")
    return seconds


def _codes(what: str, value: Any) -> frozenset[int]:
    """Return status codes from a list of numbers and classes such as `2xx`."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise BadArgumentError(f"{what} is not a list of status codes such as 200 or 2xx")
    found: set[int] = set()
    for number, one in enumerate(value):
        if number >= _MAX_CODES:
            raise BadArgumentError(f"{what} holds more than {_MAX_CODES} status codes")
        if isinstance(one, str) and one.lower() in _CLASSES:
            first = int(one[0]) * 100
            found.update(range(first, first + 100))
        elif isinstance(one, int) and not isinstance(one, bool) and 100 <= one <= 599:  # noqa: PLR2004
            found.add(one)
        else:
            raise BadArgumentError(f"{what} holds {one!r:.100}, which is no status code")
    return frozenset(found)
