"""A group of exceptions, as a TaskGroup or `except*` raises it, decides like its members."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from qless_py import Client, Discard, GracefulStop, Job, Retry, RetryPolicy, Snooze, SoftLimitError
from qless_py.errors import ImmediateStop, LostLeaseError
from qless_py.handlers.executor import Executor, HandlerOptions
from qless_py.handlers.middleware import Reconnect, RetryOn
from qless_py.handlers.outcomes import deciding, retry
from qless_py.handlers.result import Transition

RAISED: list[BaseException] = []
ANY = HandlerOptions(allow_any=True)


async def in_a_task_group(_job: Job) -> None:
    async with asyncio.TaskGroup() as group:
        for error in RAISED:
            group.create_task(fail(error))


async def fail(error: BaseException) -> None:
    raise error


def in_a_group(_job: Job) -> None:
    raise BaseExceptionGroup("several", RAISED)


def in_an_except_block(_job: Job) -> None:
    try:
        raise ExceptionGroup("", [ValueError("x")])
    except* ValueError:
        raise RAISED[0] from None


@retry(OSError, delay=5)
def decorated(_job: Job) -> None:
    raise BaseExceptionGroup("several", RAISED)


def ended(client: Client, klass: Any, *raised: BaseException, **put: Any) -> str:
    """Run a handler that raises these and return the state of its job then."""
    RAISED[:] = raised
    client.queues["q"].put(klass, None, **put)
    job = client.queues["q"].pop()
    assert job is not None
    try:
        Executor(ANY).run(job)
    except BaseException as error:  # noqa: BLE001 - as a worker does
        transition = Transition.raised(job, error)
    assert transition.call is not None
    client.run(transition.call)
    after = client.jobs[job.jid]
    return after.state if isinstance(after, Job) else "gone"


@pytest.mark.parametrize("klass", [in_a_task_group, in_a_group, in_an_except_block])
@pytest.mark.parametrize(
    ("error", "state"),
    [
        (Retry(5), "scheduled"),
        (Snooze(5), "scheduled"),
        (Discard(), "gone"),
        (GracefulStop(), "waiting"),
        (ImmediateStop(), "waiting"),
        (ValueError("broken"), "failed"),
    ],
)
def test_a_lone_member_decides_as_it_would_without_the_group(
    client: Client, klass: Any, error: BaseException, state: str
) -> None:
    assert ended(client, klass, error) == state


@pytest.mark.parametrize("other", [ValueError("broken"), Retry(5), SoftLimitError()])
@pytest.mark.parametrize("stop", [GracefulStop(), ImmediateStop()])
def test_a_stop_releases_the_job_whatever_was_raised_beside_it(
    client: Client, stop: BaseException, other: BaseException
) -> None:
    assert ended(client, in_a_group, other, stop) == "waiting"


def test_an_error_beside_an_outcome_fails_the_job(client: Client) -> None:
    assert ended(client, in_a_group, Retry(5), ValueError("broken")) == "failed"


def test_the_first_of_several_outcomes_decides() -> None:
    first = Snooze(5)
    nested = ExceptionGroup("", [ExceptionGroup("", [first]), Retry(1)])

    assert deciding(nested) is first


def test_a_lost_lease_in_a_group_is_no_failure_of_a_policy(client: Client) -> None:
    policy = RetryPolicy(5)

    assert ended(client, in_a_group, LostLeaseError("lost"), ValueError(), retry=policy) == "failed"


@pytest.mark.parametrize("others", [[], [ValueError("interrupted")]])
def test_a_limit_in_a_group_reaches_the_policy_for_it(
    client: Client, others: list[BaseException]
) -> None:
    policy = RetryPolicy(on={SoftLimitError: 5})

    state = ended(client, in_a_group, *others, SoftLimitError(), retry=policy)

    assert state == "scheduled"


@pytest.mark.parametrize(
    ("raised", "state"),
    [
        ([ConnectionError()], "scheduled"),
        ([ConnectionError(), OSError()], "scheduled"),
        ([ConnectionError(), KeyError()], "failed"),
        ([ConnectionError(), ZeroDivisionError()], "scheduled"),
        ([ZeroDivisionError()], "gone"),
        ([ConnectionError(), AssertionError()], "failed"),
    ],
)
def test_the_strictest_rule_of_the_members_applies(
    client: Client, raised: list[BaseException], state: str
) -> None:
    policy = RetryPolicy(
        on={OSError: 5, ZeroDivisionError: "discard", AssertionError: "fail"}, retries=3
    )

    assert ended(client, in_a_task_group, *raised, retry=policy) == state


def test_a_rule_for_groups_applies_to_the_whole_group(client: Client) -> None:
    policy = RetryPolicy(on={ExceptionGroup: "snooze", ValueError: "fail"})

    assert ended(client, in_a_task_group, ValueError(), retry=policy) == "scheduled"


@pytest.mark.parametrize(
    ("raised", "state"),
    [([OSError(), ConnectionError()], "scheduled"), ([OSError(), KeyError()], "failed")],
)
def test_the_decorator_retries_a_group_of_its_exceptions(
    client: Client, raised: list[BaseException], state: str
) -> None:
    assert ended(client, decorated, *raised) == state


def test_the_middleware_for_retries_lets_a_stop_in_a_group_pass(client: Client) -> None:
    client.queues["q"].put("app.x", None)
    job = client.queues["q"].pop()
    assert job is not None

    with pytest.raises(BaseExceptionGroup), RetryOn(5)(job):
        raise ExceptionGroup("", [Retry(1)])
    with pytest.raises(Retry), RetryOn(5)(job):
        raise ExceptionGroup("", [ValueError()])


def test_connections_lost_in_a_group_are_opened_again(client: Client) -> None:
    opened: list[int] = []
    around = Reconnect(lambda: opened.append(1))
    client.queues["q"].put("app.x", None)
    job = client.queues["q"].pop()
    assert job is not None

    with pytest.raises(ExceptionGroup), around(job):
        raise ExceptionGroup("", [ConnectionError()])
    with around(job):
        pass

    assert opened == [1, 1]
