"""The options of a worker."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from qless_py.errors import BadArgumentError
from qless_py.handlers.hooks import Hooks
from qless_py.handlers.retry import RetryPolicy
from qless_py.protocol import arguments
from qless_py.protocol.codec import Codec
from qless_py.protocol.reservers import (
    OrderedReserver,
    Reserver,
    RoundRobinReserver,
    ShuffledReserver,
    WeightedReserver,
)

Isolation = Literal["child", "job", "none"]
ISOLATIONS: Final = ("child", "job", "none")
JOB_LOGS: Final = ("info", "debug", "off")
_RESERVERS: Final = MappingProxyType(
    {
        "ordered": OrderedReserver,
        "round-robin": RoundRobinReserver,
        "shuffled": ShuffledReserver,
    }
)
RESERVERS: Final = (*_RESERVERS, "weighted")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.:@~+-]")
_MAX_NAME: Final = 100
_START_TIME: Final = 19  # Of /proc/<pid>/stat, behind the name.
_MAX_JOBS: Final = 100  # Jobs that one call fetches, and that a child holds at once.


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """The settings of one worker: a supervisor and its children. In seconds and bytes.

    `queues` are names, patterns with `*`, or either with a `!` in front to exclude it; `reserver`
    is ordered, round-robin, shuffled or weighted (by `weights`), or an object. `imports` are the
    modules whose handlers may run, with everything below them; a job that names anything else
    fails, unless `allow_any`. A `performer` replaces the handlers that jobs name; `middleware` is
    entered around each handler.

    Each of `children` processes runs `concurrency` jobs at once: in threads, or as tasks of an
    event loop if they are `async def`. With `isolation="job"` each job has a process of its own;
    with "none" everything runs in one process, whatever `children` says. `batch` is the most jobs
    that a child fetches at once while they are short. `interval` is the longest wait before the
    store is asked again.

    `grace` is how long running jobs may take after TERM or INT. `soft_limit` and `hard_limit` each
    raise an exception in a job that runs for longer. The process of a job that should stop is
    killed after `kill_interval`, and a child that neither answers nor computes after
    `frozen_limit`. A child is replaced between two jobs after `max_jobs` jobs, when it uses more
    than `max_memory`, or when it is older than `max_age`.

    With `burst` the worker exits once no job is ready. `watch` replaces the children when a source
    file of the imports changes; `preload` imports them before forking. `sandbox` is a folder in
    which each job gets an empty folder of its own. `pidfile` holds the process id while the worker
    runs. `probe` is the address of its health probe: a port of this machine, `host:port`, or the
    path of a socket. `checks` are run before the first job and before a restart, in addition to
    those of `qless_py.worker.preflight`: objects with a `subject` and a function `run` that raises.
    `job_log` is the level of the lines about the start and the end of each job: info, debug or off;
    retries and failures are logged in any case.

    `codec` and `codecs` are those of the clients of its handlers, as of `Client`. `retry` is the
    policy of jobs without any other. `hooks` are called when the worker and its children start and
    stop. `App.worker_options` sets all of these from an App.

    Jobs of old code may take `restart_grace` after a restart, by default as long as they need; then
    they are released.

    Children are called `<name>-<index>`. Each worker needs a `name` of its own; the default is made
    of the host, the process id, and six digits that also differ between containers.
    """

    queues: Sequence[str]
    imports: Sequence[str] = ()
    allow_any: bool = False
    children: int = field(default_factory=lambda: os.cpu_count() or 1)
    concurrency: int = 1
    isolation: Isolation = "child"
    reserver: str | Reserver = "ordered"
    weights: Mapping[str, float] = field(default_factory=dict)
    interval: float = 2.0
    url: str | None = None
    namespace: str = "ql"
    grace: float = 25.0
    burst: bool = False
    batch: int = 50
    max_jobs: int | None = None
    max_memory: int | None = None
    max_age: float | None = None
    soft_limit: float | None = None
    hard_limit: float | None = 3600.0
    kill_interval: float = 2.0
    frozen_limit: float = 60.0
    watch: bool = False
    preload: bool = False
    sandbox: str | os.PathLike[str] | None = None
    middleware: Sequence[Any] = ()
    pidfile: str | os.PathLike[str] | None = None
    probe: str | int | None = None
    performer: Any = None
    checks: Sequence[Any] = ()
    job_log: str = "info"
    codec: str | Codec = "json"
    codecs: Sequence[Codec] = ()
    retry: RetryPolicy | None = None
    hooks: Hooks = field(default_factory=Hooks)
    name: str | None = None
    restart_grace: float | None = None
    host: str = field(default_factory=socket.gethostname)

    def __post_init__(self) -> None:
        for name in ("queues", "imports", "middleware"):
            if isinstance(getattr(self, name), (str, bytes)):
                raise BadArgumentError(f"{name} must be a list, not {getattr(self, name)!r}")
        if not self.queues:
            raise BadArgumentError("queues is empty: a worker needs at least one queue")
        arguments.choice("isolation", self.isolation, ISOLATIONS)
        if self.name is not None and len(arguments.name("name", self.name)) > _MAX_NAME:
            raise BadArgumentError(f"name {self.name!r} has more than {_MAX_NAME} characters")
        arguments.choice("job_log", self.job_log, JOB_LOGS)
        if not isinstance(self.reserver, Reserver):
            arguments.choice("reserver", self.reserver, RESERVERS)
        self.make_reserver()
        self._check_numbers()

    def _check_numbers(self) -> None:
        for name, most in (("children", 1000), ("concurrency", _MAX_JOBS), ("batch", _MAX_JOBS)):
            arguments.whole(name, getattr(self, name), 1, most)
        for name in ("max_jobs", "max_memory"):
            if getattr(self, name) is not None:
                arguments.whole(name, getattr(self, name), 1, 2**60)
        for name in ("grace", "kill_interval", "restart_grace"):
            if getattr(self, name) is not None:
                _seconds(name, getattr(self, name), 0)
        for name in ("interval", "frozen_limit", "max_age", "soft_limit", "hard_limit"):
            if getattr(self, name) is not None:
                _seconds(name, getattr(self, name), 0.001)

    def make_reserver(self) -> Reserver:
        """Return the object that orders the queues before each fetch; each child has its own."""
        if isinstance(self.reserver, Reserver):
            return self.reserver
        if self.reserver == "weighted":
            return WeightedReserver(self.queues, self.weights)
        return _RESERVERS[self.reserver](self.queues)

    def worker_name(self, parent: int, index: int, generation: int = 0) -> str:
        """Return the name of a child: that of the worker, and its index.

        `generation` distinguishes children with the same index that run at the same time.
        """
        name = self.name
        if name is None:
            host = _NOT_IN_NAMES.sub("-", self.host).lstrip("-.:@~+")[:80] or "host"
            name = f"{host}-{parent}-{_process_token(parent)}"
        return f"{name}-{index}" + (f".{generation}" if generation else "")


@cache
def _process_token(pid: int) -> str:
    """Return what distinguishes processes with one host name and process id, as in containers.

    The boot of the machine, the process namespace and the start of the process: they stay the same
    when the process replaces its program.
    """
    parts = []
    with contextlib.suppress(OSError, IndexError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        parts.append(str(Path(f"/proc/{pid}/ns/pid").readlink()))
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        parts.append(stat.rpartition(")")[2].split()[_START_TIME])
    if not parts:  # No Linux.
        parts = [str(uuid.getnode())]
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:6]


def _seconds(name: str, value: Any, least: float) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not least <= value <= 10 * 365 * 86400:
        raise BadArgumentError(f"{name} must be a number of seconds from {least}, not {value!r}")
