"""Deciders: steps that choose the next step, put atomically with their completion."""

from __future__ import annotations

from typing import Any

import pytest

from qless_py import Client, Job
from qless_py.client.workflow import Branch, Decider, End, Next
from qless_py.errors import BadArgumentError, HandlerNotFoundError
from tests.client.workflow.test_submit import CrashError, Crashing, crashing
from tests.conftest import Clock

__all__ = ["crashing"]


class Order(Decider):
    """An order that is reserved, charged as often as it takes, and shipped."""

    def start(self, data: dict[str, Any]) -> Next:
        return Next("charge", {**data, "tries": 0})

    def charge(self, data: dict[str, Any]) -> Next:
        if data["tries"] < 2:
            raise Next("charge", {**data, "tries": data["tries"] + 1}, delay=60)
        return Next("ship", data)

    async def ship(self, data: dict[str, Any]) -> str:
        return f"{data['order']} shipped after {data['tries']}"

    def _private(self, _data: object) -> None:
        raise AssertionError

    number = 5


class Fan(Decider):
    """Steps that run in parallel and join again."""

    first = "fan"

    def fan(self, data: dict[str, Any]) -> Branch:
        return Branch(
            Next("one", data),
            Next("two", data),
            join=Next("meet", data),
            always=bool(data.get("always")),
        )

    def one(self, data: dict[str, Any]) -> Any:
        if data.get("deep"):
            return Branch(Next("two"), Next("more"), join=Next("inner"))
        return Next("more", data)

    def two(self, _data: object) -> str:
        return "two"

    def more(self, data: dict[str, Any] | None) -> End:
        if data and data.get("breaks"):
            raise ValueError("broken")
        raise End("more")

    def inner(self, _data: object) -> Next:
        return Next("more")

    def meet(self, _data: object) -> str:
        return "met"


class Odd(Decider):
    """Steps that decide what cannot be."""

    def start(self, data: Any) -> Any:
        decisions = {"unknown": "nowhere", "private": "_hidden", "own": "perform"}
        return Next(decisions[data]) if data in decisions else Next

    def wide(self, _data: object) -> Branch:
        return Branch(*(Next("end") for _ in range(100)), join=Next("end"))

    def alone(self, _data: object) -> Branch:
        return Branch(Next("end"), Next("end"))

    def empty(self, _data: object) -> Branch:
        return Branch(join=Next("end"))

    def end(self, _data: object) -> None:
        pass


def perform(job: Job) -> str:
    """Run a job as a worker would; give the name of its step."""
    name = str(job["step"])
    try:
        result = job.perform()
        if hasattr(result, "__await__"):
            result = _awaited(result)
    except ValueError as error:
        job.fail("broke", str(error))
    else:
        job.complete(result=result)
    return name


def _awaited(coroutine: Any) -> Any:
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("the step waits for something")


def run(client: Client, queue: str = "orders") -> list[str]:
    """Work until nothing is ready; give the steps in their order."""
    steps, idle = [], 0
    while idle < 2:
        job = client.queues[queue].pop()
        idle = idle + 1 if job is None else 0
        if job is not None:
            steps.append(perform(job))
    return steps


def test_a_step_is_a_job_and_puts_the_next_one_as_it_ends(client: Client, clock: Clock) -> None:
    name = Order.begin(client, "orders", {"order": 17}, name="o17", priority=3)

    assert (name, run(client)) == ("o17", ["start", "charge"])
    clock.advance(59)
    assert run(client) == []
    clock.advance(1)
    assert run(client) == ["charge"]
    clock.advance(60)
    assert run(client) == ["charge", "ship"]

    jids = client.jobs.tagged("workflow:o17", 0, 10)["jobs"]
    jobs = [client.jobs[jid] for jid in jids]
    assert all(isinstance(job, Job) and job.state == "complete" for job in jobs)
    last = jobs[-1]
    assert isinstance(last, Job)
    assert (last.result, last.priority) == ("17 shipped after 2", 3)
    assert len(jids) == 5


def test_a_step_that_ran_but_was_not_completed_has_decided_nothing(client: Client) -> None:
    Order.begin(client, "orders", {"order": 1}, name="o")
    first = client.queues["orders"].pop()
    assert first is not None
    first.perform()

    first.timeout()

    assert run(client) == ["start", "charge"]
    assert client.queues["orders"].counts["scheduled"] == 1


def test_starting_again_under_the_same_name_does_nothing(client: Client) -> None:
    for _ in range(2):
        Order.begin(client, "orders", {"order": 1}, name="o")
        assert client.queues["orders"].counts["waiting"] in {0, 1}
        run(client)

    assert client.queues["orders"].counts["scheduled"] == 1


def test_a_step_may_come_at_a_point_in_time_and_elsewhere(client: Client, clock: Clock) -> None:
    job = Job.build(client, Order, {"step": "start", "data": None}, queue_name="orders")
    at = Next("ship", at=clock.now + 90, queue="ships")

    assert (at.delay(clock.now), at.delay(clock.now + 100)) == (90, 0)
    assert (at.queue, job.state) == ("ships", "running")


@pytest.mark.parametrize("deep", [False, True])
def test_branches_join_once_all_of_them_have_come_to_their_end(
    client: Client, *, deep: bool
) -> None:
    Fan.begin(client, "orders", {"deep": deep})

    steps = run(client)

    assert (steps[0], steps[-1], steps.count("meet")) == ("fan", "meet", 1)
    inner = ["two", "more", "inner"] if deep else []
    assert sorted(steps[1:-1]) == sorted(["one", "two", "more", *inner])


def test_a_broken_branch_keeps_the_join_waiting_until_it_is_revived(client: Client) -> None:
    name = Fan.begin(client, "orders", {"breaks": True})
    steps = run(client)
    assert "meet" not in steps
    status = client.workflows[name].status
    assert status is not None
    assert (status["state"], status["counts"]) == ("failed", {"complete": 3, "failed": 1})

    (jid,) = client.workflows[name].retry()
    job = client.queues["orders"].pop()
    assert job is not None
    assert (job.jid, job["step"]) == (jid, "more")
    job.complete()

    assert run(client) == ["meet"]


def test_a_join_may_come_whatever_became_of_the_branches(client: Client) -> None:
    Fan.begin(client, "orders", {"breaks": True, "always": True})

    assert run(client)[-1] == "meet"


def test_branches_need_no_join_and_a_join_no_branches(client: Client) -> None:
    for first, number in (("alone", 3), ("empty", 2), ("wide", 102)):
        Odd.begin(client, "orders", step=first)

        assert len(run(client)) == number


def test_a_second_run_of_a_branching_step_repeats_nothing(client: Client) -> None:
    Fan.begin(client, "orders", {})
    for _ in range(3):
        job = client.queues["orders"].pop()
        assert job is not None
        job.perform()
        job.timeout()

    steps = run(client)

    assert sorted(steps) == ["fan", "meet", "more", "one", "two"]


@pytest.mark.parametrize("is_sent", [False, True])
def test_a_crash_at_any_call_neither_loses_nor_repeats_a_step(
    client: Client, crashing: Crashing, *, is_sent: bool
) -> None:
    crashing.is_sent = is_sent
    for number in range(25):
        name = Fan.begin(client, "orders", {"deep": True})
        crashing.left, seen = number, list[str]()
        try:
            seen = run(crashing)
        except CrashError:
            for jid in held(client):
                client.jobs[jid].timeout()  # type: ignore[union-attr]

        run(client)

        jids = client.jobs.tagged(f"workflow:{name}", 0, 100)["jobs"]
        jobs = [client.jobs[jid] for jid in jids]
        assert [job.state for job in jobs if isinstance(job, Job)] == ["complete"] * 8
        assert sorted(str(job["step"]) for job in jobs if isinstance(job, Job)) == sorted(
            ["fan", "one", "two", "two", "more", "more", "inner", "meet"]
        )
    assert len(seen) == 8


def held(client: Client) -> list[str]:
    """List the jobs that the dead process had."""
    return client.queues["orders"].jobs.running(0, 100)


def test_a_queue_called_like_a_step_changes_nothing(client: Client) -> None:
    Order.begin(client, "ship", {"order": 1})

    assert run(client, "ship") == ["start", "charge"]


def test_canceling_a_decider_takes_what_is_there_and_nothing_comes_after(client: Client) -> None:
    name = Fan.begin(client, "orders", {"always": True})
    perform(client.queues["orders"].pop())  # type: ignore[arg-type]

    assert client.workflows[name].cancel() >= 2

    assert run(client) == []


@pytest.mark.parametrize("decision", ["unknown", "private", "own", "class"])
def test_a_decision_for_what_is_no_step_fails_the_step(client: Client, decision: str) -> None:
    Odd.begin(client, "orders", decision)
    job = client.queues["orders"].pop()
    assert job is not None

    with pytest.raises((HandlerNotFoundError, BadArgumentError)):
        job.perform()

    assert job.follow_ups == []


def test_invalid_values_are_rejected_by_name(client: Client) -> None:
    with pytest.raises(HandlerNotFoundError, match="nowhere"):
        Order.begin(client, "orders", step="nowhere")
    with pytest.raises(HandlerNotFoundError, match="number"):
        Order.begin(client, "orders", step="number")
    with pytest.raises(BadArgumentError, match="jid"):
        Order.begin(client, "orders", jid="mine")
    with pytest.raises(BadArgumentError, match="depends"):
        Next("ship", depends=["x"])
    with pytest.raises(BadArgumentError, match="delay"):
        Next("ship", delay=5, at=5)
    with pytest.raises(BadArgumentError, match="101"):
        Branch(*(Next("ship") for _ in range(101)))
    client.queues["orders"].put(Order, {"other": 1})
    job = client.queues["orders"].pop()
    assert job is not None
    with pytest.raises(BadArgumentError, match="decider"):
        job.perform()
