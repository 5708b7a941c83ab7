"""How an idle child sleeps and takes: in one step, and nothing is taken that nobody runs."""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from qless_py import Client, Job
from qless_py.protocol import jobs
from qless_py.protocol.queues import PopReply
from qless_py.worker import control_pipe as orders
from qless_py.worker.acknowledger import Unsettled
from qless_py.worker.child_context import Desk
from qless_py.worker.child_process import Birth
from qless_py.worker.options import WorkerOptions
from qless_py.worker.status_board import Board
from tests import servers


class Idle:
    """An idle child of this very process, and the pipe of its orders."""

    def __init__(self, url: str, *, burst: bool = False) -> None:
        reader, self.pipe = os.pipe()
        os.set_blocking(reader, False)
        birth = Birth("idle", "nonce", Board(), reader, os.getppid())
        options = WorkerOptions(queues=["work"], url=url, interval=2.0, burst=burst)
        self.desk = Desk(options, birth)
        self.desk.open()
        self.sleeping = self.desk.take(1)

    def sleep(self) -> PopReply | None:
        return self.desk.take_later(self.sleeping, 1)

    def close(self) -> None:
        self.desk.post.close()
        self.desk.doorbell.close()
        self.desk.client.close()
        self.desk.board.close()
        for descriptor in (self.pipe, self.desk.birth.pipe):
            os.close(descriptor)


@pytest.fixture
def idle(server: servers.Server, live: Client) -> Iterator[Idle]:
    del live  # wanted only so that the keyspace is empty
    with contextlib.closing(Idle(server.url)) as made:
        yield made


@pytest.fixture
def behind(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Have something happen once the request of the sleeping child has been sent."""

    def meanwhile(happens: Callable[[], Any]) -> None:
        wait = orders.Orders.wait
        left = [happens]

        def first(self: orders.Orders, seconds: float, *more: int) -> list[int]:
            if left:
                left.pop()()
            return wait(self, seconds, *more)

        monkeypatch.setattr(orders.Orders, "wait", first)

    return meanwhile


def read(client: Client, jid: str) -> Job:
    job = client.jobs[jid]
    assert isinstance(job, Job)
    return job


def test_a_job_that_comes_during_the_sleep_is_taken_by_the_request_that_lies_there(
    live: Client, idle: Idle, behind: Any
) -> None:
    behind(lambda: live.queues["work"].put("a.Job", jid="a"))

    taken = idle.sleep()

    assert taken is not None
    (record,) = taken.jobs
    idle.desk.hold(taken)
    answer = idle.desk.post.exchange(jobs.complete("a", record.fields["lease"]))
    assert answer[0].state == "complete"


def test_in_a_burst_the_server_gives_nothing_to_a_child_that_still_counts_as_idle(
    live: Client, server: servers.Server, behind: Any
) -> None:
    with contextlib.closing(Idle(server.url, burst=True)) as idle:
        behind(lambda: live.queues["work"].put("a.Job", jid="a"))

        assert idle.sleep() is None
        assert read(live, "a").state == "waiting"


@pytest.mark.parametrize("order", [orders.STOP, orders.QUIET])
def test_an_order_ends_the_sleep_and_a_job_that_was_quicker_goes_back_at_no_cost(
    live: Client, idle: Idle, behind: Any, order: bytes
) -> None:
    def both() -> None:
        live.queues["work"].put("a.Job", jid="a")
        orders.announce(idle.pipe, order)

    behind(both)

    assert idle.sleep() is None
    job = read(live, "a")
    assert (job.state, job.retries_left, job.stalls) == ("waiting", 5, 0)
    assert not idle.desk.rows


def test_an_order_takes_the_request_back_though_a_job_is_there(
    live: Client, idle: Idle, server: servers.Server
) -> None:
    live.queues["work"].put("a.Job", jid="a")
    orders.announce(idle.pipe, orders.STOP)
    idle.desk.may_start()

    assert idle.sleep() is None
    assert [entry["what"] for entry in read(live, "a").history][-1] in ("put", "released")
    assert read(live, "a").state == "waiting"
    with contextlib.closing(Idle(server.url)) as other:
        assert [record.jid for record in other.sleeping.jobs] == ["a"]
        other.desk.give_back(other.desk.hold(other.sleeping))


def test_a_request_whose_connection_is_lost_is_made_on_another(
    live: Client, idle: Idle, behind: Any
) -> None:
    def lost() -> None:
        own = live.redis.client_id()
        live.queues["work"].put("a.Job", jid="a")
        for one in live.redis.client_list():
            if int(one["id"]) != own:
                live.redis.client_kill_filter(_id=one["id"])

    behind(lost)

    taken = idle.sleep()

    assert taken is not None
    assert [record.jid for record in taken.jobs] == ["a"]
    idle.desk.give_back(idle.desk.hold(taken))


def test_a_request_that_cannot_be_taken_back_is_left_to_the_parent(
    server: servers.Server, tmp_path: Any, behind: Any
) -> None:
    del server
    own = servers.start("valkey", tmp_path)
    try:
        with contextlib.closing(Idle(own.url)) as idle:

            def gone() -> None:
                servers.stop(own)
                orders.announce(idle.pipe, orders.STOP)
                idle.desk.may_start()

            behind(gone)
            with pytest.raises(Unsettled):
                idle.desk.doorbell.take(idle.desk._pop(1), idle.sleeping.wake, None)
    finally:
        servers.stop(own)


def test_an_order_for_a_job_that_runs_beside_ends_the_sleep(
    idle: Idle, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = orders.Orders.wait
    slept: list[float] = []

    def ordered(self: orders.Orders, seconds: float, *more: int) -> list[int]:
        slept.append(seconds)
        orders.announce(idle.pipe, orders.LOST, "1.nonce")
        return wait(self, seconds, *more)

    monkeypatch.setattr(orders.Orders, "wait", ordered)
    idle.desk.may_start()

    idle.desk.rest(idle.sleeping)

    assert idle.desk.orders.lost == {"1.nonce"}
    assert len(slept) == 1


def test_an_order_that_came_before_the_sleep_and_was_not_looked_at_lets_nobody_sleep(
    idle: Idle, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle.desk.may_start()
    orders.announce(idle.pipe, orders.LOST, "1.nonce")
    idle.desk.orders.read()
    monkeypatch.setattr(orders.Orders, "wait", lambda *_: pytest.fail("it slept"))

    idle.desk.rest(idle.sleeping)

    assert idle.desk.orders.lost == {"1.nonce"}
