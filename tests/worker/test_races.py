"""Parts of a worker in states that a whole worker reaches only by a race."""

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
from qless_py.handlers.result import Transition
from qless_py.worker import WorkerOptions
from qless_py.worker.acknowledger import UnconfirmedFetch
from qless_py.worker.child_context import ChildContext, HeldJob
from qless_py.worker.child_process import ChildProcess, SpawnSpec
from qless_py.worker.control_pipe import ControlPipe
from qless_py.worker.outbox import Outbox
from qless_py.worker.pools.concurrent import ConcurrentRunner
from qless_py.worker.pools.main_thread import interruption
from qless_py.worker.pools.processes import wait_for_exit
from qless_py.worker.pools.sequential import SequentialRunner
from qless_py.worker.pools.threads import ThreadPool
from qless_py.worker.prefetch import Prefetch
from qless_py.worker.process_table import ProcessTable
from qless_py.worker.status_board import LeasedJob, StatusBoard
from qless_py.worker.supervisor import Supervisor
from qless_py.worker.watchdog import Watchdog
from tests import servers
from tests.worker import handlers
from tests.worker.job_helpers import put, read

pytestmark = pytest.mark.any_server

OPTIONS = WorkerOptions(queues=["work"], imports=["tests.worker.handlers"])


class Quick(ChildProcess):
    """A child that starts its second job right before it is sent a message about it."""

    def send(self, message: bytes, lease: str = "", *, interrupt: bool = False) -> bool:
        self.board.mark_ended(0)
        self.board.mark_running(1)
        return super().send(message, lease, interrupt=interrupt)


@pytest.mark.parametrize(("kind", "is_kept"), [(ChildProcess, False), (Quick, True)])
def test_a_job_that_starts_while_it_is_being_released_keeps_its_lease(
    kind: type[ChildProcess], *, is_kept: bool
) -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    now, board = time.monotonic(), StatusBoard()
    board.hold([LeasedJob(f"jid-{one}", f"{one}.nonce", "work", now, 60.0) for one in (1, 2)])
    board.mark_running(0)
    child = kind(0, "w", "nonce", board, writer, os.getpid(), now)
    child.unchanged_for(board.read(), now - 2)
    table, outbox = ProcessTable(OPTIONS), Outbox(OPTIONS)
    table.add(child)

    Watchdog(OPTIONS, table, outbox).check()

    control = ControlPipe(reader)
    control.read()
    second = cast("Job", SimpleNamespace(jid="jid-2", lease="2.nonce", is_stoppable=False))
    assert [call.args for call in outbox.pending] == ([] if is_kept else [("jid-2", "2.nonce")])
    assert control.is_revoked("2.nonce")  # A job that has started does not check.
    assert interruption(second, control) is None
    os.close(reader)
    child.close()


def made(url: str) -> Iterator[ChildContext]:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    spec = SpawnSpec("w", secrets.token_hex(6), StatusBoard(), reader, os.getpid())
    context = ChildContext(replace(OPTIONS, url=url, concurrency=60, batch=100), spec)
    yield context
    context.acknowledger.close()
    context.fetcher.close()
    context.client.close()
    context.board.close()
    for one in (reader, writer):
        os.close(one)


@pytest.fixture
def context(server: servers.Server) -> Iterator[ChildContext]:
    yield from made(server.url)


class Greedy(Prefetch):
    """The pace of jobs that have been very short until now."""

    def next(self) -> int:
        return 100


class Slow(ThreadPool):
    """A crew with jobs that do not end."""

    def start(self, row: HeldJob) -> None:
        pass

    def collect(self) -> Sequence[tuple[HeldJob, Transition]]:
        return ()


def test_a_child_with_many_slots_holds_no_more_jobs_than_fit(
    live: Client, context: ChildContext
) -> None:
    context.register()
    runner = ConcurrentRunner(context, Slow(context.executor))
    runner._prefetch = Greedy(100)

    for number, held in ((30, 30), (100, 100)):
        live.queues["work"].put_many([{"klass": handlers.nothing}] * number)
        runner._fill(60 - len(context.held))
        assert len(context.board.read().held) == held
    assert len(context.board.read().running) == 60

    context.release(list(context.held.values()))


@pytest.mark.parametrize("what", ["fork", "pipe"])
def test_a_failed_fork_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    def refused() -> None:
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(os, what, refused)
    table, before = ProcessTable(OPTIONS), sorted(Path("/proc/self/fd").iterdir())

    table.spawn_missing(lambda _: 0, lambda: None)

    assert len(table) == 0
    assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_the_exit_status_is_unknown_if_another_caller_reaped_the_process() -> None:
    for is_ours, reports in ((True, "exit 3"), (False, "exit unknown")):
        process = os.fork()
        if process == 0:
            os._exit(3)
        if not is_ours:
            os.waitpid(process, 0)
        assert wait_for_exit(process) == reports


def test_results_wait_for_the_pipeline_in_progress(live: Client, context: ChildContext) -> None:
    jid = put(live, handlers.nothing)
    context.register()
    (row,) = context.hold(context.fetch(1))
    child = SequentialRunner(context)
    context.acknowledger.add(Transition.returned(row.job, None))
    context.control.flush = True

    child.on_signal(signal.SIGTERM, None)  # It could be in the middle of an exchange.

    assert context.acknowledger.has_kept
    assert not context.control.flush
    context.acknowledger.exchange()
    assert read(live, jid).state == "complete"


def test_a_supervisor_of_hundreds_deregisters_every_worker(
    live: Client, server: servers.Server
) -> None:
    parent = Supervisor(replace(OPTIONS, url=server.url))
    parent._outbox.connect()
    for number in range(201):
        parent._outbox.add(protocol.workers.register(f"w-{number}", f"nonce-{number}", b"{}"))
        parent._table.registered.add(f"w-{number}")
    parent._outbox.flush()
    assert len(live.workers.counts) == 201

    parent._exit()
    parent._signals.close()

    assert live.workers.counts == []


def test_a_withdrawn_pop_reports_that_jobs_may_have_been_popped(
    tmp_path: Path,
) -> None:
    for context in made(f"unix://{tmp_path}/nobody"):
        context.control.stop = context.control.release = True
        with pytest.raises(UnconfirmedFetch):
            context.fetch(1)
