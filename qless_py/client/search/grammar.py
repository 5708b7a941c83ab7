"""The syntax of a search: `state:failed queue:mail klass:app.* age:>5m -tag:test "exact words"`.

It is the same in the library, the command line and the dashboard. A job must match all terms; a
leading `-` negates a term; quotes keep words together, and a name in quotes is taken literally,
with its stars. A word without a field is searched in the jid, klass, queue, group, user, tags and
data of a job, ignoring case.

`age`, `failed`, `finished` and `started` compare the time since the job was put, failed, failed or
completed, and was last popped: `failed:<1h` matches jobs that failed within the last hour.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments

STATES: Final = (
    "waiting", "running", "scheduled", "stalled", "depends", "throttled", "failed", "complete",
)  # fmt: skip
_NAMES: Final = {
    "jid": "jid", "klass": "klass", "class": "klass", "queue": "queue", "tag": "tag",
    "user": "user", "throttle": "throttle", "worker": "worker", "group": "group",
    "batch": "batch", "codec": "codec", "tracked": "tracked",
}  # fmt: skip
_NUMBERS: Final = {
    "priority": "priority", "prio": "priority", "retries": "retries", "crashes": "crashes",
    "attempts": "attempts",
}  # fmt: skip
# The times since an event, and the states of jobs that have one, if not all have.
_ENDS: Final[Mapping[str, frozenset[str]]] = {
    "failed": frozenset({"failed"}),
    "finished": frozenset({"failed", "complete"}),
}
_TIMES: Final = ("age", "started", *_ENDS)
_TEXTS: Final = {"data": "data", "error": "error"}
_FIELDS: Final = ("state", *_TIMES, *_NAMES, *_NUMBERS, *_TEXTS)
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_TOKEN: Final = re.compile(
    r'(?P<minus>-?)(?:(?P<field>[^\W\d][\w-]*(?:\.[^\s:"]+)?):)?(?P<value>"(?:[^"\\]|\\.)*"|[^\s"]+)'
)
_COMPARED: Final = re.compile(r"(<=|>=|<|>|=)?(.+)", re.DOTALL)
# A value that means itself: it has no pattern, space or quote.
_PLAIN: Final = re.compile(r'[^\s"*]+')
MAX_LENGTH: Final = 500
_TERMS: Final = 20
_MAX_EXAMPLE: Final = 60


class SearchError(BadArgumentError):
    """A search that cannot be parsed; `position` is the index of the character, from 0."""

    def __init__(self, message: str, position: int = 0) -> None:
        super().__init__(f"{message} (at character {position + 1})")
        self.position = position


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. `path` is the way into the data, for `data.user.id:42`."""

    field: str
    op: str
    value: Any
    is_negated: bool = False
    path: tuple[str, ...] = ()

    @property
    def exact(self) -> str | None:
        """The one text that the field must equal, if the term requires one."""
        if self.is_negated or self.field == "state":
            return None
        if self.op == "in" and len(self.value) == 1:
            return str(self.value[0])
        return str(self.value) if self.op == "like" and "*" not in str(self.value) else None

    @property
    def states(self) -> frozenset[str] | None:
        """The states of all jobs that can match, or None if any state can."""
        if self.field == "state":
            named = frozenset(self.value)
            return frozenset(STATES) - named if self.is_negated else named
        return None if self.is_negated else _ENDS.get(self.field)

    @property
    def within(self) -> float | None:
        """The milliseconds in which a matching job has ended, if the term limits that."""
        is_limit = self.op in {"<", "<=", "="} and not self.is_negated
        return float(self.value) if self.field in _ENDS and is_limit else None

    def condition(self) -> dict[str, Any]:
        """Return the condition as an argument of the script."""
        made = {"field": self.field, "op": self.op, "value": self.value}
        return {**made, "negated": True} if self.is_negated else made


def parse(text: str) -> list[Term]:
    """Parse a search; raises `SearchError` with the reason and the position."""
    return [_term(found) for found in _tokens(text)]


def split(text: str) -> list[str]:
    """Return the terms of a search as they were typed; raises `SearchError` as `parse` does."""
    found = _tokens(text)
    for one in found:
        _term(one)
    return [one[0] for one in found]


def _tokens(text: str) -> list[re.Match[str]]:
    if len(text) > MAX_LENGTH:
        raise SearchError(f"a search has at most {MAX_LENGTH} characters", MAX_LENGTH)
    terms, at = [], 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        found = _TOKEN.match(text, at)
        if found is None:
            raise SearchError("a quote without its end, or a term without a value", at)
        terms.append(found)
        at = found.end()
        if at < len(text) and not text[at].isspace():
            raise SearchError("terms are parted by spaces", at)
    if len(terms) > _TERMS:
        raise SearchError(f"a search has at most {_TERMS} terms")
    return terms


def _term(found: re.Match[str]) -> Term:
    value, field = found["value"], found["field"]
    is_negated = found["minus"] == "-"
    if value.startswith('"'):
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    elif field is None and value.endswith(":") and value[:-1].lower() in _FIELDS:
        value = ""
    if not value:
        raise SearchError("a term without a value", found.start())
    if field is None:
        return Term("text", "has", value, is_negated)
    name, _, path = field.partition(".")
    if path:
        return _in_data(name.lower(), path, value, found, is_negated=is_negated)
    return _of_field(name.lower(), value, found, is_negated=is_negated)


def _of_field(name: str, value: str, found: re.Match[str], *, is_negated: bool) -> Term:
    if name == "state":
        return Term("state", "in", _states(value, found), is_negated)
    if name in _TIMES or name in _NUMBERS:
        return _compared(_NUMBERS.get(name, name), value, found, is_negated=is_negated)
    if name in _TEXTS:
        return Term(_TEXTS[name], "has", value, is_negated)
    if name in _NAMES and found["value"].startswith('"'):
        return Term(_NAMES[name], "in", [value], is_negated)
    if name in _NAMES:
        return Term(_NAMES[name], "like", value, is_negated)
    message = f"there is no field {name}{_hint(name, _FIELDS)}{_in_quotes(found)}"
    raise SearchError(message, found.start())


def _hint(word: str, known: Sequence[str]) -> str:
    near = arguments.nearest(word, known)
    return f", did you mean {near}?" if near else f"; there are {', '.join(known)}"


def _in_quotes(found: re.Match[str]) -> str:
    """Return how to search for a text that looks like a term."""
    text = found[0].removeprefix("-")
    is_short = '"' not in text and len(text) <= _MAX_EXAMPLE
    return f'; to search for the text, put it in quotes: "{text}"' if is_short else ""


def _in_data(name: str, path: str, value: str, found: re.Match[str], *, is_negated: bool) -> Term:
    if name != "data":
        message = f"only data has fields of its own, {name} has none{_in_quotes(found)}"
        raise SearchError(message, found.start())
    return Term("data", "has", value, is_negated, tuple(path.split(".")))


def _states(value: str, found: re.Match[str]) -> list[str]:
    wanted = value.lower().split(",")
    for one in wanted:
        if one not in STATES:
            message = f"there is no state {one!r}{_hint(one, STATES)}"
            raise SearchError(message, found.start("value"))
    return wanted


def _compared(field: str, value: str, found: re.Match[str], *, is_negated: bool) -> Term:
    parts = _COMPARED.fullmatch(value)
    if parts is None:  # pragma: no cover - a value is never empty here
        raise SearchError("a term without a value", found.start())
    op, number = parts[1], parts[2]
    if field == "age":
        return Term(field, op or ">=", _milliseconds(field, number, found), is_negated)
    if field in _TIMES:
        time = _milliseconds(field, number, found)
        if op is None:
            message = (
                f"write {field}:<{number} for the last {number}, {field}:>{number} for longer ago"
            )
            raise SearchError(message, found.start("value"))
        return Term(field, op, time, is_negated)
    return Term(field, op or "=", _number(number, found), is_negated)


def _milliseconds(field: str, text: str, found: re.Match[str]) -> float:
    unit = text[-1:].lower()
    if unit in _UNITS:
        return 1000 * _UNITS[unit] * _number(text[:-1], found)
    message = f"{field} takes a number and one of s, m, h, d, w: {field}:>5m"
    raise SearchError(message, found.start("value"))


def _number(text: str, found: re.Match[str]) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not math.isfinite(number):
        raise SearchError(f"{text!r} is not a number", found.start("value"))
    return number


def quote(value: str) -> str:
    """Return a value in quotes, so that a search takes its stars and spaces literally."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def literally(value: str) -> str:
    """Return the value of a term that is taken as it is: in quotes only if it needs them."""
    return value if _PLAIN.fullmatch(value) else quote(value)
