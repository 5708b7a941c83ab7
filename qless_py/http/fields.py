"""The kinds of values that requests and responses are made of, as pydantic checks them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

# No more than what qless_py.protocol.arguments accepts.
_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.:@~+-]{0,127}$"
_ENTRY = r"^!?[A-Za-z0-9_*][A-Za-z0-9_.:@~+*-]{0,127}$"
_LINE = r"^[^\x00-\x1f\x7f]+$"

Name = Annotated[str, Field(pattern=_NAME, examples=["mail"])]
"""A jid, queue, tag, worker, user or batch."""

QueueEntry = Annotated[str, Field(pattern=_ENTRY, examples=["mail-*"])]
"""A queue to pop from, or a pattern of queues; after a `!`, one to leave out."""

Line = Annotated[str, Field(pattern=_LINE, min_length=1, max_length=255)]
"""One line of text of up to 255 bytes, such as a klass or a failure group."""

Message = Annotated[str, Field(max_length=65536)]

Context = dict[
    Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")],
    Annotated[str, Field(pattern=r"^[ -~]*$", max_length=1023)],
]
"""What travels with a job apart from its data: W3C trace context and the like."""

Seconds = Annotated[float, Field(ge=0, le=3_155_760_000)]
"""A span of time."""

Instant = Annotated[float, Field(ge=0, le=4_503_599_627_370)]
"""A point in time, in Unix seconds."""


def whole(value: Any) -> Any:
    """Return the whole number that a JSON number like 2.0 is; anything else unchanged."""
    # JSON has one kind of numbers: 2.0 is a whole one.
    return int(value) if isinstance(value, float) and value.is_integer() else value


# The limits stand before the conversion, or the description of the API would not have them.
Count = Annotated[int, Field(ge=0, le=2**31 - 1), BeforeValidator(whole)]
"""A whole number."""

Positive = Annotated[int, Field(ge=1, le=2**31 - 1), BeforeValidator(whole)]

PerCall = Annotated[int, Field(ge=1, le=100), BeforeValidator(whole)]
"""How many things one call may carry."""

Number = Annotated[float, Field(ge=-1e300, le=1e300)]

Costs = dict[Name, Number]
"""Numbers by name."""

Weights = dict[QueueEntry, Number]
"""Numbers by queue or pattern."""

JsonValue = Any
"""Any JSON value."""


class Model(BaseModel):
    """A body or a query: unknown fields are refused, and no value is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Answer(BaseModel):
    """The shape of a response; it documents what the routes return."""

    model_config = ConfigDict(extra="allow")
