"""The helpers and the pytest plugin that the package offers to the tests of its users."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from qless_py import BadArgumentError, Client, Job, RetryPolicy
from qless_py.testing import (
    Clock,
    HandlerOptions,
    TooManyJobsError,
    assert_not_put,
    assert_put,
    drain,
    run_inline,
)
from tests import conftest, servers
from tests.handlers import jobs

pytestmark = pytest.mark.any_server

pytest_plugins = ["pytester"]


def test_draining_runs_ready_jobs_and_their_follow_ups(client: Client) -> None:
    queue = client.queues["q"]
    parent = queue.put(jobs.gives, {"give": 1}, jid="parent")
    queue.put(jobs.gives, {"give": 2}, jid="child", depends=[parent])
    queue.put(jobs.gives, {"give": 3}, jid="later", delay=60)

    done = drain(queue)

    assert [(one.jid, one.result, one.error) for one in done] == [
        ("parent", 1, None),
        ("child", 2, None),
    ]
    assert all(one.job is not None and one.job.state == "complete" for one in done)
    assert queue.jobs.scheduled() == ["later"]


def test_draining_raises_what_a_handler_raises(client: Client) -> None:
    queue = client.queues["q"]
    queue.put(jobs.raises, {"kind": "value"})
    queue.put(jobs.gives, {"give": 1}, jid="behind")

    with pytest.raises(ValueError, match="broken"):
        drain(queue)

    assert queue.jobs.waiting() == ["behind"]
    assert client.jobs.failed() == {"tests.handlers.jobs.raises:ValueError": 1}


def test_draining_continues_after_errors_with_raises_false(
    client: Client, clock: conftest.Clock
) -> None:
    queue = client.queues["q"]
    queue.put(jobs.raises, {"kind": "value"}, jid="fails")
    queue.put(jobs.raises, {"kind": "os"}, jid="waits", retry=RetryPolicy(5))
    queue.put(jobs.says, {"say": "discard"}, jid="goes")

    failed, retried, gone = drain(queue, raises=False)

    assert isinstance(failed.error, ValueError)
    assert failed.job is not None
    assert failed.job.state == "failed"
    assert retried.error is None
    assert retried.job is not None
    assert retried.job.due_at == clock() + 5
    assert (gone.error, gone.job) == (None, None)


def test_draining_what_has_no_end_is_an_error(client: Client) -> None:
    queue = client.queues["q"]
    queue.put(jobs.raises, {"kind": "os"}, jid="j", retry=RetryPolicy(0, retries=100))

    with pytest.raises(TooManyJobsError, match="no end after 20 jobs"):
        drain(queue, most=20)

    job = client.jobs["j"]
    assert isinstance(job, Job)
    assert job.state == "waiting"


def test_draining_uses_the_options_of_a_worker(client: Client) -> None:
    client.queues["q"].put("builtins.repr")

    with pytest.raises(Exception, match="may run"):
        drain(client.queues["q"], options=HandlerOptions(imports=["tests"]))


def test_inline_a_job_has_run_when_put_returns(client: Client) -> None:
    with run_inline(client):
        jid = client.queues["q"].put(jobs.gives, {"give": 5})
        job = client.jobs[jid]
        assert isinstance(job, Job)
        assert (job.state, job.result) == ("complete", 5)
        with client.pipeline() as pipeline:
            pipeline.put("other", jobs.gives, {"give": 6}, jid="piped")
        assert client.jobs.complete() == ["piped", jid]

    client.queues["q"].put(jobs.gives, {"give": 7}, jid="waits")
    assert client.queues["q"].jobs.waiting() == ["waits"]


def test_inline_what_a_handler_raises_comes_out_of_put(client: Client) -> None:
    with run_inline(client), pytest.raises(ValueError, match="broken"):
        client.queues["q"].put(jobs.raises, {"kind": "value"})
    with run_inline(client, raises=False):
        client.queues["q"].put(jobs.raises, {"kind": "value"})

    assert client.jobs.failed() == {"tests.handlers.jobs.raises:ValueError": 2}


def test_inline_paused_queues_stay_paused(client: Client) -> None:
    client.queues["q"].pause()
    with run_inline(client):
        jid = client.queues["q"].put(jobs.gives, {"give": 5})
        assert client.queues["q"].jobs.waiting() == [jid]
        client.queues["q"].unpause()

    assert client.jobs.complete() == [jid]


def test_assert_put_returns_the_matching_jobs(client: Client) -> None:
    queue = client.queues["q"]
    queue.put(jobs.gives, {"give": 1}, priority=5, tags=["a"])
    queue.put(jobs.gives, {"give": 2}, delay=60)
    queue.put(jobs.raises, {"give": 1}, jid="parent")
    queue.put(jobs.gives, {"give": 3}, depends=["parent"])

    assert len(assert_put(queue)) == 4
    assert [job["give"] for job in assert_put(queue, jobs.gives, count=3)] == [1, 2, 3]
    assert_put(queue, jobs.gives, {"give": 1}, priority=5, tags=["a"], count=1)
    assert_put(queue, "tests.handlers.jobs.gives", state="scheduled")
    assert_put(queue, where=lambda job: job["give"] > 2, count=1)
    assert_not_put(queue, jobs.gives, {"give": 9})
    assert_not_put(client.queues["other"])


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ({"klass": jobs.raises}, r"(?s)jobs in queue q: 0, expected at least 1;.*jobs\.gives"),
        ({"count": 2}, r"matching jobs in queue q: 1, expected 2"),
        ({"data": {"give": 2}}, r"jobs in the queue: 1\n"),
    ],
)
def test_a_failed_assertion_lists_the_jobs_in_the_queue(
    client: Client, claim: dict[str, Any], message: str
) -> None:
    client.queues["q"].put(jobs.gives, {"give": 1})

    with pytest.raises(AssertionError, match=message):
        assert_put(client.queues["q"], **claim)
    with pytest.raises(AssertionError, match="expected 0"):
        assert_not_put(client.queues["q"])
    with pytest.raises(AssertionError, match=r"jobs in the queue: 0\n  \(no jobs\)"):
        assert_put(client.queues["empty"])


def test_many_jobs_are_looked_through(client: Client) -> None:
    queue = client.queues["q"]
    for at in range(0, 250, 50):
        queue.put_many([{"klass": "k", "data": number} for number in range(at, at + 50)])

    assert_put(queue, data=249)
    assert_put(queue, count=250)


def test_the_clock_moves_only_when_advanced_and_never_back() -> None:
    clock = Clock(1000)
    clock.advance(5.5)
    assert clock() == 1005.5
    clock.travel_to(datetime(2026, 1, 1, tzinfo=UTC))
    assert clock.now == datetime(2026, 1, 1, tzinfo=UTC)

    with pytest.raises(BadArgumentError, match="back in time"):
        clock.travel_to(5)
    with pytest.raises(BadArgumentError):
        clock.advance(-1)
    with pytest.raises(BadArgumentError, match="time zone"):
        Clock(datetime(2026, 1, 1))  # noqa: DTZ001 - that is what is refused


SUITE = """
    import asyncio
    import time
    import pytest
    import qless_py.aio
    from qless_py import BadArgumentError
    from qless_py.testing import assert_not_put, assert_put, drain, run_inline

    seen = set()

    async def double(job):
        await asyncio.sleep(0)
        return job["n"] * 2

    @pytest.mark.parametrize("n", [1, 2])
    def test_a_store_of_its_own(qless_client, qless_clock, n):
        queue = qless_client.queues["mail"]
        assert len(queue) == 0
        queue.put("builtins.len", {"n": n}, jid="j", delay=3600)
        assert_put(queue, "builtins.len", {"n": n}, state="scheduled")
        assert drain(queue) == []
        qless_clock.advance(3600)
        assert queue.pop().jid == "j"
        assert qless_client.settings.namespace not in seen
        seen.add(qless_client.settings.namespace)

    def test_the_clock_of_the_server(qless_live_client):
        jid = qless_live_client.queues["mail"].put("k")
        assert abs(qless_live_client.jobs[jid].put_at - time.time()) < 60

    def test_nothing_is_left(qless_client, qless_namespace):
        assert list(qless_client.redis.scan_iter("{%s}:job:*" % qless_namespace)) == []

    def test_what_async_code_puts(qless_client, qless_url, qless_namespace, qless_clock):
        async def main():
            async with qless_py.aio.Client(
                qless_url, namespace=qless_namespace, clock=qless_clock
            ) as client:
                await client.queues["mail"].put(double, {"n": 3})
                queue = qless_client.queues["mail"]
                assert_put(queue, double, {"n": 3}, count=1)
                assert [one.result for one in drain(queue)] == [6]
                with run_inline(qless_client):
                    jid = queue.put(double, {"n": 4})
                assert (await client.job(jid)).result == 8
                with pytest.raises(BadArgumentError, match="of a qless_py.Client"):
                    assert_not_put(client.queues["mail"])

        asyncio.run(main())
"""


CONFTEST = """
    import pathlib
    import pytest

    @pytest.fixture(scope="session")
    def qless_url():
        return {url!r}

    @pytest.fixture(autouse=True)
    def noted(request, qless_namespace):
        (pathlib.Path({folder!r}) / qless_namespace).touch(exist_ok=False)
"""


@pytest.mark.slow
@pytest.mark.fork
@pytest.mark.timeout(300)
def test_the_plugin_gives_each_test_a_namespace_and_a_clock_with_xdist_too(
    pytester: pytest.Pytester, server: servers.Server, tmp_path: Path
) -> None:
    pytester.makeconftest(CONFTEST.format(url=server.url, folder=str(tmp_path)))
    pytester.makepyfile(SUITE)
    plain = ("-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:cov")

    result = pytester.runpytest_subprocess("-n", "2", *plain, "-W", "error")

    result.assert_outcomes(passed=5)
    assert len({one.name.rpartition("-")[0] for one in tmp_path.iterdir()}) == 2
