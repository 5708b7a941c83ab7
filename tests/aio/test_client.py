"""The asyncio client behaves like the synchronous one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from qless_py import (
    AlreadyExistsError,
    BadArgumentError,
    BatchClosedError,
    Client,
    JobFailedError,
    JobNotFoundError,
    LostLeaseError,
    ScheduleError,
    WaitTimeoutError,
    aio,
)
from qless_py.client import events as kinds
from qless_py.protocol.recurring import RecurSpec
from tests.client.handlers import Mail, function
from tests.conftest import Clock
from tests.servers import Server

Run = Callable[[Callable[[aio.Client], Awaitable[None]]], None]


@pytest.fixture
def run(server: Server, client: Client, clock: Clock) -> Run:
    """Run a coroutine function over an empty keyspace that lives by the test clock."""
    del client  # wanted so that the keyspace is empty

    def call(function: Callable[[aio.Client], Awaitable[None]]) -> None:
        async def inside() -> None:
            async with aio.Client(server.url, clock=clock) as made:
                await function(made)

        asyncio.run(inside())

    return call


async def taken(client: aio.Client, queue: str = "q") -> aio.Job:
    job = await client.queues[queue].pop()
    assert job is not None
    return job


async def found(client: aio.Client, jid: str) -> aio.Job:
    job = await client.jobs[jid]
    assert isinstance(job, aio.Job)
    return job


def test_a_job_lives_its_life(run: Run, clock: Clock) -> None:
    async def life(client: aio.Client) -> None:
        queue = client.queues["q"]
        jid = await queue.put("k", {"n": 1}, tags=["t"], priority=2)
        job = await taken(client)
        job["n"] = 2
        assert await job.heartbeat() == clock.now + 60
        await job.set_progress(50)
        await job.log("note", {"by": "ada"})
        follow_up = job.put("next", "k")
        assert await job.complete(result="done") == "complete"

        read = await found(client, jid)
        assert (read.data, read.result, read.progress, read.tags) == ({"n": 2}, "done", 50, ["t"])
        assert read.history[-2]["by"] == "ada"
        assert await client.jobs.exists(follow_up)
        assert await client.jobs.complete() == [jid]

    run(life)


def test_every_method_has_its_asyncio_counterpart(run: Run) -> None:
    async def verbs(client: aio.Client) -> None:
        queue = client.queues["q"]
        await queue.put_many([{"klass": "k", "jid": f"j{number}"} for number in range(7)])
        jobs = await queue.pop(6)
        assert await jobs[0].fail("group", "message") == "j0"
        assert await jobs[1].retry(5) == 4
        assert await jobs[2].release() == "waiting"
        assert await jobs[3].snooze(9) > 0
        await jobs[4].timeout()
        assert await jobs[5].move("other") == "j5"
        last = await found(client, "j6")
        await last.set_priority(4)
        assert await last.tag("a", "b") == ["a", "b"]
        assert await last.untag("a") == ["b"]
        await last.track()
        assert await last.untrack()
        assert (await last.refresh()).priority == 4
        assert await last.requeue(data=3) == "j6"
        assert await last.force_finish(result=1) == "complete"
        await queue.put("k", jid="child", depends=["j1"])
        child = await found(client, "child")
        assert await child.depend("j2") == 2
        assert await child.undepend("j1") == 1
        assert await child.undepend(all=True) == 0
        assert await child.parent_results() == {"j1": None}
        assert await child.cancel()
        with pytest.raises(LostLeaseError):
            await jobs[4].complete()
        with pytest.raises(JobNotFoundError):
            await child.refresh()

    run(verbs)


def test_lists_and_counts(run: Run) -> None:
    async def lists(client: aio.Client) -> None:
        queue = client.queues["q"]
        await queue.put("k", jid="a", tags=["t"])
        await queue.put("k", jid="b", tags=["t"], delay=10)
        await client.track("a")
        peeked = await queue.peek()
        assert peeked is not None
        assert peeked.jid == "a"
        assert (await queue.counts())["scheduled"] == 1
        assert await queue.length() == 2
        assert await queue.jobs.waiting() == ["a"]
        assert [row["name"] for row in await client.queues.counts()] == ["q"]
        assert (await client.jobs.tagged("t"))["total"] == 2
        assert await client.tags() == ["t"]
        assert [job.jid for job in (await client.jobs.tracked())["jobs"]] == ["a"]
        assert [job.jid for job in await client.jobs.get("b", "nobody", "a")] == ["b", "a"]
        job = await taken(client)
        await job.fail("group", "message")
        assert await client.jobs.failed() == {"group": 1}
        assert (await client.jobs.failed("group"))["jobs"][0].jid == "a"
        assert await client.unfail("group", "q") == 1
        assert (await client.workers[client.worker_name])["jobs"] == []
        assert [row["name"] for row in await client.workers.counts()] == [client.worker_name]
        assert (await client.stats.get("q"))["failures"] == 1
        assert await queue.series(0, 1) == []
        assert await client.cancel("a", "b") == ["a", "b"]
        assert await queue.forget()

    run(lists)


def test_settings_of_queues_and_of_the_namespace(run: Run) -> None:
    async def settings(client: aio.Client) -> None:
        queue = client.queues["q"]
        await queue.set_heartbeat(300)
        assert await queue.heartbeat() == 300
        await queue.unset_heartbeat()
        assert await queue.heartbeat() == 60
        await client.config.set("heartbeat", 30)
        assert await client.config.get("heartbeat") == 30
        await client.config.unset("heartbeat")
        assert (await client.config.all())["heartbeat"] == 60
        await queue.put("k")
        await queue.pause(reason="why")
        assert await queue.pop() is None
        await queue.unpause()
        assert await queue.pop() is not None

    run(settings)


def test_recurring_jobs(run: Run) -> None:
    async def recurring(client: aio.Client) -> None:
        jid = await client.queues["q"].recur("k", {"n": 1}, 60, tags=["a"])
        job = await client.jobs[jid]
        assert isinstance(job, aio.RecurringJob)
        await job.update(priority=3, interval=30, data={"n": 2})
        assert (job.priority, job.interval, job.data) == (3, 30, {"n": 2})
        assert await job.tag("b") == ["a", "b"]
        assert await job.untag("a") == ["b"]
        await job.pause()
        assert job.is_paused
        await job.resume()
        child = await found(client, await job.run())
        assert child.spawned_from == jid
        assert await job.cancel()

    run(recurring)


def test_recurring_jobs_by_the_clock(run: Run, clock: Clock) -> None:
    async def by_the_clock(client: aio.Client) -> None:
        jid = await client.queues["q"].recur("k", {}, cron="* * * * * *", zone="Asia/Tokyo")
        job = await client.recurring.get(jid)
        assert job is not None
        assert (job.cron, job.zone, len(job.next_times(5))) == ("* * * * * *", "Asia/Tokyo", 5)
        await job.update(cron="@hourly", limit=9, misfire="one")
        assert (job.cron, job.limit, job.misfire) == ("@hourly", 9, "one")
        clock.advance(40 * 3600)
        assert await client.queues["q"].pop() is not None
        assert await client.queues["q"].pop() is None
        assert not client.settings.tick_requests
        assert await client.recurring.get("nobody") is None
        with pytest.raises(ScheduleError):
            await job.update(zone="Asia/Tokio")

    run(by_the_clock)


def test_a_deployment_declares_its_recurring_jobs(run: Run) -> None:
    async def declare(client: aio.Client) -> None:
        first: RecurSpec = {"queue": "q", "klass": "k", "cron": "@daily"}
        second: RecurSpec = {"queue": "q", "klass": "k", "interval": 60}
        done = await client.recurring.sync({"a": first, "b": second}, group="g")
        assert (done.declared, done.removed) == (["a", "b"], [])
        done = await client.recurring.sync({"a": first}, group="g")
        assert (done.declared, done.removed) == (["a"], ["b"])
        with pytest.raises(AlreadyExistsError):
            await client.recurring.sync({"a": first}, group="other")

    run(declare)


def test_batches(run: Run) -> None:
    async def batches(client: aio.Client) -> None:
        async with await client.batch(on_complete={"klass": "k", "queue": "back"}) as batch:
            await batch.put("q", "k")
            await batch.put_many("q", [{"klass": "k"}])
        with pytest.raises(BatchClosedError):
            await batch.put("q", "k")
        first, second = await client.queues["q"].pop(2)
        inner = await first.batch()
        jids = await inner.put_many("inner", [{"klass": "k"}])
        assert await inner.put("inner", "k", 1) not in jids
        await first.complete()
        await second.complete()
        status = await batch.status()
        assert status is not None
        assert status["state"] == "finished"
        assert (await taken(client, "back")).klass_name == "k"
        inside = await inner.status()
        assert inside is not None
        assert (inside["state"], inside["total"]) == ("closed", 2)
        assert await client.batches["nobody"].status() is None

    run(batches)


def test_pipelines(run: Run) -> None:
    async def pipelines(client: aio.Client) -> None:
        async with client.pipeline() as pipeline:
            jid = pipeline.put("q", "k")
            popped = pipeline.pop("q", 5)
        assert [job.jid for job in popped.result()] == [jid.result()]
        refused = client.pipeline()
        missing = refused.track("nobody")
        with pytest.raises(JobNotFoundError):
            await refused.send()
        assert isinstance(missing.error, JobNotFoundError)

    run(pipelines)


def test_events_arrive_also_after_a_lost_connection(run: Run) -> None:
    async def events(client: aio.Client) -> None:
        async with client.events.listen() as listener:
            await client.queues["q"].put("k", jid="a")
            async for event in listener:
                assert (event.name, event.jid) == ("put", "a")
                break
            await client.redis.client_kill_filter(_type="pubsub")
            assert isinstance(await listener.get(30), kinds.Resubscribed)
            await client.queues["q"].put("k", jid="b")
            second = await listener.get(30)
            assert second is not None
            assert second.jid == "b"

    run(events)


def test_waiting_for_the_end_of_a_job(run: Run) -> None:
    async def wait(client: aio.Client) -> None:
        await client.queues["q"].put_many([{"klass": "k", "jid": "a"}, {"klass": "k", "jid": "b"}])
        first, second = await client.queues["q"].pop(2)
        with pytest.raises(WaitTimeoutError):
            await (await found(client, "a")).wait(0.05)
        waiting = asyncio.gather(
            (await found(client, "a")).wait(30),
            (await found(client, "b")).wait(30),
            return_exceptions=True,
        )
        await asyncio.sleep(0.05)
        await first.complete(result=5)
        await second.fail("group", "message")
        result, error = await waiting
        assert result == 5
        assert isinstance(error, JobFailedError)

    run(wait)


def test_perform_awaits_a_coroutine_function(run: Run) -> None:
    async def perform(client: aio.Client) -> None:
        await client.queues["q"].put(function, {"a": 1})
        await client.queues["urgent"].put(Mail, {"to": "ada"})
        assert await (await taken(client)).perform() == {"a": 1}
        assert await (await taken(client, "urgent")).perform() == "urgent ada"
        built = aio.Job.build(client, "tests.aio.test_client.double", {"n": 4})
        assert await built.perform() == 8

    run(perform)


def test_many_tasks_share_a_client(run: Run) -> None:
    async def tasks(client: aio.Client) -> None:
        queue = client.queues["q"]
        jids = await asyncio.gather(*(queue.put("k", number) for number in range(50)))
        jobs = await queue.pop(100)
        assert sorted(jids) == sorted(job.jid for job in jobs)
        await asyncio.gather(*(job.complete() for job in jobs))
        assert await queue.length() == 0

    run(tasks)


def test_bad_arguments_are_rejected_before_anything_is_awaited(run: Run) -> None:
    async def refused(client: aio.Client) -> None:
        with pytest.raises(BadArgumentError):
            await client.queues["q"].put("k", priority=float("nan"))
        with pytest.raises(BadArgumentError):
            client.events.listen("nothing")
        assert await client.redis.dbsize() == 0

    run(refused)


async def double(job: aio.Job) -> int:
    await asyncio.sleep(0)
    return int(job["n"]) * 2


def test_lists_that_must_be_awaited_are_no_sequences(run: Run) -> None:
    async def sequences(client: aio.Client) -> None:
        for asked in (client.jobs, client.queues, client.workers, client.batches):
            anything: Any = asked
            with pytest.raises(TypeError, match="not iterable"):
                _ = "name" in anything

    run(sequences)
