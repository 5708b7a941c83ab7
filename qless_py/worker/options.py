"""What a worker is told when it starts."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

from qless_py.errors import BadArgumentError

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.:@~+-]")


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """The settings of one parent and all its children.

    `imports` are the modules whose handlers may run, with all that is below them; a job that
    names anything else fails. `grace` is what a running job gets after TERM or INT, in seconds.
    With `burst` the worker leaves when its queues have nothing left to take. `batch` is the most
    jobs that a child takes at once when they are short.
    """

    queues: Sequence[str]
    imports: Sequence[str] = ()
    children: int = field(default_factory=lambda: os.cpu_count() or 1)
    url: str | None = None
    namespace: str = "ql"
    grace: float = 25.0
    burst: bool = False
    batch: int = 16
    host: str = field(default_factory=socket.gethostname)

    def __post_init__(self) -> None:
        if not self.queues:
            raise BadArgumentError("a worker needs at least one queue")
        if self.children < 1:
            raise BadArgumentError(f"a worker needs at least one child, not {self.children}")
        if not 1 <= self.batch <= 100:  # noqa: PLR2004 - the most one call of the store hands out
            raise BadArgumentError(f"a batch is 1 to 100 jobs, not {self.batch}")
        if self.grace < 0:
            raise BadArgumentError(f"the grace must not be negative: {self.grace}")

    def worker_name(self, parent: int, index: int) -> str:
        """Name the child with this index: host, parent's process id, index; valid as a name."""
        host = _NOT_IN_NAMES.sub("-", self.host).lstrip("-.:@~+")[:80] or "host"
        return f"{host}-{parent}-{index}"
