"""The manager with handlers that raise anything, closed at any time, several at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from qless_py import Client, Job, QlessError
from qless_py.manager import Manager, ManagerStopped, TaskCompleted, TaskFailed
from qless_py.manager.dispatcher import Dispatcher
from tests.handlers import hostile_exceptions
from tests.manager.test_manager import WAIT, found, until


@pytest.fixture
def manager(live: Client) -> Iterator[Manager]:
    made = Manager(live, concurrency=3, stats_interval=60)
    yield made
    made.close()


class Unspeakable(Exception):  # noqa: N818 - it is no error of ours
    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


class Odd(BaseException):
    pass


def _deep(number: int) -> int:
    return _deep(number + 1) + 1


RAISED: tuple[Any, ...] = (
    SystemExit(3), KeyboardInterrupt(), GeneratorExit(), Odd("odd"), Unspeakable(),
    ValueError("x" * 1_000_000), ValueError("\ud800 \x00 \x1b[31m"), StopIteration(5),
    MemoryError(), ExceptionGroup("several", [ValueError(1), OSError(2)]),
    *(make() for make in hostile_exceptions.KINDS.values()),
)  # fmt: skip


def test_a_forked_copy_ends_with_the_handler(live: Client, manager: Manager) -> None:
    def handle(_job: Job) -> int:
        copy = os.fork()
        if copy == 0:
            raise SystemExit(7)
        return os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])

    manager.register("rough", handle)
    jid = live.queues["rough"].put("rough")

    manager.start()

    assert found(live, jid).wait(WAIT) == 7


def test_whatever_a_handler_raises_the_next_job_runs(live: Client, manager: Manager) -> None:
    def handle(job: Job) -> Any:
        if job["kind"] == "deep":
            return _deep(0)
        if job["kind"] == "result":
            return object()
        if job["kind"] is None:
            return "well"
        raise RAISED[job["kind"]]

    kinds = [*range(len(RAISED)), "deep", "result"]
    manager.register("rough", handle)
    manager.start()

    with manager.watch() as watch:
        bad = [manager.put("rough", {"kind": kind}, retries=0) for kind in kinds]
        failed = until(watch, TaskFailed, len(kinds))
        good = manager.put("rough", {"kind": None})
        (done,) = until(watch, TaskCompleted)

    assert {one.jid for one in failed} == set(bad)
    assert {found(live, jid).state for jid in bad} == {"failed"}
    assert (done.jid, done.result) == (good, "well")
    assert manager.stats().failed == len(kinds)
    assert len(found(live, bad[5]).failure["message"]) < 100_000


def test_a_manager_starts_once_and_never_after_it_was_closed(
    live: Client, manager: Manager
) -> None:
    manager.register("a", lambda _: None)
    assert manager.close()  # It has not begun.
    manager.start()
    with pytest.raises(QlessError):
        manager.start()
    assert manager.close()

    for call in (manager.start, lambda: manager.register("b", print)):
        with pytest.raises(QlessError):
            call()
    assert manager.close()
    assert list(live.workers) == []


def test_a_handler_cannot_close_its_own_manager(live: Client, manager: Manager) -> None:
    manager.register("a", lambda _: manager.close(None))
    manager.start()

    with manager.watch() as watch:
        jid = manager.put("a", retries=0)
        until(watch, TaskFailed)

    assert "cannot close" in found(live, jid).failure["message"]
    assert manager.close(WAIT)


def test_two_threads_close_it_at_once_and_it_stops_once(live: Client, manager: Manager) -> None:
    gate, entered = threading.Event(), threading.Event()

    def handle(_: Job) -> str:
        entered.set()
        gate.wait(WAIT)
        return "ended"

    manager.register("slow", handle)
    watch = manager.watch()
    closed: list[bool] = []

    def live_in_a_thread() -> None:
        manager.start()
        manager.put("slow", jid="one")
        entered.wait(WAIT)
        closed.append(manager.close(None))

    threads = [threading.Thread(target=live_in_a_thread)]
    threads[0].start()
    assert entered.wait(WAIT)
    threads.append(threading.Thread(target=lambda: closed.append(manager.close(WAIT))))
    threads[1].start()
    gate.set()
    for thread in threads:
        thread.join(WAIT)

    assert closed == [True, True]
    assert found(live, "one").result == "ended"
    assert [type(one) for one in watch].count(ManagerStopped) == 1
    assert watch.get(0.01) is None


def test_several_managers_share_a_topic_and_each_closes_alone(live: Client) -> None:
    seen: list[tuple[int, int]] = []
    both = threading.Barrier(2)

    def handler(number: int) -> Any:
        def handle(job: Job) -> None:
            seen.append((number, job["n"]))
            both.wait(WAIT)

        return handle

    managers = [Manager(live, concurrency=1, stats_interval=60) for _ in range(2)]
    for number, one in enumerate(managers):
        one.register("shared", handler(number))
        one.start()
    jids = [managers[0].put("shared", {"n": n}) for n in range(6)]
    for jid in jids:
        found(live, jid).wait(WAIT)
    assert managers[0].close(WAIT)
    both.abort()
    last = live.queues["shared"].put("shared", {"n": 9})
    managers[1].close(WAIT)

    assert {number for number, _ in seen[:6]} == {0, 1}
    assert {n for _, n in seen[:6]} == set(range(6))
    assert found(live, last).state != "running"
    assert list(live.workers) == []


def test_a_job_that_is_handed_out_while_it_closes_is_waited_for(
    live: Client, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.register("a", lambda _: "well")
    popped, closing = threading.Event(), threading.Event()
    start, stop = Dispatcher._start, Dispatcher.stop

    def late(dispatcher: Dispatcher, job: Job) -> None:
        popped.set()
        assert closing.wait(WAIT)
        start(dispatcher, job)

    def stopped(dispatcher: Dispatcher) -> None:
        stop(dispatcher)
        closing.set()

    monkeypatch.setattr(Dispatcher, "_start", late)
    monkeypatch.setattr(Dispatcher, "stop", stopped)
    manager.start()
    jid = manager.put("a")
    assert popped.wait(WAIT)

    assert manager.close(WAIT)
    assert found(live, jid).result == "well"


def test_an_internal_error_does_not_stop_fetching(
    live: Client, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.register("a", lambda _: "well")
    raised = threading.Event()
    fetch = Dispatcher._fetch

    def once(dispatcher: Dispatcher, count: int) -> None:
        if not raised.is_set():
            raised.set()
            raise ZeroDivisionError
        fetch(dispatcher, count)

    monkeypatch.setattr(Dispatcher, "_fetch", once)
    manager.start()
    assert raised.wait(WAIT)

    assert found(live, manager.put("a")).wait(WAIT) == "well"
