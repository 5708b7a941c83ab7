"""An idle child blocks and pops in one step, and no job is popped that nobody runs."""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from qless_py import Client, Job
from qless_py.protocol import jobs
from qless_py.protocol.queues import PopReply
from qless_py.worker import control_pipe
from qless_py.worker.acknowledger import UnconfirmedFetch
from qless_py.worker.child_context import ChildContext
from qless_py.worker.child_process import SpawnSpec
from qless_py.worker.control_pipe import ControlPipe
from qless_py.worker.options import WorkerOptions
from qless_py.worker.status_board import StatusBoard
from tests import servers


class Idle:
    """An idle child of this very process, and the pipe of its orders."""

    def __init__(self, url: str, *, burst: bool = False) -> None:
        reader, self.pipe = os.pipe()
        os.set_blocking(reader, False)
        spec = SpawnSpec("idle", "nonce", StatusBoard(), reader, os.getppid())
        options = WorkerOptions(queues=["work"], url=url, interval=2.0, burst=burst)
        self.context = ChildContext(options, spec)
        self.context.register()
        self.sleeping = self.context.fetch(1)

    def sleep(self) -> PopReply | None:
        return self.context.wait_and_fetch(self.sleeping, 1)

    def close(self) -> None:
        self.context.acknowledger.close()
        self.context.fetcher.close()
        self.context.client.close()
        self.context.board.close()
        for descriptor in (self.pipe, self.context.spec.pipe):
            os.close(descriptor)


@pytest.fixture
def idle(server: servers.Server, live: Client) -> Iterator[Idle]:
    del live  # wanted only so that the keyspace is empty
    with contextlib.closing(Idle(server.url)) as made:
        yield made


@pytest.fixture
def behind(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Call something once the request of the waiting child has been sent."""

    def meanwhile(happens: Callable[[], Any]) -> None:
        wait = ControlPipe.wait
        left = [happens]

        def first(self: ControlPipe, seconds: float, *more: int) -> list[int]:
            if left:
                left.pop()()
            return wait(self, seconds, *more)

        monkeypatch.setattr(ControlPipe, "wait", first)

    return meanwhile


def read(client: Client, jid: str) -> Job:
    job = client.jobs[jid]
    assert isinstance(job, Job)
    return job


def test_a_job_put_during_the_wait_is_popped_by_the_pipelined_request(
    live: Client, idle: Idle, behind: Any
) -> None:
    behind(lambda: live.queues["work"].put("a.Job", jid="a"))

    taken = idle.sleep()

    assert taken is not None
    (record,) = taken.jobs
    idle.context.hold(taken)
    answer = idle.context.acknowledger.exchange(jobs.complete_encoded("a", record.fields["lease"]))
    assert answer[0].state == "complete"


def test_in_a_burst_a_child_marked_idle_pops_nothing(
    live: Client, server: servers.Server, behind: Any
) -> None:
    with contextlib.closing(Idle(server.url, burst=True)) as idle:
        behind(lambda: live.queues["work"].put("a.Job", jid="a"))

        assert idle.sleep() is None
        assert read(live, "a").state == "waiting"


@pytest.mark.parametrize("order", [control_pipe.STOP, control_pipe.QUIET])
def test_a_message_ends_the_wait_and_a_job_popped_meanwhile_is_released(
    live: Client, idle: Idle, behind: Any, order: bytes
) -> None:
    def both() -> None:
        live.queues["work"].put("a.Job", jid="a")
        control_pipe.send(idle.pipe, order)

    behind(both)

    assert idle.sleep() is None
    job = read(live, "a")
    assert (job.state, job.retries_left, job.stalls) == ("waiting", 5, 0)
    assert not idle.context.held


def test_a_message_withdraws_the_request_even_if_a_job_is_ready(
    live: Client, idle: Idle, server: servers.Server
) -> None:
    live.queues["work"].put("a.Job", jid="a")
    control_pipe.send(idle.pipe, control_pipe.STOP)
    idle.context.may_start()

    assert idle.sleep() is None
    assert [entry["what"] for entry in read(live, "a").history][-1] in ("put", "released")
    assert read(live, "a").state == "waiting"
    with contextlib.closing(Idle(server.url)) as other:
        assert [record.jid for record in other.sleeping.jobs] == ["a"]
        other.context.release(other.context.hold(other.sleeping))


def test_a_request_on_a_lost_connection_is_sent_on_another(
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
    idle.context.release(idle.context.hold(taken))


def test_a_request_that_cannot_be_withdrawn_is_left_to_the_supervisor(
    server: servers.Server, tmp_path: Any, behind: Any
) -> None:
    del server
    own = servers.start("valkey", tmp_path)
    try:
        with contextlib.closing(Idle(own.url)) as idle:

            def gone() -> None:
                servers.stop(own)
                control_pipe.send(idle.pipe, control_pipe.STOP)
                idle.context.may_start()

            behind(gone)
            with pytest.raises(UnconfirmedFetch):
                idle.context.fetcher.fetch(idle.context._pop(1), idle.sleeping.wake, None)
    finally:
        servers.stop(own)


def test_a_message_about_a_running_job_ends_the_wait(
    idle: Idle, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = ControlPipe.wait
    slept: list[float] = []

    def ordered(self: ControlPipe, seconds: float, *more: int) -> list[int]:
        slept.append(seconds)
        control_pipe.send(idle.pipe, control_pipe.LOST, "1.nonce")
        return wait(self, seconds, *more)

    monkeypatch.setattr(ControlPipe, "wait", ordered)
    idle.context.may_start()

    idle.context.wait_for_jobs(idle.sleeping)

    assert idle.context.control.lost == {"1.nonce"}
    assert len(slept) == 1


def test_an_unread_message_prevents_the_wait(idle: Idle, monkeypatch: pytest.MonkeyPatch) -> None:
    idle.context.may_start()
    control_pipe.send(idle.pipe, control_pipe.LOST, "1.nonce")
    idle.context.control.read()
    monkeypatch.setattr(ControlPipe, "wait", lambda *_: pytest.fail("it slept"))

    idle.context.wait_for_jobs(idle.sleeping)

    assert idle.context.control.lost == {"1.nonce"}
