"""Entries of the audit log as lines of CSV or of JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from qless_py.protocol.audit import AuditEntry

_COLUMNS: Final = ("id", "at", "who", "role", "door", "address", "action", "targets", "details",
                   "count", "outcome", "result")  # fmt: skip
# A spreadsheet takes a cell that begins like this for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t")


def csv_lines(entries: Iterable[AuditEntry]) -> Iterator[str]:
    """Yield a header and a line for each entry; a cell that looks like a formula gets a quote."""
    yield ",".join(_COLUMNS)
    for one in entries:
        cells = one.as_dict() | {
            "at": datetime.fromtimestamp(one.at, UTC).isoformat(timespec="milliseconds"),
            "targets": " ".join(one.targets),
        }
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="").writerow(_cell(cells[name]) for name in _COLUMNS)
        yield buffer.getvalue()


def json_lines(entries: Iterable[AuditEntry]) -> Iterator[str]:
    """Yield the JSON of each entry."""
    for one in entries:
        yield json.dumps(one.as_dict(), ensure_ascii=False, separators=(",", ":"))


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


WRITERS: Final[Mapping[str, Callable[[Iterable[AuditEntry]], Iterator[str]]]] = MappingProxyType(
    {"csv": csv_lines, "ndjson": json_lines}
)
FORMATS: Final = tuple(WRITERS)
