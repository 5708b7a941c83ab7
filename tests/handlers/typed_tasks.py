"""Functions whose arguments and results are more than JSON."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

import qless_py

if TYPE_CHECKING:
    from fractions import Fraction

SEEN: list[Any] = []


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclass
class Line:
    sku: str
    price: Decimal
    sent: datetime | None = None


class Point(NamedTuple):
    x: int
    y: int


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)

    when: datetime
    key: UUID


class Order(BaseModel):
    number: int = Field(alias="no")
    lines: list[Line]
    note: str = ""


@qless_py.job(queue="typed")
def everything(  # noqa: PLR0913, PLR0917
    when: datetime,
    day: date,
    at: time,
    span: timedelta,
    total: Decimal,
    key: UUID,
    size: Size,
    level: Level,
    line: Line,
    point: Point,
    strict: Strict,
    order: Order,
    raw: bytes,
    path: Path,
    chosen: set[int],
    by_number: dict[int, Line],
    pair: tuple[int, str],
    either: int | str | None,
    mode: Literal["fast", "slow"],
    few: Annotated[int, Field(gt=0, lt=10)],
    plain: Any,
    **more: Decimal,
) -> None:
    SEEN.append(dict(locals()))


@qless_py.job(queue="typed")
def priced(lines: list[Line]) -> Line:
    return Line("sum", sum((one.price for one in lines), Decimal(0)))


@qless_py.job(queue="typed")
async def later(day: date) -> dict[str, date]:
    return {"after": day + timedelta(days=1)}


@qless_py.job(queue="typed")
def bare(value, more=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    return [value, more]


@qless_py.job(queue="typed")
def unresolved(value: Fraction) -> None: ...


class Opaque:
    pass


@qless_py.job(queue="typed")
def opaque(value: Opaque) -> None: ...


@qless_py.job(queue="typed")
def lies() -> int:
    return object()  # type: ignore[return-value]


class TwoNames(BaseModel):
    text: str = Field(validation_alias="written", serialization_alias="read")


@qless_py.job(queue="typed")
def two_names(value: TwoNames) -> None: ...


@qless_py.job(queue="typed")
def by_pair(value: dict[tuple[int, int], int]) -> None: ...


@qless_py.job(queue="typed")
def secret(value: SecretStr | list[SecretStr] | str) -> None: ...


@qless_py.job(queue="typed")
def named_as_its_task(self: int, client: int) -> list[int]:
    return [self, client]


@qless_py.job(queue="typed")
def returns_opaque() -> Opaque: ...  # type: ignore[empty-body]
