"""The command line that all benchmarks of a server have, and where their results go."""

from __future__ import annotations

import argparse
import datetime as dt
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from benchmarks.pages import write_part

_SERVERS: Final = ("valkey", "redis")


class Result(Protocol):
    """What was measured on one server."""

    def text(self) -> str:
        """Give the tables."""

    def as_json(self) -> dict[str, Any]:
        """Give the same as plain values."""


ResultT = TypeVar("ResultT", bound=Result)


def parser(name: str, about: str | None, quick: str = "a hundredth") -> argparse.ArgumentParser:
    """Give a parser with the options that all have; `quick` says how much of it is measured."""
    made = argparse.ArgumentParser(prog=f"bin/bench {name}", description=about)
    made.add_argument("--server", choices=_SERVERS, help="only this one; else both")
    made.add_argument("--quick", action="store_true", help=f"{quick} of everything")
    made.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here, too")
    made.add_argument("--page", type=Path, metavar="FILE", help="write the document here, too")
    return made


def chosen(arguments: argparse.Namespace) -> Sequence[str]:
    """Give the servers to measure on."""
    return [arguments.server] if arguments.server else _SERVERS


def today() -> str:
    """Give the date that goes with what was measured."""
    return dt.datetime.now(dt.UTC).date().isoformat()


def write_json(path: Path | None, value: object) -> None:
    """Write plain values, if that was asked for."""
    if path:
        path.write_text(f"{json.dumps(value, indent=2)}\n", encoding="utf-8")


def tell(
    arguments: argparse.Namespace,
    results: Sequence[ResultT],
    part: Callable[[Sequence[ResultT], str], str],
) -> None:
    """Print what was measured, and write it where that was asked for."""
    print("\n\n".join(result.text() for result in results))
    write_json(arguments.json, [result.as_json() for result in results])
    if arguments.page:
        write_part(arguments.page, part(results, today()))
