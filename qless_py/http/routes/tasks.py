"""Tasks as Miyamoto and App Engine take them: `POST /queue`, outside of `/api/v1`.

    curl -d "task.url=http://localhost:9099/worker&task.countdown=5&foo=bar" localhost:8088/queue

A task is a job of the klass `http`. In a form, fields that begin with `task.` describe it, and all
others are its parameters; in JSON these are in `params`.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from flask import request

from qless_py.errors import BadArgumentError
from qless_py.http.context import caller, client, traced
from qless_py.http.fields import Answer, Name
from qless_py.http.idempotency import KEY_HEADER, idempotent
from qless_py.http.problems import Problem
from qless_py.http.route import Reply, Routes, read_body, read_json
from qless_py.protocol import http_requests, instrumentation, puts
from qless_py.protocol.codec import JsonCodec

routes = Routes("tasks", "Put tasks with a form or JSON, as Miyamoto takes them.")

QUEUE: Final = "default"
_FORM: Final = "application/x-www-form-urlencoded"
_PREFIX: Final = "task."
_FIELDS: Final = ("url", "method", "countdown", "eta", "id", "attempts", "timeout")
_MAX_PARAMS: Final = 1000


class Scheduled(Answer):
    """The task is scheduled; the id comes to its target in the header `X-Task-Id`."""

    status: str
    id: str


@routes.post("/queue", scope="put", returns=Scheduled, headers=KEY_HEADER)
def put_task() -> Any:
    """Put a task into the queue `default`."""
    return _put(QUEUE)


@routes.post("/queue/<queue>", scope="put", returns=Scheduled, headers=KEY_HEADER)
def put_task_into(queue: Name) -> Any:
    """Put a task into a queue."""
    return _put(queue)


def _put(queue: str) -> Reply:
    caller().require_queue(queue)
    caller().require_klass(http_requests.KLASS)
    task, params = _task()
    url, options = _options(task, params)
    data, rest = http_requests.split(url, options)
    job = puts.encode(client().settings, http_requests.KLASS, data, traced(rest))
    span = None
    if instrumentation.current is not None:
        span = instrumentation.current.send(queue, [job], bulk=False)
    call = puts.put_encoded(queue, job.jid, job.klass, job.data, job.options, span)
    reply = client().run(idempotent(call, 0))
    return Reply({"status": "scheduled", "id": reply.jid})


def _task() -> tuple[dict[str, Any], Any]:
    """Return the fields of the task in the request, and its parameters."""
    kind = request.mimetype
    # One of Miyamoto's own examples sends "applicatoin/json".
    if kind.endswith(("/json", "+json")):
        return _from_json()
    if kind == _FORM:
        return _from_form(read_body())
    raise Problem("form-required", f"send the task as {_FORM} or application/json")


def _from_form(body: bytes) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMS
        )
    except ValueError as error:
        raise Problem("invalid", f"the form cannot be read: {error}") from None
    task: dict[str, Any] = {}
    params: list[tuple[str, str]] = []
    for name, value in pairs:
        if not name.startswith(_PREFIX):
            params.append((name, value))
        elif name in task:
            raise Problem("invalid", f"{name} is given more than once")
        else:
            task[name] = value
    if "task.url" not in task:
        raise Problem(
            "invalid", "task.url is missing; a JSON body needs the content type application/json"
        )
    found = {name.removeprefix(_PREFIX): value for name, value in task.items()}
    _check_names(found, _PREFIX)
    for name in ("countdown", "eta", "attempts", "timeout"):
        if name in found:
            found[name] = _number(found[name])
    return found, params


def _from_json() -> tuple[dict[str, Any], Any]:
    task = read_json()
    if not isinstance(task, dict):
        raise Problem("invalid", "a task is a JSON object with a url")
    params = task.pop("params", None)
    if "url" not in task:
        raise Problem("invalid", "url is missing")
    _check_names(task, "")
    if params is not None and not isinstance(params, dict):
        raise Problem("invalid", "params is not an object")
    return task, params


def _check_names(task: Mapping[str, Any], prefix: str) -> None:
    unknown = next((name for name in task if name not in _FIELDS), None)
    if unknown is not None:
        known = ", ".join(prefix + name for name in _FIELDS)
        raise Problem("invalid", f"unknown field {prefix}{unknown[:100]}; known are {known}")


def _number(text: str) -> Any:
    """Return a number that a form holds as text; any other text as it is, to be judged later."""
    try:
        number = float(text)
    except ValueError:
        return text
    if not math.isfinite(number):
        return text
    return int(number) if number.is_integer() else number


def _options(task: Mapping[str, Any], params: Any) -> tuple[Any, dict[str, Any]]:
    """Return the URL of a task and the options of `put_http`."""
    options: dict[str, Any] = {"codec": JsonCodec.name}
    for name in ("method", "attempts", "timeout"):
        if task.get(name) is not None:
            options[name] = task[name]
    if task.get("countdown") is not None and task.get("eta") is not None:
        raise Problem("invalid", "countdown and eta exclude each other")
    if task.get("countdown") is not None:
        options["delay"] = task["countdown"]
    if task.get("eta") is not None:
        options["at"] = _instant(task["eta"])
    if task.get("id") is not None:
        # The same task again is no second task.
        options |= {"jid": task["id"], "on_conflict": "ignore"}
    url = task["url"]
    if not params:
        return url, options
    method = options.get("method", "POST")
    if isinstance(method, str) and method.upper() not in http_requests.WITH_BODY:
        return _with_query(url, params), options
    return url, {**options, "form": params}


def _with_query(url: Any, params: Any) -> Any:
    if not isinstance(url, str):
        return url
    query = http_requests.form(params).decode()
    before = url.partition("#")[0]
    return f"{before}{'&' if '?' in before else '?'}{query}"


def _instant(value: Any) -> Any:
    """Return a time given in Unix seconds or by ISO 8601 with a time zone."""
    if not isinstance(value, str):
        return value
    try:
        found = dt.datetime.fromisoformat(value)
    except ValueError:
        raise BadArgumentError(f"eta {value!r:.100} is neither Unix seconds nor ISO 8601") from None
    if found.tzinfo is None:
        raise BadArgumentError(f"eta {value!r:.100} has no time zone")
    return found
