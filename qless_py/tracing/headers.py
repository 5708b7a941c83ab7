"""The context of a job as HTTP headers: W3C trace context and baggage. Needs no OpenTelemetry."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from qless_py.protocol import instrumentation
from qless_py.protocol.arguments import MAX_CONTEXT

NAMES: Final = ("traceparent", "tracestate", "baggage")
_TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[ -~]*)?"
)
_PRINTABLE: Final = re.compile(r"[ -~]*")
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_LONG_MEMBER: Final = 128  # Characters; such members of a tracestate are dropped first.


def context_from_headers(
    headers: Mapping[str, str] | Iterable[tuple[str, str]],
) -> dict[str, str]:
    """Return the context that a request hands on, for the put option `context`; empty if none.

    What is not valid is left out, as the W3C recommends, and so is what does not fit: a trace
    without a valid `traceparent` begins anew.
    """
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        if isinstance(name, str) and name.lower() in NAMES and isinstance(value, str):
            found.setdefault(name.lower(), []).append(value.strip())
    parents = found.pop("traceparent", [])
    if len(parents) == 1 and is_traceparent(parents[0]):
        found["traceparent"] = parents
    else:
        found.pop("tracestate", None)
    return fitted({name: ",".join(values) for name, values in found.items()})


def headers_for(job: Any) -> dict[str, str]:
    """Return the headers of a request that is made for a job, so that its receiver joins the trace.

    They are those of the current span while jobs are traced, else those of the job's context.
    """
    current = instrumentation.current
    carried = {} if current is None else current.context()
    return {
        name: value
        for name, value in (carried or fitted(job.context)).items()
        if name != "traceparent" or is_traceparent(value)
    }


def is_traceparent(value: str) -> bool:
    """Return whether this is a valid `traceparent`."""
    return _TRACEPARENT.fullmatch(value) is not None and (value[:2] != "00" or len(value) == 55)  # noqa: PLR2004


def trace_id_of(context: Mapping[str, str]) -> str | None:
    """Return the id of the trace that a context belongs to."""
    value = context.get("traceparent", "")
    return value[3:35] if is_traceparent(value) else None


def fitted(carrier: Mapping[str, Any]) -> dict[str, str]:
    """Return as much of a carrier as the context of a job can hold.

    Whole members of `baggage`, then of `tracestate` are left out until the rest fits.
    """
    kept: dict[str, str] = {}
    left = MAX_CONTEXT
    for name in sorted(carrier, key=lambda one: NAMES.index(one) if one in NAMES else 0):
        value = carrier[name]
        is_text = isinstance(value, str) and _PRINTABLE.fullmatch(value) is not None
        if not is_text or not _NAME.fullmatch(name):
            continue
        room = left - len(name)
        if name in NAMES[1:]:
            value = _cut(value, room, longest=_LONG_MEMBER if name == "tracestate" else None)
        if value and len(value) <= room:
            kept[name] = value
            left = room - len(value)
    return kept


def _cut(value: str, room: int, longest: int | None) -> str:
    """Return a list of members, separated by commas, without those that do not fit."""
    if len(value) <= room:
        return value
    members = [one for one in map(str.strip, value.split(",")) if one]
    if longest is not None:
        members = [one for one in members if len(one) <= longest]
    while members and len(",".join(members)) > room:
        members.pop()
    return ",".join(members)
