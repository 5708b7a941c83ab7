"""Import an export: check every line, then restore the jobs, parents before their dependents."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Final

from qless_py import protocol
from qless_py.client.session import Session
from qless_py.errors import BadArgumentError, QlessError
from qless_py.protocol import arguments
from qless_py.protocol.options import Seconds
from qless_py.protocol.puts import PutReply
from qless_py.transfer import file, settings
from qless_py.transfer.batches import read_batch
from qless_py.transfer.chunks import Chunk, Chunks, restore
from qless_py.transfer.file import ExportFileError, Line, Tally
from qless_py.transfer.shapes import Restorable, read_job

REMEMBER: Final = 86_400.0
MAX_REASONS: Final = 1000
_READ: Final = 100


@dataclass(slots=True)
class ImportReport:
    """What became of the lines of an export.

    `restored` jobs are new in the store, and `existing` jobs were there or are remembered. The
    lines of `refused` jobs are in `reasons` by their number with what is wrong, at most a thousand
    of them. `others` counts what else was set, by kind. `namespace` is where the export was made.
    """

    namespace: str = ""
    jobs: int = 0
    restored: int = 0
    existing: int = 0
    refused: int = 0
    others: dict[str, int] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)

    def refuse(self, number: int, reason: str) -> None:
        """Note why a line was not imported."""
        self.refused += 1
        if len(self.reasons) < MAX_REASONS:
            self.reasons[number] = reason


@dataclass(frozen=True, slots=True)
class _Dependent:
    """A job that waits for others: the place of its line, and its parents."""

    number: int
    offset: int
    waits: tuple[str, ...]


def import_jobs(  # noqa: PLR0913 - the options of the command
    session: Session,
    source: str | Path | IO[bytes],
    *,
    queues: Mapping[str, str] | None = None,
    kinds: Iterable[str] = settings.KINDS,
    remember: Seconds = REMEMBER,
    incomplete: bool = False,
    orphans: bool = False,
    dry_run: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> ImportReport:
    """Restore the jobs of an export, and what else it holds of these `kinds`.

    The whole file is read and checked before anything is written: one that is cut off or was
    changed raises `ExportFileError`, unless `incomplete`. A bad line, and a job that the store
    refuses, is left out and reported. A job whose jid exists is left alone. Each jid is remembered
    for `remember` seconds, so within that time the same file can be imported again, as after a
    crash: nothing is put twice, even if the job has run and is gone.

    `queues` renames queues. `orphans` also restores jobs that wait for a job which is neither in
    the file nor in the store, as if that had ended. With `dry_run` nothing is written. `source`
    must be seekable. `advance` is called with numbers of jobs that were dealt with.
    """
    renamed = {
        arguments.name("queue", old): arguments.name("queue", new)
        for old, new in (queues or {}).items()
    }
    chosen = frozenset(arguments.choice("kind", kind, settings.KINDS) for kind in kinds)
    span = arguments.span("remember", remember)
    with ExitStack() as stack:
        if isinstance(source, str | Path):
            source = stack.enter_context(Path(source).open("rb"))
        plan = _Plan(session, source, renamed, chosen)
        plan.check(incomplete=incomplete)
        _Import(plan, span, advance, orphans=orphans, dry_run=dry_run).run()
        return plan.report


class _Plan:
    """The first reading of a file: what is wrong with it, and which jobs wait for others."""

    def __init__(
        self,
        session: Session,
        stream: IO[bytes],
        queues: Mapping[str, str],
        kinds: frozenset[str],
    ) -> None:
        self.session = session
        self.stream = stream
        self.report = ImportReport()
        self.dependents: dict[str, _Dependent] = {}
        self.wanted: set[str] = set()
        self.bad: set[int] = set()
        self._queues = queues
        self._kinds = kinds

    def check(self, *, incomplete: bool) -> None:
        """Check every line; raises `ExportFileError` for a file that is not complete."""
        tally, last = Tally(), None
        for line in file.read(self.stream):
            if last is not None:
                tally.add(last.raw, last.kind)
            if line.number == 1:
                header = file.check_header(line)
                self.report.namespace = str(header.get("namespace", ""))
            self._note(line)
            last = line
        if last is None:
            file.check_header(None)
        why = file.why_incomplete(tally, last)
        if why is not None and not incomplete:
            raise ExportFileError(why)

    def _note(self, line: Line) -> None:
        try:
            job = self.job(line)
        except BadArgumentError as error:
            self.bad.add(line.number)
            self.report.refuse(line.number, str(error))
            return
        if job is None:
            return
        self.report.jobs += 1
        if job.waits and job.jid not in self.dependents:
            self.dependents[job.jid] = _Dependent(line.number, line.offset, tuple(job.waits))
            self.wanted.update(job.waits)

    def job(self, line: Line) -> Restorable | None:
        """Return the job of a line, None for another kind; raises `BadArgumentError`."""
        if line.value is None:
            raise BadArgumentError(line.error)
        if line.kind == "job":
            job = read_job(line.value)
            if job.queue in self._queues:
                return replace(job, spec={**job.spec, "queue": self._queues[job.queue]})
            return job
        if line.kind in settings.KINDS:
            if line.kind in self._kinds:
                settings.check(self.session.settings, line.value, self._queues)
        elif line.kind == "batch":
            read_batch(line.value, self._queues)
        elif line.kind not in ("header", "page", "trailer"):
            raise BadArgumentError(f"unknown kind {line.kind!r}")
        return None

    def lines(self) -> Iterator[Line]:
        """Yield the good lines again."""
        return (one for one in file.read(self.stream) if one.number not in self.bad)

    def at(self, one: _Dependent) -> Line:
        """Read the line of a job that waits for others."""
        return next(file.read(self.stream, offset=one.offset, number=one.number - 1))

    def restore_other(self, line: Line) -> None:
        """Set what a line holds that is no job."""
        if line.value is None:
            return
        if line.kind == "batch":
            changed = self.session.runner.run(read_batch(line.value, self._queues))
            self.report.others["batch"] = self.report.others.get("batch", 0) + changed
        elif line.kind in self._kinds:
            changed = settings.restore(self.session, line.value, self._queues)
            counts = self.report.others
            counts[line.kind] = counts.get(line.kind, 0) + changed


class _Import:
    """The second reading: restore what has no parents, then the rest in the order of the edges."""

    def __init__(
        self,
        plan: _Plan,
        remember: int,
        advance: Callable[[int], None],
        *,
        orphans: bool,
        dry_run: bool,
    ) -> None:
        self._plan = plan
        self._report = plan.report
        self._remember = remember
        self._advance = advance
        self._orphans = orphans
        self._dry_run = dry_run
        self._there: set[str] = set()

    def run(self) -> None:
        chunks = Chunks()
        for line in self._plan.lines():
            if line.kind == "job":
                job = self._plan.job(line)
                if job is not None and job.jid not in self._plan.dependents:
                    self._send(chunks.add(line.number, job))
            elif not self._dry_run:
                try:
                    self._plan.restore_other(line)
                except QlessError as error:
                    self._report.refuse(line.number, str(error))
        self._send(chunks.rest())
        for jid in self._in_order():
            one = self._plan.dependents[jid]
            job = self._plan.job(self._plan.at(one))
            if job is not None:
                self._send(chunks.add(one.number, job))
        self._send(chunks.rest())
        self._close_batches()

    def _close_batches(self) -> None:
        """Close the batches that were closed, now that all their jobs are here."""
        for line in self._plan.lines() if not self._dry_run else ():
            if line.kind == "batch" and line.value is not None and line.value.get("closed"):
                name = str(line.value["name"])
                self._plan.session.runner.run(protocol.batches.close(name))

    def _in_order(self) -> Iterator[str]:
        """Yield the jobs that wait for others, each after its parents; refuse the rest."""
        dependents = self._plan.dependents
        missing = self._missing()
        children: dict[str, list[str]] = {}
        open_edges: dict[str, int] = {}
        ready: deque[str] = deque()
        for jid, one in dependents.items():
            parents = [parent for parent in one.waits if parent in dependents]
            open_edges[jid] = len(parents)
            for parent in parents:
                children.setdefault(parent, []).append(jid)
            if not parents:
                ready.append(jid)
        refused: set[str] = set()
        while ready:
            jid = ready.popleft()
            absent = [p for p in dependents[jid].waits if p in missing or p in refused]
            if absent and not self._orphans:
                refused.add(jid)
                self._refuse_orphan(jid, absent)
            else:
                yield jid
            for child in children.get(jid, ()):
                open_edges[child] -= 1
                if open_edges[child] == 0:
                    ready.append(child)
        for jid, number in open_edges.items():
            if number > 0:
                self._report.refuse(
                    dependents[jid].number, f"job {jid} depends on itself through other jobs"
                )

    def _missing(self) -> set[str]:
        """Return the parents that are neither in the file nor in the store."""
        plan = self._plan
        absent = sorted(plan.wanted - plan.dependents.keys() - self._there)
        missing: set[str] = set()
        for start in range(0, len(absent), _READ):
            jids = absent[start : start + _READ]
            found = plan.session.runner.run(protocol.jobs.read_many(jids))
            missing |= {jid for jid, one in zip(jids, found, strict=True) if one is None}
        return missing

    def _refuse_orphan(self, jid: str, absent: Sequence[str]) -> None:
        self._report.refuse(
            self._plan.dependents[jid].number,
            f"job {jid} waits for {absent[0]}, which is neither in the file nor in the store; "
            "--orphans restores it as if that had ended",
        )

    def _send(self, chunk: Chunk) -> None:
        """Restore the jobs of a chunk; those that the store refuses are reported."""
        if not chunk.jobs:
            return
        self._note_there(chunk)
        if not self._dry_run:
            for part, outcome in restore(self._plan.session, chunk, self._remember):
                self._note(part, outcome)
        self._advance(len(chunk.jobs))

    def _note_there(self, chunk: Chunk) -> None:
        self._there.update(one.jid for one in chunk.jobs if one.jid in self._plan.wanted)

    def _note(self, chunk: Chunk, outcome: list[PutReply] | QlessError) -> None:
        if isinstance(outcome, QlessError):
            for number, job in zip(chunk.numbers, chunk.jobs, strict=True):
                self._there.discard(job.jid)
                self._report.refuse(number, f"job {job.jid}: {outcome}")
            return
        tracked = []
        for number, job, reply in zip(chunk.numbers, chunk.jobs, outcome, strict=True):
            if reply.jid != job.jid:
                self._there.discard(job.jid)
                key = job.spec["unique"]["key"]
                reason = f"job {job.jid}: job {reply.jid} holds its unique key {key}"
                self._report.refuse(number, reason)
                continue
            self._report.restored += reply.created
            self._report.existing += not reply.created
            if job.is_tracked:
                tracked.append(protocol.jobs.track(job.jid))
        # A job that is gone already need not be tracked.
        if tracked:
            self._plan.session.runner.run_many(tracked)
