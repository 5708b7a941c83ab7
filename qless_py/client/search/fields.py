"""The fields of a search, for help and completion: what each selects, with examples of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class SearchField:
    """What a field selects; `examples` are values with what they mean, where no names exist."""

    meaning: str
    examples: Sequence[tuple[str, str]] = ()


def _recent(what: str) -> SearchField:
    return SearchField(
        f"time since a job {what}",
        (("<1h", "in the last hour"), ("<1d", "in the last day"), (">1h", "over an hour ago")),
    )


def _number(meaning: str) -> SearchField:
    return SearchField(meaning, (("0", "none"), (">0", "any"), (">3", "more than 3")))


FIELDS: Final[Mapping[str, SearchField]] = {
    "state": SearchField("one or more states, joined by commas"),
    "queue": SearchField("queue; * matches any characters"),
    "klass": SearchField("class; * matches any characters"),
    "tag": SearchField("a tag of the job"),
    "user": SearchField("the user whose job it is"),
    "group": SearchField("failure group"),
    "failed": _recent("failed"),
    "finished": _recent("failed or completed"),
    "started": _recent("was last popped"),
    "age": SearchField(
        "time since the job was put",
        ((">5m", "over 5 minutes"), (">1h", "over an hour"), ("<1h", "in the last hour")),
    ),
    "worker": SearchField("the worker that runs it"),
    "throttle": SearchField("a throttle of the job"),
    "attempts": _number("how often the job was popped"),
    "priority": SearchField("priority", ((">0", "raised"), ("<0", "lowered"))),
    "retries": _number("retries left"),
    "crashes": _number("how often its process died"),
    "jid": SearchField("jid; * matches any characters"),
    "data": SearchField("text in the data; data.user.id:42 for one field"),
    "error": SearchField("text in the error message"),
    "batch": SearchField("the batch or workflow of the job"),
    "tracked": SearchField("whether the job is tracked", (("yes", ""), ("no", ""))),
    "codec": SearchField("codec of the data"),
}
"""The fields in the order in which people need them; aliases are left out."""
