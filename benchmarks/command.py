"""The command line shared by the benchmarks, and where results are written."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from benchmarks.tables import machine

SERVERS: Final = ("valkey", "redis")
_STARTED: Final = time.monotonic()


class Result(Protocol):
    """The measurements of one server."""

    def text(self) -> str:
        """Return the tables."""

    def as_json(self) -> dict[str, Any]:
        """Return the measurements as plain values."""


ResultT = TypeVar("ResultT", bound=Result)


def parser(name: str, about: str | None, quick: str = "1%%") -> argparse.ArgumentParser:
    """Return a parser with the common options; `quick` is the share that --quick measures."""
    made = argparse.ArgumentParser(prog=f"bin/bench {name}", description=about)
    made.add_argument("--server", choices=SERVERS, help="measure only this server (default: both)")
    made.add_argument("--quick", action="store_true", help=f"measure {quick} of the full scale")
    made.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers as JSON")
    made.add_argument("--page", type=Path, metavar="FILE", help="also update this document")
    return made


def selected_servers(arguments: argparse.Namespace) -> Sequence[str]:
    """Return the names of the servers to measure."""
    return [arguments.server] if arguments.server else SERVERS


def log(text: str) -> None:
    """Print a line of progress to stderr, after the seconds since the start."""
    print(f"{time.monotonic() - _STARTED:6.0f} s  {text}", file=sys.stderr, flush=True)


def write_json(path: Path | None, value: object) -> None:
    """Write plain values as JSON if a path is given."""
    if path:
        path.write_text(f"{json.dumps(value, indent=2)}\n", encoding="utf-8")


def write_results(
    arguments: argparse.Namespace,
    results: Sequence[ResultT],
    render: Callable[[Sequence[ResultT]], str],
) -> None:
    """Print the tables, and write the files named by --json and --page.

    `render` returns the section for the document; the other sections of that file are kept.
    """
    print("\n\n".join(result.text() for result in results))
    write_json(arguments.json, [result.as_json() for result in results])
    if arguments.page:
        write_section(arguments.page, render(results))


def section(title: str, about: str, tables: Iterable[tuple[str, str]]) -> str:
    """Return a section of a document: title, description, date and machine, then the tables.

    Each table comes with its heading, which may be empty.
    """
    date = dt.datetime.now(dt.UTC).date().isoformat()
    parts = [f"# {title}", about, f"{date}, {machine()}."]
    for heading, text in tables:
        parts += [f"## {heading}"] if heading else []
        parts.append(f"```text\n{text}\n```")
    return "\n\n".join(parts) + "\n"


def write_section(path: Path, text: str) -> None:
    """Replace the section with the same `#` heading in a document, or append it."""
    heading = text.partition("\n")[0]
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    sections = [one.strip() for one in re.split(r"(?m)^(?=# )", old) if one.strip()]
    headings = [one.partition("\n")[0] for one in sections]
    if heading in headings:
        sections[headings.index(heading)] = text.strip()
    else:
        sections.append(text.strip())
    path.write_text("\n\n".join(sections) + "\n", encoding="utf-8")
