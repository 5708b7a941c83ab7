"""The manager: threads of this process run jobs by registered functions."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Self

import pytest

from qless_py import (
    BadArgumentError,
    Client,
    HandlerNotFoundError,
    ImmediateStop,
    Job,
    LostLeaseError,
    QlessError,
    RetryPolicy,
)
from qless_py.handlers.interrupt import InterruptibleBlock
from qless_py.manager import (
    Happening,
    Manager,
    ManagerReport,
    ManagerStarted,
    ManagerStopped,
    TaskCompleted,
    TaskFailed,
    TaskPut,
    TaskRetried,
    TaskStarted,
    Watch,
)
from qless_py.manager.registration import Registration
from tests.eventually import eventually
from tests.handlers import jobs, tasks
from tests.servers import Server

WAIT = 30.0


@pytest.fixture
def manager(live: Client) -> Iterator[Manager]:
    made = Manager(live, concurrency=4, backoff=lambda _: 0.01, stats_interval=60)
    yield made
    made.close()


def until(watch: Watch, kind: type[Happening], number: int = 1) -> list[Any]:
    """Wait for `number` events of a kind."""
    found: list[Any] = []
    while len(found) < number:
        happening = watch.get(WAIT)
        assert happening is not None, f"no {kind.__name__} came"
        found += [happening] if isinstance(happening, kind) else []
    return found


def found(client: Client, jid: str) -> Job:
    job = client.jobs[jid]
    assert isinstance(job, Job)
    return job


def test_a_job_is_run_by_the_function_registered_for_its_topic(
    live: Client, manager: Manager
) -> None:
    manager.register("double", lambda job: 2 * job["n"])
    manager.register("first", jobs.Pipeline)
    manager.register("mail", tasks.send)
    manager.start()

    double = manager.put("double", {"n": 21}, priority=5)
    other = live.queues["first"].put("whatever", {})
    mail = live.queues["mail"].put(tasks.send, tasks.send.data(to="ann"))

    assert [found(live, jid).wait(WAIT) for jid in (double, other, mail)] == [
        42,
        "static",
        "hello ann []",
    ]


def test_events_arrive_in_order(live: Client, manager: Manager) -> None:
    manager.register("work", lambda job: job.jid)
    watch = manager.watch()
    manager.start()

    jid = manager.put("work")
    until(watch, TaskCompleted)
    manager.close()

    assert found(live, jid).result == jid
    events = iter(watch)
    assert [type(one) for one in events] == [ManagerStopped]


def test_watchers_see_put_start_and_completion(
    manager: Manager,
) -> None:
    manager.register("work", lambda job: job.jid)
    with manager.watch() as watch:
        manager.start()
        jid = manager.put("work")
        events = [watch.get(WAIT) for _ in range(4)]

    kinds = sorted(type(one).__name__ for one in events)
    assert kinds == ["ManagerStarted", "TaskCompleted", "TaskPut", "TaskStarted"]
    (done,) = [one for one in events if isinstance(one, TaskCompleted)]
    assert (done.jid, done.topic, done.result) == (jid, "work", jid)
    assert {one.jid for one in events if isinstance(one, TaskPut | TaskStarted)} == {jid}


def test_a_failing_job_is_retried_after_the_backoff_and_then_dead(
    live: Client, manager: Manager
) -> None:
    manager.register("work", jobs.raises)
    watch = manager.watch()
    manager.start()

    jid = manager.put("work", {"kind": "value"}, retries=2)

    (failed,) = until(watch, TaskFailed)
    assert isinstance(failed.error, ValueError)
    stats = manager.stats()
    assert (stats.put, stats.started, stats.retried, stats.failed) == (1, 3, 2, 1)
    assert (stats.completed, stats.dead, stats.waiting) == (0, 1, 0)
    assert found(live, jid).failure["group"] == "work:ValueError"


def test_the_policy_of_a_job_overrides_the_backoff(live: Client, manager: Manager) -> None:
    manager.register("work", jobs.raises)
    watch = manager.watch()
    manager.start()

    jid = manager.put("work", {"kind": "os"}, retry=RetryPolicy(500))

    (retried,) = until(watch, TaskRetried)
    assert isinstance(retried.error, OSError)
    assert found(live, jid).state == "scheduled"
    assert manager.stats().scheduled == 1


def test_jobs_run_at_once_and_no_more_than_the_concurrency_says(
    live: Client, manager: Manager
) -> None:
    together = threading.Barrier(4)
    here: set[str] = set()
    most = 0

    def meet(job: Job) -> None:
        nonlocal most
        here.add(job.jid)
        most = max(most, len(here))
        together.wait(WAIT)
        here.discard(job.jid)

    manager.register("work", meet)
    watch = manager.watch()
    for _ in range(8):
        manager.put("work")
    manager.start()

    until(watch, TaskCompleted, 8)

    assert most == 4
    assert live.queues["work"].counts["running"] == 0


def test_closing_with_a_timeout_lets_jobs_finish(live: Client, manager: Manager) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def waits(_job: Job) -> str:
        entered.set()
        assert go_on.wait(WAIT)
        return "undisturbed"

    manager.register("work", waits)
    manager.start()
    jid = manager.put("work")
    assert entered.wait(WAIT)
    closing = threading.Thread(target=lambda: closed.append(manager.close(WAIT)))
    closed: list[bool] = []
    closing.start()
    go_on.set()
    closing.join(WAIT)

    assert closed == [True]
    assert found(live, jid).result == "undisturbed"


def test_closing_at_once_releases_jobs_without_losing_a_retry(
    live: Client, manager: Manager
) -> None:
    stopped: list[type[BaseException]] = []
    entered = threading.Event()
    manager.register("work", _spinning(stopped, entered))
    manager.start()
    jid = manager.put("work")
    assert entered.wait(WAIT)

    assert manager.close() is False

    job = found(live, jid)
    assert (job.state, job.retries_left, stopped) == ("waiting", 5, [ImmediateStop])
    assert live.workers.counts == []


def test_a_job_that_is_stopped_right_before_its_handler_is_not_run(
    live: Client, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    taken, stopped = threading.Event(), threading.Event()

    class Late(InterruptibleBlock):
        def __enter__(self) -> Self:
            taken.set()
            assert stopped.wait(WAIT)
            return super().__enter__()

        def interrupt(self, error: type[BaseException]) -> None:
            super().interrupt(error)
            stopped.set()

    monkeypatch.setattr("qless_py.worker.pools.threads.InterruptibleBlock", Late)
    manager.register("work", lambda job: ran.append(job.jid))
    manager.start()
    jid = manager.put("work")
    assert taken.wait(WAIT)

    assert manager.close() is False

    assert (found(live, jid).state, found(live, jid).retries_left, ran) == ("waiting", 5, [])


def test_a_job_whose_handler_does_not_stop_is_released_anyway(
    live: Client, manager: Manager
) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def deaf(_job: Job) -> None:
        entered.set()
        go_on.wait(WAIT)

    manager.register("work", deaf)
    manager.start()
    jid = manager.put("work")
    assert entered.wait(WAIT)

    manager.close()

    assert found(live, jid).state == "waiting"
    go_on.set()


def test_a_lost_job_is_stopped(live: Client, manager: Manager) -> None:
    stopped: list[type[BaseException]] = []
    entered = threading.Event()
    live.config["heartbeat"] = 2
    manager.register("work", _spinning(stopped, entered))
    manager.start()
    jid = manager.put("work")
    assert entered.wait(WAIT)

    live.cancel(jid)

    eventually(lambda: bool(stopped))
    assert stopped == [LostLeaseError]


def test_a_job_that_outlasts_its_lease_keeps_it(live: Client, manager: Manager) -> None:
    live.config["heartbeat"] = 1.5
    live.config["grace-period"] = 0
    go_on = threading.Event()
    manager.register("work", lambda _: go_on.wait(WAIT))
    watch = manager.watch()
    manager.start()
    jid = manager.put("work")
    until(watch, TaskStarted)

    first = found(live, jid).expires_at
    eventually(lambda: found(live, jid).expires_at > first + 1.5)  # It was renewed after that.
    go_on.set()
    found(live, jid).wait(WAIT)

    assert [one["what"] for one in found(live, jid).history] == ["put", "popped", "done"]


def test_a_limit_ends_a_handler(live: Client) -> None:
    manager = Manager(live, concurrency=1, soft_limit=0.05, backoff=lambda _: 0)
    manager.register("work", jobs.spins)
    with contextlib.closing(manager):
        watch = manager.watch()
        manager.start()
        manager.put("work", retries=0)

        (failed,) = until(watch, TaskFailed)

    assert isinstance(failed.error, TimeoutError)


def test_async_handlers_share_an_event_loop_and_are_interrupted(
    live: Client, manager: Manager
) -> None:
    loops: set[int] = set()
    both = threading.Barrier(2)

    async def meets(_job: Job) -> str:
        loops.add(id(asyncio.get_running_loop()))
        await asyncio.to_thread(both.wait, WAIT)
        return "met"

    async def sleeps(_job: Job) -> None:
        both.wait(WAIT)
        await asyncio.sleep(2 * WAIT)

    manager.register("meet", meets)
    manager.register("sleep", sleeps)
    manager.start()
    jids = [manager.put("meet") for _ in range(2)]
    assert [found(live, jid).wait(WAIT) for jid in jids] == ["met", "met"]
    assert len(loops) == 1

    sleeping = manager.put("sleep")
    both.wait(WAIT)

    assert manager.close() is False
    assert (found(live, sleeping).state, found(live, sleeping).retries_left) == ("waiting", 5)


def test_importing_the_package_leaves_the_process_as_it_was() -> None:
    code = """
import os, signal, sys, threading

def state():
    return [signal.getsignal(one) for one in signal.valid_signals()], threading.active_count()

before = state()
hooks = []
os.register_at_fork = lambda **hook: hooks.append(hook)
from qless_py import Manager
assert state() == before
assert not [one for hook in hooks for one in hook.values() if "qless" in str(one.__module__)], hooks
assert Manager and not [one for one in sys.modules if one.startswith("qless_py.worker")]
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def take_and_die(client: Client, **known: str) -> None:
    """Have a process pop the job and exit; `known` overrides what it registers about itself."""
    child = os.fork()
    if child == 0:
        registration = Registration(client, ["work"])
        vars(registration).update(known)
        registration.register()
        client.queues["work"].put("work", jid="j")
        client.run(registration.pop(1))
        os._exit(0)
    os.waitpid(child, 0)
    assert found(client, "j").state == "running"


@pytest.mark.parametrize("known", [{"_host": "elsewhere"}, {"_pid_space": "a container"}])
def test_a_manager_whose_process_cannot_be_seen_from_here_is_not_reported_dead(
    live: Client, manager: Manager, known: dict[str, str]
) -> None:
    take_and_die(live, **known)

    manager.register("work", lambda _: None)
    watch = manager.watch()
    manager.start()

    (started,) = until(watch, ManagerStarted)
    assert started.recovered == ()
    assert found(live, "j").state == "running"


def test_jobs_of_a_manager_that_died_come_back_when_the_next_one_starts(
    live: Client, manager: Manager
) -> None:
    take_and_die(live)

    manager.register("work", lambda job: job.crashes)
    watch = manager.watch()
    manager.start()

    (started,) = until(watch, ManagerStarted)
    assert started.recovered == ("j",)
    assert found(live, "j").wait(WAIT) == 1


def test_it_continues_after_its_connections_were_cut(manager: Manager, server: Server) -> None:
    manager.register("work", lambda _: None)
    watch = manager.watch()
    manager.start()
    manager.put("work")
    until(watch, TaskCompleted)

    with server.connect() as other:
        other.client_kill_filter(_type="normal", skipme=True)
    manager.put("work")

    until(watch, TaskCompleted)


def test_reports_are_sent_at_intervals(live: Client) -> None:
    manager = Manager(live, stats_interval=0.01)
    manager.register("work", lambda _: None)
    with contextlib.closing(manager):
        watch = manager.watch()
        manager.start()
        manager.put("work")
        until(watch, TaskCompleted)

        reports = until(watch, ManagerReport, 3)

    assert reports[-1].stats.completed == 1
    assert live.workers.counts == []


def test_a_slow_watcher_loses_the_oldest_events(live: Client) -> None:
    watch = Manager(live).watch()
    for number in range(10_002):
        watch.add(TaskPut(jid=f"j{number}", topic="t"))

    first = watch.get(0)

    assert isinstance(first, TaskPut)
    assert (first.jid, watch.missed) == ("j2", 2)


@pytest.mark.parametrize(
    "wrong", [{"concurrency": 0}, {"hard_limit": 0}, {"stats_interval": 0}, {"interval": "x"}]
)
def test_invalid_values_are_rejected(live: Client, wrong: dict[str, Any]) -> None:
    with pytest.raises(BadArgumentError):
        Manager(live, **wrong)


def test_topics_are_registered_once_before_the_start(manager: Manager) -> None:
    with pytest.raises(QlessError, match="topics"):
        manager.start()
    with pytest.raises(HandlerNotFoundError):
        manager.register("work", 5)
    manager.register("work", jobs.gives)
    manager.start()

    with pytest.raises(QlessError, match="before"):
        manager.register("other", jobs.gives)
    with pytest.raises(QlessError, match="once"):
        manager.start()
    assert manager.close() is True
    assert manager.close() is True


def _spinning(
    stopped: list[type[BaseException]], entered: threading.Event
) -> Callable[[Job], None]:
    def spin(job: Job) -> None:
        try:
            entered.set()
            jobs.spins(job)
        except BaseException as error:
            stopped.append(type(error))
            raise

    return spin
