"""The file of an export: a header, one object a line, and a trailer with counts and a checksum."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, Final

from qless_py.errors import QlessError
from qless_py.transfer.shapes import check_fields

FORMAT: Final = "qless_py export"
VERSION: Final = 1
# Lines that hold something; `page` says where an export continues.
CONTENT: Final = ("job", "batch", "recurring", "throttle", "user", "config", "pause")
MAX_LINE: Final = 16 * 1024 * 1024
_HEADER_FIELDS: Final = frozenset(
    {"kind", "format", "version", "namespace", "exported_at", "search", "options"}
)


class ExportFileError(QlessError):
    """A file is no export, has an unknown version, or is not complete; nothing was imported."""


def encoded(value: Mapping[str, Any]) -> bytes:
    """Return an object as a line."""
    line = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    if "\\ud" in line:  # Perhaps text that is not UTF-8.
        line = json.dumps(_clean(value), ensure_ascii=True, separators=(",", ":"))
    return line.encode() + b"\n"


def _clean(value: Any) -> Any:
    """Replace what UTF-8 cannot write: something else than a client has stored it."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if isinstance(value, Mapping):
        return {_clean(key): _clean(one) for key, one in value.items()}
    return [_clean(one) for one in value] if isinstance(value, list) else value


@dataclass(slots=True)
class Tally:
    """What is known of the lines up to here: their number, what they hold, and their checksum."""

    lines: int = 0
    size: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    digest: Any = field(default_factory=hashlib.sha256)

    def add(self, line: bytes, kind: str) -> None:
        """Count one line."""
        self.lines += 1
        self.size += len(line)
        self.digest.update(line)
        if kind in CONTENT:
            self.counts[kind] += 1

    def trailer(self) -> dict[str, Any]:
        """Return the last line."""
        return {
            "kind": "trailer",
            "counts": dict(sorted(self.counts.items())),
            "lines": self.lines,
            "sha256": self.digest.hexdigest(),
        }


class Writer:
    """Writes the lines of an export to a binary stream."""

    def __init__(self, stream: IO[bytes], tally: Tally | None = None) -> None:
        self._stream = stream
        self.tally = tally or Tally()

    def header(self, namespace: str, at: float, search: str, options: Mapping[str, Any]) -> None:
        """Write the first line."""
        self.line(
            {
                "kind": "header",
                "format": FORMAT,
                "version": VERSION,
                "namespace": namespace,
                "exported_at": at,
                "search": search,
                "options": dict(options),
            }
        )

    def line(self, value: Mapping[str, Any]) -> None:
        """Write one line."""
        line = encoded(value)
        self._stream.write(line)
        self.tally.add(line, str(value["kind"]))

    def page(self, cursor: str | None) -> None:
        """Write where the export continues, once everything before it is in the file."""
        self.line({"kind": "page", "cursor": cursor})
        self._stream.flush()

    def trailer(self) -> None:
        """Write the last line."""
        self._stream.write(encoded(self.tally.trailer()))
        self._stream.flush()


@dataclass(frozen=True, slots=True)
class Line:
    """A line with its number, from 1, and where it begins.

    `value` is None for a line that cannot be read, and `error` says why.
    """

    number: int
    offset: int
    value: Mapping[str, Any] | None
    error: str = ""
    raw: bytes = b""

    @property
    def kind(self) -> str:
        """The kind of the line; empty if it cannot be read."""
        return "" if self.value is None else str(self.value.get("kind", ""))


def read(stream: IO[bytes], *, offset: int = 0, number: int = 0) -> Iterator[Line]:
    """Yield the lines of a file from an offset on; a bad one is yielded with its error."""
    stream.seek(offset)
    while raw := stream.readline(MAX_LINE):
        number += 1
        yield _parsed(raw, number, offset)
        offset += len(raw)


def _parsed(raw: bytes, number: int, offset: int) -> Line:
    if not raw.endswith(b"\n"):
        error = "the line is cut off"
        if len(raw) >= MAX_LINE:
            error = f"the line is longer than {MAX_LINE} bytes"
        return Line(number, offset, None, error, raw)
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        return Line(number, offset, None, f"the line is not JSON: {error}", raw)
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        return Line(number, offset, None, "the line is not an object with a kind", raw)
    return Line(number, offset, value, raw=raw)


def check_header(line: Line | None) -> Mapping[str, Any]:
    """Return the header; raises `ExportFileError` for a file of another kind or version."""
    value = line.value if line is not None else None
    if value is None or value.get("kind") != "header" or value.get("format") != FORMAT:
        raise ExportFileError("the file is not an export of qless_py: its first line is no header")
    if value.get("version") != VERSION:
        raise ExportFileError(
            f"the export has version {value.get('version')!r}; this release reads {VERSION}"
        )
    check_fields(value, _HEADER_FIELDS)
    return value


def why_incomplete(tally: Tally, last: Line | None) -> str | None:
    """Return why a file is not complete, None if its trailer matches what is before it."""
    if last is None or last.value is None or last.kind != "trailer":
        return (
            f"the file ends after line {tally.lines} without a trailer: the export was cut off; "
            "resume it, or import what is there with --incomplete"
        )
    expected = tally.trailer()
    if last.value == expected:
        return None
    if last.value.get("lines") != expected["lines"]:
        return f"the trailer counts {last.value.get('lines')!r} lines, not {expected['lines']}"
    return "the checksum of the trailer does not match: the file was changed"
