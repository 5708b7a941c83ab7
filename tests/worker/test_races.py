"""Parts of a worker at moments to which nobody can bring a whole one at will."""

import os
import secrets
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from qless_py import Client, Job, protocol
from qless_py.handlers.result import Result
from qless_py.worker import WorkerOptions, pipes
from qless_py.worker.acknowledger import Unsettled
from qless_py.worker.child_context import Desk, Row
from qless_py.worker.child_process import Birth, Member
from qless_py.worker.control_pipe import Orders
from qless_py.worker.outbox import Line
from qless_py.worker.pools.concurrent import Crowd
from qless_py.worker.pools.interrupt import reason
from qless_py.worker.pools.sequential import Serial
from qless_py.worker.pools.threads import Threads
from qless_py.worker.prefetch import Pace
from qless_py.worker.process_table import Family
from qless_py.worker.status_board import Board, Held
from qless_py.worker.supervisor import Parent
from qless_py.worker.watchdog import Guard
from tests import servers
from tests.worker import handlers
from tests.worker.job_helpers import put, read

pytestmark = pytest.mark.any_server

OPTIONS = WorkerOptions(queues=["work"], imports=["tests.worker.handlers"])


class Quick(Member):
    """A child that begins its second job right before it is told anything of it."""

    def announce(self, order: bytes, lease: str = "", *, interrupt: bool = False) -> bool:
        self.board.end(0)
        self.board.start(1)
        return super().announce(order, lease, interrupt=interrupt)


@pytest.mark.parametrize(("kind", "is_kept"), [(Member, False), (Quick, True)])
def test_a_job_that_began_before_it_could_be_given_back_keeps_its_lease(
    kind: type[Member], *, is_kept: bool
) -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    now, board = time.monotonic(), Board()
    board.hold([Held(f"jid-{one}", f"{one}.nonce", "work", now, 60.0) for one in (1, 2)])
    board.start(0)
    member = kind(0, "w", "nonce", board, writer, os.getpid(), now)
    member.still_for(board.read(), now - 2)
    family, line = Family(OPTIONS), Line(OPTIONS)
    family.add(member)

    Guard(OPTIONS, family, line).watch()

    told = Orders(reader)
    told.read()
    second = cast("Job", SimpleNamespace(jid="jid-2", lease="2.nonce", is_stoppable=False))
    assert [call.args for call in line.owed] == ([] if is_kept else [("jid-2", "2.nonce")])
    assert told.is_gone("2.nonce")  # Who has begun does not ask.
    assert reason(second, told) is None
    os.close(reader)
    member.close()


def made(url: str) -> Iterator[Desk]:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    birth = Birth("w", secrets.token_hex(6), Board(), reader, os.getpid())
    desk = Desk(replace(OPTIONS, url=url, concurrency=60, batch=100), birth)
    yield desk
    desk.post.close()
    desk.doorbell.close()
    desk.client.close()
    desk.board.close()
    for one in (reader, writer):
        os.close(one)


@pytest.fixture
def desk(server: servers.Server) -> Iterator[Desk]:
    yield from made(server.url)


class Greedy(Pace):
    """The pace of jobs that have been very short until now."""

    def next(self) -> int:
        return 100


class Slow(Threads):
    """A crew with jobs that do not end."""

    def start(self, row: Row) -> None:
        pass

    def finished(self) -> Sequence[tuple[Row, Result]]:
        return ()


def test_a_child_with_many_places_holds_no_more_than_fits(live: Client, desk: Desk) -> None:
    desk.open()
    crowd = Crowd(desk, Slow(desk))
    crowd._pace = Greedy(100)

    for number, held in ((30, 30), (100, 100)):
        live.queues["work"].put_many([{"klass": handlers.nothing}] * number)
        crowd._fill(60 - len(desk.rows))
        assert len(desk.board.read().held) == held
    assert len(desk.board.read().running) == 60

    desk.give_back(list(desk.rows.values()))


@pytest.mark.parametrize("what", ["fork", "pipe"])
def test_a_fork_that_cannot_be_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def refused() -> None:
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(os, what, refused)
    family, before = Family(OPTIONS), sorted(Path("/proc/self/fd").iterdir())

    family.fill(lambda _: 0, lambda: None)

    assert len(family) == 0
    assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_how_a_process_ended_is_unknown_if_somebody_else_waited_for_it() -> None:
    for is_ours, told in ((True, "exit 3"), (False, "exit unknown")):
        process = os.fork()
        if process == 0:
            os._exit(3)
        if not is_ours:
            os.waitpid(process, 0)
        assert pipes.ending(process) == told


def test_verdicts_are_not_sent_in_between_what_is_under_way(live: Client, desk: Desk) -> None:
    jid = put(live, handlers.nothing)
    desk.open()
    (row,) = desk.hold(desk.take(1))
    child = Serial(desk)
    desk.post.add(Result.returned(row.job, None))
    desk.orders.flush = True

    child.on_signal(signal.SIGTERM, None)  # It could be in the middle of an exchange.

    assert desk.post.has_kept
    assert not desk.orders.flush
    desk.post.exchange()
    assert read(live, jid).state == "complete"


def test_a_parent_of_hundreds_leaves_none_of_them_on_the_list(
    live: Client, server: servers.Server
) -> None:
    parent = Parent(replace(OPTIONS, url=server.url))
    parent._line.open()
    for number in range(201):
        parent._line.owe(protocol.workers.register(f"w-{number}", f"nonce-{number}", b"{}"))
        parent._family.known.add(f"w-{number}")
    parent._line.deliver()
    assert len(live.workers.counts) == 201

    parent._leave()
    parent._signals.close()

    assert live.workers.counts == []


def test_who_stops_asking_for_jobs_says_that_some_may_have_been_given(
    tmp_path: Path,
) -> None:
    for desk in made(f"unix://{tmp_path}/nobody"):
        desk.orders.stop = desk.orders.release = True
        with pytest.raises(Unsettled):
            desk.take(1)
