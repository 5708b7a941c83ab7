"""Take waiting jobs out of another queue: each is put here first, then removed there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from qless_py import protocol
from qless_py.client.session import Session
from qless_py.errors import QlessError
from qless_py.protocol import arguments
from qless_py.transfer.chunks import Chunk, Chunks, restore
from qless_py.transfer.importing import MAX_REASONS
from qless_py.transfer.migrate.celery_queue import CeleryOrigin
from qless_py.transfer.migrate.origin import Found, Names, Origin, Place
from qless_py.transfer.migrate.qless_queue import QlessOrigin
from qless_py.transfer.migrate.rq_queue import RqOrigin

ORIGINS: Final[Mapping[str, Callable[..., Origin]]] = {
    "qless": QlessOrigin,
    "rq": RqOrigin,
    "celery": CeleryOrigin,
}
REMEMBER: Final = 30 * 86_400_000  # A migration may be repeated for so many ms.
_UNSTARTED: Final = ("waiting", "scheduled", "throttled")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A job that stays where it is, and why."""

    queue: str
    id: str
    reason: str


@dataclass(slots=True)
class MigrationReport:
    """What became of the jobs of another queue.

    `moved` jobs are here now, `finished` of them had been put here by an earlier run that was
    interrupted. `taken` jobs were taken there while they were moved, so they stay there;
    `doubled` lists those of them that have started here, too. `refused` counts the jobs that stay
    there, the first thousand of them with their reasons. `others` counts by queue what was not
    looked at.
    """

    moved: int = 0
    finished: int = 0
    taken: int = 0
    refused: int = 0
    doubled: list[str] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    others: dict[str, dict[str, int]] = field(default_factory=dict)


def migrate(  # noqa: PLR0913 - the options of the command
    session: Session,
    origin: Any,
    kind: str,
    *,
    queues: Iterable[str] = (),
    klasses: Mapping[str, str] | None = None,
    renamed: Mapping[str, str] | None = None,
    prefix: str | None = None,
    dry_run: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> MigrationReport:
    """Move the waiting and scheduled jobs of `qless`, `rq` or `celery` into this store.

    `origin` is a client of redis-py that returns bytes. `queues` are moved, by default all;
    `renamed` maps their names and `klasses` those of functions and tasks to the ones here. A job is
    put here under a jid made of its own, `rq-<id>`, then removed there, so a run that is killed is
    simply repeated: within thirty days nothing is put twice. Stop the workers there first.

    Nothing that comes from there is executed: only JSON is read. What cannot be moved stays there
    and is reported. `prefix` is that of the keys: of qless (`ql:`), or Celery's global_keyprefix.
    """
    arguments.choice("kind", kind, ORIGINS)
    now = round(session.settings.clock() * 1000)
    made = ORIGINS[kind](origin, Names(klasses or {}, renamed or {}), now, prefix)
    run = _Migration(session, made, advance, dry_run=dry_run)
    for queue in list(queues) or made.queues():
        run.move(queue)
    return run.report


class _Migration:
    """One run of a migration."""

    def __init__(
        self, session: Session, origin: Origin, advance: Callable[[int], None], *, dry_run: bool
    ) -> None:
        self.report = MigrationReport()
        self._session = session
        self._origin = origin
        self._advance = advance
        self._dry_run = dry_run

    def move(self, queue: str) -> None:
        """Move the jobs of a queue."""
        for place in self._origin.places(queue):
            self._move(place)
        others = self._origin.others(queue)
        if others:
            self.report.others[queue] = others

    def _move(self, place: Place) -> None:
        """Move the jobs of a place that are there now; those that come later stay there."""
        offset, left = 0, self._origin.length(place)
        while left > 0:
            page = self._origin.page(place, offset)[:left]
            if not page:
                return
            left -= len(page)
            gone = self._move_page(page)
            offset += len(page) - gone
            self._advance(len(page))

    def _move_page(self, page: list[Found]) -> int:
        """Move some jobs; return how many left their place."""
        chunks = Chunks()
        gone = 0
        known: dict[str, Found] = {}
        for number, found in enumerate(page):
            if found.job is None:
                self._refuse(found, found.reason)
            elif self._dry_run:
                self.report.moved += 1
            else:
                known[found.job.jid] = found
                gone += self._put(chunks.add(number, found.job), known)
        return gone + self._put(chunks.rest(), known)

    def _put(self, chunk: Chunk, known: Mapping[str, Found]) -> int:
        """Put the jobs of a chunk here, then remove those that are here there."""
        here: list[Found] = []
        created: set[str] = set()
        for part, outcome in restore(self._session, chunk, REMEMBER) if chunk.jobs else ():
            if isinstance(outcome, QlessError):
                self._refuse(known[part.jobs[0].jid], str(outcome))
                continue
            here += [known[job.jid] for job in part.jobs]
            created |= {reply.jid for reply in outcome if reply.created}
        if not here:
            return 0
        removed = self._origin.remove(here)
        taken = []
        for found, is_removed in zip(here, removed, strict=True):
            jid = found.job.jid if found.job else ""
            if is_removed:
                self.report.moved += 1
                self.report.finished += jid not in created
            elif jid in created:
                taken.append(jid)
        if taken:
            self._take_back(taken)
        return len(here)

    def _take_back(self, jids: list[str]) -> None:
        """Cancel jobs here that a worker there has taken meanwhile, unless they have started."""
        call = protocol.jobs.bulk("cancel", jids, {"states": list(_UNSTARTED)})
        replies = self._session.runner.run(call)
        self.report.taken += len(jids)
        pairs = zip(jids, replies, strict=True)
        self.report.doubled += [jid for jid, reply in pairs if reply != "done"]

    def _refuse(self, found: Found, reason: str) -> None:
        self.report.refused += 1
        if len(self.report.refusals) < MAX_REASONS:
            self.report.refusals.append(Refusal(found.place.queue, found.id, reason))
