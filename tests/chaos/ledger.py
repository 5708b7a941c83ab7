"""A log kept outside the store by producers, handlers and the nemesis."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Line:
    """`acked jid`, `unsure jid`, `start jid lease pid` or `end jid lease pid`."""

    what: str
    jid: str
    lease: str = ""
    pid: int = 0


class Ledger:
    """A file that many processes append to; each line is one write and thus stays whole."""

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)

    def write(self, *lines: Line, sync: bool = False) -> None:
        text = "".join(f"{one.what} {one.jid} {one.lease or '-'} {one.pid}\n" for one in lines)
        os.write(self._descriptor, text.encode())
        if sync:
            os.fsync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


def read(path: Path) -> list[Line]:
    return list(parse(path.read_text().splitlines()))


def parse(lines: Iterable[str]) -> Iterable[Line]:
    for line in lines:
        what, jid, lease, pid = line.split()
        yield Line(what, jid, lease, int(pid))
