"""The next batch is fetched while one runs: nothing waits, is lost, or starts without a lease."""

import contextlib
import os
import re
import secrets
import time
from collections.abc import Iterator

import pytest

from qless_py import Client
from qless_py.worker import control_pipe
from qless_py.worker.child_context import ChildContext
from qless_py.worker.child_process import ChildProcess, SpawnSpec
from qless_py.worker.fetch_ahead import FetchAhead
from qless_py.worker.options import WorkerOptions
from qless_py.worker.outbox import Outbox
from qless_py.worker.process_table import ProcessTable
from qless_py.worker.status_board import StatusBoard
from qless_py.worker.watchdog import Watchdog
from tests import servers
from tests.worker import handlers
from tests.worker.conftest import LinePipe, Start
from tests.worker.job_helpers import put, read, result, steps

pytestmark = [pytest.mark.fork, pytest.mark.any_server]


class Pair:
    """A child of this very process whose first job takes long, and its supervisor."""

    def __init__(self, url: str) -> None:
        options = WorkerOptions(queues=["work"], url=url)
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        spec = SpawnSpec("w", secrets.token_hex(6), StatusBoard(), reader, os.getpid())
        self.context = ChildContext(options, spec)
        self.ahead = FetchAhead(self.context)
        self.child = ChildProcess(0, "w", spec.nonce, spec.board, writer, os.getpid(), 0.0)
        self.outbox = Outbox(options)
        self.outbox.connect()
        table = ProcessTable(options)
        table.add(self.child)
        self.watchdog = Watchdog(options, table, self.outbox)

    def run_one_and_ask(self, client: Client) -> None:
        """Start the first job, and have three more leased whose reply nobody reads."""
        self.context.register()
        for number in range(5):
            put(client, handlers.nothing, jid=f"j{number}")
        (first,) = self.context.hold(self.context.fetch(1))
        self.context.board.mark_running(first.slot)
        self.ahead.ask(3)
        self.context.acknowledger.answers(self.ahead._sent[0].request)  # leased, as far as it knows

    def supervise(self) -> None:
        """Do what the supervisor does when the board has not changed for two seconds."""
        self.child.unchanged_for(self.context.board.read(), time.monotonic() - 2)
        self.watchdog.check()
        self.outbox.flush()

    def close(self) -> None:
        held = list(self.context.held.values())
        self.context.release(held)
        self.outbox.close()
        self.context.close()
        os.close(self.context.spec.pipe)
        self.child.close()


@pytest.fixture
def pair(server: servers.Server, live: Client) -> Iterator[Pair]:
    del live  # wanted only so that the keyspace is empty
    with contextlib.closing(Pair(server.url)) as made:
        yield made


def states(client: Client) -> list[str]:
    return [read(client, f"j{number}").state for number in range(5)]


def test_jobs_in_an_unread_reply_are_released_behind_a_long_job(live: Client, pair: Pair) -> None:
    pair.run_one_and_ask(live)
    assert states(live) == ["running"] * 4 + ["waiting"]

    pair.supervise()

    assert states(live) == ["running"] + ["waiting"] * 4
    assert pair.ahead.take() == []
    assert list(pair.context.held) == [read(live, "j0").lease]
    assert all(read(live, f"j{number}").retries_left == 5 for number in range(5))


def test_a_reply_that_is_read_while_its_jobs_are_looked_for_keeps_its_leases(
    live: Client, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.run_one_and_ask(live)
    send, taken = ChildProcess.send, []

    def late(child: ChildProcess, message: bytes, lease: str = "", **options: bool) -> bool:
        if message == control_pipe.AHEAD:  # It has read its messages right before this one.
            taken.extend(pair.ahead.take())
        return send(child, message, lease, **options)

    monkeypatch.setattr(ChildProcess, "send", late)
    pair.supervise()

    assert [one.job.jid for one in taken] == ["j1", "j2", "j3"]
    assert states(live) == ["running"] * 4 + ["waiting"]
    # The message that came too late is about no later reply that has been read by then.
    assert not pair.ahead.is_under_way


def test_jobs_fetched_ahead_are_released_when_the_child_must_not_start_them(
    live: Client, pair: Pair
) -> None:
    pair.run_one_and_ask(live)
    control_pipe.send(pair.child.pipe, control_pipe.QUIET)

    assert pair.ahead.take() == []

    assert states(live) == ["running"] + ["waiting"] * 4


def test_leases_that_nobody_has_renewed_for_long_are_returned_unstarted(
    live: Client, pair: Pair
) -> None:
    live.queues["work"].heartbeat = 0.9
    pair.run_one_and_ask(live)
    time.sleep(0.4)  # noqa: TID251 - the age of a lease on a real server

    assert pair.ahead.take() == []

    assert states(live)[1:] == ["waiting"] * 4


def test_a_lost_connection_loses_no_reply_of_two_fetches(live: Client, pair: Pair) -> None:
    pair.context.register()
    for number in range(5):
        put(live, handlers.nothing, jid=f"j{number}")
    pair.ahead.ask(1)
    pair.ahead.ask(1)
    own = live.redis.client_id()
    for one in live.redis.client_list():
        if int(one["id"]) != own:
            live.redis.client_kill_filter(_id=one["id"])

    taken = pair.ahead.take()
    pair.ahead.ask(2)  # On a new connection, whose first reply is not that of the second fetch.
    taken += [*pair.ahead.take(), *pair.ahead.take()]

    assert [one.job.jid for one in taken] == ["j0", "j1", "j2", "j3"]
    assert states(live) == ["running"] * 4 + ["waiting"]


def test_no_job_waits_behind_one_that_cannot_be_interrupted(
    live: Client, work: Start, reports: LinePipe
) -> None:
    queue = live.queues["work"]
    queue.pause()
    short = [put(live, handlers.nothing) for _ in range(120)]
    stuck = put(live, handlers.stubborn, {"pipe": str(reports.path)})
    behind = [put(live, handlers.nothing) for _ in range(120)]
    worker = work(children=2, grace=0, kill_interval=0.1)
    worker.wait_for_state(live, "running")
    queue.unpause()
    reports.line()

    for jid in [*short, *behind]:
        result(live, jid)

    assert read(live, stuck).state == "running"
    assert {step for jid in behind for step in steps(live, jid)} <= {
        *("put", "popped", "released", "done"),
    }


def test_jobs_fetched_ahead_are_released_when_the_worker_stops(
    live: Client, work: Start, reports: LinePipe, go: LinePipe
) -> None:
    queue = live.queues["work"]
    queue.pause()
    short = [put(live, handlers.nothing) for _ in range(100)]
    blocking = put(live, handlers.waits, {"pipe": str(reports.path), "go": str(go.path)})
    behind = [put(live, handlers.nothing) for _ in range(100)]
    worker = work()
    queue.unpause()
    reports.line()
    worker.process.terminate()
    worker.wait_for_log("fetching no more jobs")
    go.send("on")

    assert worker.wait() == 0

    assert all(result(live, jid) is None for jid in short)
    assert result(live, blocking) == "on"
    assert {read(live, jid).state for jid in behind} == {"waiting"}
    assert all(read(live, jid).retries_left == 5 for jid in behind)


@pytest.mark.parametrize(
    ("klass", "options"),
    [
        (handlers.nothing, {}),
        (handlers.nothing, {"concurrency": 8}),
        (handlers.nothing, {"concurrency": 100}),
        (handlers.awaits_nothing, {"concurrency": 8}),
    ],
)
def test_a_backlog_of_short_jobs_costs_few_calls_for_each_job(
    live: Client, work: Start, klass: object, options: dict[str, int]
) -> None:
    count = 2000
    jids = {
        jid
        for _ in range(count // 100)
        for jid in live.queues["work"].put_many([{"klass": klass}] * 100)
    }
    live.redis.config_resetstat()

    worker = work(burst=True, **options)

    assert worker.wait() == 0
    # The worker may take over from workers that earlier tests killed.
    crashes = re.findall(r"job crashed jid=(\w+)", worker.log.read_text())
    assert not jids.intersection(crashes)

    stats = live.redis.info("commandstats")
    calls = sum(
        stats[name]["calls"] for name in ("cmdstat_fcall", "cmdstat_fcall_ro") if name in stats
    )
    # Two for each batch. On a busy machine short jobs seem longer, so batches are smaller.
    assert calls <= count / 2
    assert live.queues["work"].stats()["run"]["count"] == count
