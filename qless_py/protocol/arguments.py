"""What may be said of a job that is put or recurs, and how it is said to the scripts.

The checks of single values are those of `qless_py.protocol.checks`, which can be had here as well.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Literal, Protocol, TypedDict

from qless_py.errors import BadArgumentError
from qless_py.protocol.checks import (
    MOST_AT_ONCE,
    MOST_THROTTLES,
    Seconds,
    Throttles,
    choice,
    finite,
    instant,
    is_name,
    klass_name,
    line,
    name,
    names,
    span,
    text,
    throttle_id,
    throttles,
    user,
    whole,
)

__all__ = [
    "MOST_AT_ONCE", "MOST_RETRIES", "MOST_THROTTLES", "PARENT_POLICIES", "RECUR_DEFAULTS", "Policy",
    "PutOptions", "PutSpec", "RecurOptions", "RecurUpdate", "Seconds", "Throttles", "choice",
    "defaults", "finite", "instant", "is_name", "klass_name", "line", "name", "names",
    "put_options", "recur_options", "span", "text", "throttle_id", "throttles", "user", "whole",
]  # fmt: skip

MOST_RETRIES: Final = 2**31 - 1


class Policy(Protocol):
    """A policy of retries, which the store keeps as text."""

    def text(self) -> str:
        """Give the policy as the store keeps it."""


class PutOptions(TypedDict, total=False):
    """What may be said when putting a job; all of it optional.

    * `jid`: an id of one's own; putting the same jid again does what `on_conflict` says.
    * `priority`: any number, higher goes first. `tags`. `retries`: how often it may be dropped.
    * `delay`: seconds or timedelta until it may run.
    * `depends`: jids that must complete first; `on_parent_failed`: what happens when one of them
      fails or is canceled: `wait`, `cancel`, `fail` or `run`.
    * `on_conflict`: what happens when the jid exists: `replace`, `ignore`, `raise`, or `revive`,
      which replaces a job that has failed and ignores the put otherwise.
    * `unique_key`: one live job for a key; `unique_scope`: while `queued`, while queued or
      `running` (the default), or for a `window` of `unique_window` seconds; `unique_conflict`:
      `ignore` (gives the jid that has the key), `raise` or `replace`.
    * `keep`: seconds for which the jid is remembered after the job has ended.
    * `expires`: seconds from now, or a datetime, after which the job is not handed out any more,
      neither for the first time nor again: it fails in the group `expired` instead.
    * `soft_limit`: seconds after which the handler gets a `SoftLimitError`; `hard_limit`: seconds
      after which its process is killed.
    * `retry`: a `RetryPolicy` for what the handler raises.
    * `user`: whose job it is: the users of a queue share it as their weights say, whatever the
      priorities of their jobs. `throttles`: limits on what may run, ids in a list or with what the
      job costs of each in a mapping; it runs when none of them holds it back. When a job is put
      again, what is not given stays; `False` and an empty list take it away.
    * `batch`: an open batch to join. `codec`: how the data is written.
    """

    jid: str | None
    priority: float | None
    tags: Iterable[str] | None
    retries: int | None
    delay: Seconds | None
    depends: Iterable[str] | None
    on_parent_failed: str | None
    on_conflict: str | None
    unique_key: str | None
    unique_scope: str | None
    unique_window: Seconds | None
    unique_conflict: str | None
    keep: Seconds | None
    expires: Seconds | datetime | None
    soft_limit: Seconds | None
    hard_limit: Seconds | None
    retry: Policy | None
    user: str | Literal[False] | None
    throttles: Throttles | None
    batch: str | None
    codec: str | None


class PutSpec(PutOptions, total=False):
    """One job of many: the options of a put, its klass and its data, and perhaps its queue."""

    klass: Any
    data: Any
    queue: str | None


def defaults(klass: Any, data: Any) -> dict[str, Any]:
    """Give the options that a class wants for its jobs: its `default_job_options(data)`."""
    made = getattr(klass, "default_job_options", None)
    if isinstance(klass, str) or not callable(made):
        return {}
    options = made(data)
    if not isinstance(options, Mapping):
        raise BadArgumentError(f"default_job_options of {klass!r} gave no mapping")
    return dict(options)


def put_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the options of a put into those of the script; `jid` and `codec` are the caller's."""
    _check_known(options.keys() - _PUT_READERS.keys() - _PUT_OTHERS)
    checked = {
        name: read(name, options[name])
        for name, read in _PUT_READERS.items()
        if options.get(name) is not None
    }
    unique = _unique(options)
    checked |= _expiry(options) | throttles(options.get("throttles"))
    return {**checked, "unique": unique} if unique else checked


def _check_known(unknown: Iterable[Any]) -> None:
    named = ", ".join(sorted(map(str, unknown)))
    if named:
        raise BadArgumentError(f"unknown options: {named}")


def _expiry(options: Mapping[str, Any]) -> dict[str, int]:
    """Give the end of a job's time: a span is counted by the clock of the server."""
    value = options.get("expires")
    if value is None:
        return {}
    if isinstance(value, datetime):
        return {"expires": instant("expires", value)}
    return {"expires_in": span("expires", value, 0.001)}


def _policy(what: str, value: Any) -> str:
    write = getattr(value, "text", None)
    if not callable(write):
        raise BadArgumentError(f"{what} {value!r} is no RetryPolicy")
    return text(what, write(), 2**31)


def _unique(options: Mapping[str, Any]) -> dict[str, Any]:
    key, scope, window = (options.get(f"unique_{part}") for part in ("key", "scope", "window"))
    if key is None:
        if scope is not None or window is not None or options.get("unique_conflict") is not None:
            raise BadArgumentError("unique_scope, unique_window, unique_conflict need a unique_key")
        return {}
    scope = scope or ("running" if window is None else "window")
    checked: dict[str, Any] = {
        "key": name("unique_key", key),
        "scope": choice("unique_scope", scope, ("queued", "running", "window")),
    }
    if (scope == "window") != (window is not None):
        raise BadArgumentError("unique_window and unique_scope='window' go together")
    if window is not None:
        checked["window"] = span("unique_window", window, 0.001)
    return checked


_CONFLICTS: Final = ("replace", "ignore", "raise")
PARENT_POLICIES: Final = ("wait", "cancel", "fail", "run")
_PUT_OTHERS: Final = frozenset(
    {"jid", "codec", "unique_key", "unique_scope", "unique_window", "expires", "throttles"}
)
_RUN_READERS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "soft_limit": lambda what, value: span(what, value, 0.001),
    "hard_limit": lambda what, value: span(what, value, 0.001),
    "retry": _policy,
}
_PUT_READERS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "priority": finite,
    "tags": names,
    "retries": lambda what, value: whole(what, value, 0, MOST_RETRIES),
    "delay": span,
    "depends": names,
    "on_parent_failed": lambda what, value: choice(what, value, PARENT_POLICIES),
    "on_conflict": lambda what, value: choice(what, value, (*_CONFLICTS, "revive")),
    "unique_conflict": lambda what, value: choice(what, value, _CONFLICTS),
    "keep": lambda what, value: span(what, value, 0.001),
    **_RUN_READERS,
    "user": user,
    "batch": name,
}


class RecurOptions(TypedDict, total=False):
    """What may be said when making a recurring job; it holds for each child.

    * `cron`: five fields, six with the seconds first, or a nickname as `@daily`; `zone`: the IANA
      name of the time zone in which it is meant, by default UTC.
    * `misfire`: what becomes of slots noticed more than a minute late: `all` are made up for (the
      default), only the last `one`, or they are left out (`skip`). `backlog`: with `all`, how many
      missed slots are made up for, 0 for all.
    * `start`, `end`: no child before, none after. `limit`: how many children at most.

    `retries` is 0 if not given.
    `expires`: how many seconds after its slot a child is not handed out any more. The limits and
    `retry` as in a put.
    """

    jid: str | None
    cron: str | None
    zone: str | None
    misfire: str | None
    start: float | datetime | None
    end: float | datetime | None
    limit: int | None
    priority: float | None
    tags: Iterable[str] | None
    retries: int | None
    backlog: int | None
    expires: Seconds | None
    soft_limit: Seconds | None
    hard_limit: Seconds | None
    retry: Policy | None
    user: str | Literal[False] | None
    throttles: Throttles | None
    codec: str | None


class RecurUpdate(TypedDict, total=False):
    """What may be changed about a recurring job; `None` takes away a start, end or limit."""

    klass: Any
    data: Any
    queue: str
    interval: Seconds
    cron: str
    zone: str
    misfire: str
    start: float | datetime | None
    end: float | datetime | None
    limit: int | None
    priority: float
    tags: Iterable[str]
    retries: int
    backlog: int
    expires: Seconds
    soft_limit: Seconds
    hard_limit: Seconds
    retry: Policy
    user: str | Literal[False]
    throttles: Throttles


RECUR_DEFAULTS: Final = frozenset(
    {"priority", "tags", "retries", "backlog", "user", "throttles", *_RUN_READERS}
)
_RECUR_READERS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "priority": finite,
    "tags": names,
    "retries": lambda what, value: whole(what, value, 0, MOST_RETRIES),
    "backlog": lambda what, value: whole(what, value, 0, MOST_RETRIES),
    "expires": lambda what, value: span(what, value, 0.001),
    **_RUN_READERS,
    "user": user,
    "klass": lambda _, value: klass_name(value),
    "queue": name,
    "interval": lambda what, value: span(what, value, 0.001),
}


def recur_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Turn what is said of a recurring job into the options of its scripts."""
    plain = {what: value for what, value in options.items() if what != "throttles"}
    _check_known(plain.keys() - _RECUR_READERS.keys())
    checked = {what: _RECUR_READERS[what](what, value) for what, value in plain.items()}
    checked |= throttles(options.get("throttles"))
    if "expires" in checked:
        checked["expires_in"] = checked.pop("expires")
    return checked
