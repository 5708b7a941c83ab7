"""Export jobs to a file of JSON lines, page by page, and resume an export that was cut off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from qless_py import protocol
from qless_py.client.drive import drive
from qless_py.client.search import steps
from qless_py.client.session import Session
from qless_py.handlers.resolve import OPERATIONS_KLASS
from qless_py.protocol import arguments
from qless_py.protocol.job_state import JobState
from qless_py.protocol.records import JobRecord
from qless_py.protocol.transfers import Edges
from qless_py.transfer import batches, file, settings, shapes
from qless_py.transfer.file import ExportFileError, Tally, Writer

_PAGE: Final = 100
_BUDGET: Final = 5_000


@dataclass(slots=True)
class ExportReport:
    """What an export has written: the lines of each kind, those of an earlier run included.

    `running` jobs were left out. `is_resumed`: the file had been cut off and was continued.
    """

    counts: dict[str, int] = field(default_factory=dict)
    running: int = 0
    is_resumed: bool = False

    @property
    def jobs(self) -> int:
        """How many jobs the file holds."""
        return self.counts.get("job", 0)


def export_jobs(  # noqa: PLR0913 - the options of the command
    session: Session,
    target: str | Path | IO[bytes],
    search: str = "",
    *,
    kinds: Iterable[str] = (),
    history: bool = False,
    running: bool = False,
    resume: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> ExportReport:
    """Write all jobs that a search matches to a file or a binary stream.

    `kinds` adds lines for "recurring", "throttle", "user", "config" and "pause". With `history`
    jobs keep theirs. Running jobs are left out unless `running`, and are waiting jobs in the file.
    At most a hundred jobs are in memory. `resume` continues a file that ends without a trailer
    behind its last whole page; the options must be the same. Raises `ExportFileError` if the file
    exists and is complete, or is no export with these options. `advance` is called with the number
    of jobs of each page.
    """
    chosen = _kinds(kinds)
    options = {"kinds": sorted(chosen), "history": history, "running": running}
    export = _Export(session, search, options, advance)
    if not isinstance(target, str | Path):
        return export.run(target)
    path = Path(target)
    if not resume:
        try:
            with path.open("xb") as stream:
                return export.run(stream)
        except FileExistsError as error:
            raise ExportFileError(
                f"{path} exists: choose another file, or continue it with --resume"
            ) from error
    with path.open("r+b" if path.exists() else "x+b") as stream:
        return export.resume(stream)


def _kinds(kinds: Iterable[str]) -> frozenset[str]:
    return frozenset(arguments.choice("kind", kind, settings.KINDS) for kind in kinds)


class _Export:
    """One run of an export."""

    def __init__(
        self,
        session: Session,
        search: str,
        options: Mapping[str, Any],
        advance: Callable[[int], None],
    ) -> None:
        self._session = session
        self._search = search
        self._options = options
        self._advance = advance
        self._report = ExportReport()
        self._batches: set[str] = set()

    def run(self, stream: IO[bytes]) -> ExportReport:
        """Write a whole export."""
        writer = Writer(stream)
        session = self._session
        # A search that cannot be parsed writes nothing.
        drive(session, steps(self._search, limit=1, cursor=None, budget=1))
        writer.header(
            session.settings.namespace, session.settings.clock(), self._search, self._options
        )
        for line in settings.lines(session, frozenset(self._options["kinds"])):
            writer.line(line)
        writer.page(None)
        return self._write_jobs(writer, None)

    def resume(self, stream: IO[bytes]) -> ExportReport:
        """Continue a file behind its last whole page, or begin it if it has none."""
        tally, cursor, end = self._last_page(stream)
        if not end:
            stream.seek(0)
            stream.truncate()
            return self.run(stream)
        stream.seek(end)
        stream.truncate()
        self._report.is_resumed = True
        self._advance(tally.counts["job"])
        return self._write_jobs(Writer(stream, tally), cursor)

    def _last_page(self, stream: IO[bytes]) -> tuple[Tally, str | None, int]:
        """Return what a file holds up to its last whole page, the cursor of that, and its end."""
        tally, cursor, end = Tally(), None, 0
        upto, names = Tally(), list[str]()
        for line in file.read(stream):
            if line.number == 1:
                self._check_header(line)
            if line.kind == "trailer":
                raise ExportFileError("the export is complete: there is nothing to resume")
            if line.value is None:
                break
            tally.add(line.raw, line.kind)
            if line.kind == "batch":
                names.append(str(line.value.get("name")))
            if line.kind == "page":
                self._batches.update(names)
                cursor, end = line.value["cursor"], tally.size
                upto = Tally(tally.lines, tally.size, tally.counts.copy(), tally.digest.copy())
        return upto, cursor, end

    def _check_header(self, line: file.Line) -> None:
        if line.value is None:
            return  # Cut off within the first line: the export begins anew.
        header = file.check_header(line)
        expected = {"namespace": self._session.settings.namespace, "search": self._search}
        for name, value in {**expected, "options": dict(self._options)}.items():
            if header.get(name) != value:
                raise ExportFileError(
                    f"the file was begun with {name} {header.get(name)!r}, not {value!r}: "
                    "resume it with the same options"
                )

    def _write_jobs(self, writer: Writer, cursor: str | None) -> ExportReport:
        while True:
            found = drive(
                self._session,
                steps(self._search, limit=_PAGE, cursor=cursor, budget=_BUDGET),
            )
            for line in self._lines(found.records):
                writer.line(line)
            self._advance(len(found.records))
            cursor = found.cursor
            if cursor is None:
                break
            writer.page(cursor)
        writer.trailer()
        self._report.counts = dict(writer.tally.counts)
        return self._report

    def _lines(self, records: Sequence[JobRecord]) -> list[dict[str, Any]]:
        chosen = [one for one in records if self._is_wanted(one)]
        edges = self._edges([one.jid for one in chosen if one.fields.get("parents")])
        found: list[dict[str, Any]] = []
        for record in chosen:
            self._add_batch(record.fields.get("batch"), found)
            last_queue = JobState(self._session.settings, record).last_queue
            history = bool(self._options["history"])
            own = edges.get(record.jid, {})
            found.append(shapes.job(record, last_queue, own, history=history))
        return found

    def _add_batch(self, name: str | None, lines: list[dict[str, Any]]) -> None:
        """Add the line of a batch before its first job, and of those around it before that."""
        if name is None or name in self._batches:
            return
        self._batches.add(name)
        found = self._session.runner.run(protocol.transfers.batch_record(name))
        if found is not None:
            line = batches.batch(name, *found)
            self._add_batch(line.get("within"), lines)
            lines.append(line)

    def _is_wanted(self, record: JobRecord) -> bool:
        if record.fields["klass"] == OPERATIONS_KLASS:
            return False  # It would change jobs here again.
        if record.fields["state"] == "running" and not self._options["running"]:
            self._report.running += 1
            return False
        return True

    def _edges(self, jids: Sequence[str]) -> dict[str, Edges]:
        """Read the parents of jobs; those with very many one by one."""
        found = dict(zip(jids, self._parents(jids), strict=True)) if jids else {}
        return {
            jid: self._parents([jid])[0] or {} if edges is None else edges
            for jid, edges in found.items()
        }

    def _parents(self, jids: Sequence[str]) -> list[Edges | None]:
        return self._session.runner.run(protocol.transfers.parents(jids))
