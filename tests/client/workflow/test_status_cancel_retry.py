"""Status, canceling and retrying of whole workflows."""

import itertools
from typing import Any

import pytest

import qless_py
from qless_py import Client
from qless_py.client.workflow import Step, Workflow, WorkflowRun, chain, group, step
from qless_py.errors import DependencyError, JobNotFoundError, WrongStateError
from qless_py.protocol.options import ParentPolicy
from tests.client.workflow.simulated_worker import KLASS, QUEUE, Crew
from tests.client.workflow.test_submit import CrashError, Crashing, crashing, diamond, many
from tests.conftest import Clock

__all__ = ["crashing"]


def s(name: str | None = None, **options: Any) -> Step:
    return step(QUEUE, KLASS, {"of": name}, name=name, **options)


def states(run: WorkflowRun) -> dict[str, str]:
    status = run.status
    assert status is not None
    return {name: one["state"] for name, one in status["steps"].items()}


def overall(run: WorkflowRun) -> str:
    status = run.status
    assert status is not None
    return status["state"]


def test_the_state_of_the_whole_follows_its_steps(client: Client, crashing: Crashing) -> None:
    crashing.left = 4
    with pytest.raises(CrashError):
        crashing.workflows.submit(diamond())
    run = client.workflows["w"]
    seen = [overall(run)]
    client.workflows.submit(diamond())
    broken = {"b"}
    crew = Crew(client, fails=lambda name: name in broken)
    seen.append(overall(run))
    crew.run()
    seen.append(overall(run))
    broken.clear()
    run.retry()
    seen.append(overall(run))
    crew.run()
    seen.append(overall(run))

    assert seen == ["submitting", "running", "failed", "running", "complete"]


def test_canceling_removes_every_job_and_revokes_running_leases(client: Client) -> None:
    run = client.workflows.submit(diamond())
    Crew(client).once()
    held = client.queues[QUEUE].pop()
    assert held is not None

    assert run.cancel() == 3

    with pytest.raises(JobNotFoundError):
        held.complete()
    assert (overall(run), run.cancel()) == ("canceled", 0)
    assert states(run) == {"a": "complete", "b": "canceled", "c": "canceled", "d": "canceled"}
    assert Crew(client).run() == []
    client.workflows.submit(diamond())
    assert (Crew(client).run(), overall(run)) == ([], "canceled")
    with pytest.raises(WrongStateError, match="canceled"):
        run.retry()


@pytest.mark.parametrize("is_sent", [False, True])
def test_canceling_goes_on_after_a_crash_at_any_call(
    client: Client, crashing: Crashing, *, is_sent: bool
) -> None:
    crashing.is_sent = is_sent
    for number in itertools.count():
        client.workflows.submit(many(f"w{number}"))
        crashing.left = number
        try:
            crashing.workflows[f"w{number}"].cancel()
        except CrashError:
            client.workflows[f"w{number}"].cancel()
        else:
            break
        counts = client.queues[QUEUE].counts
        assert (counts["waiting"], counts["depends"], counts["scheduled"]) == (0, 0, 0)
    assert number >= 6


def test_a_workflow_that_is_half_submitted_can_be_canceled(
    client: Client, crashing: Crashing
) -> None:
    for number in range(8):
        crashing.left, name = number, f"w{number}"
        with pytest.raises(CrashError):
            crashing.workflows.submit(many(name))

        client.workflows[name].cancel()
        client.workflows.submit(many(name))

        if number > 1:  # before that there is nothing to cancel
            assert (Crew(client).run(), overall(client.workflows[name])) == ([], "canceled")
        Crew(client).run()


def test_a_job_outside_that_waits_for_a_step_is_named(client: Client) -> None:
    run = client.workflows.submit(diamond())
    client.queues[QUEUE].put(KLASS, jid="outside", depends=[run.jid("b")])

    with pytest.raises(DependencyError, match="outside"):
        run.cancel()
    assert states(run) == {"a": "depends", "b": "depends", "c": "canceled", "d": "canceled"} or (
        states(run)["d"] == "canceled"
    )
    client.cancel("outside")
    run.cancel()

    assert set(states(run).values()) == {"canceled"}


def test_what_a_step_put_beside_the_plan_goes_with_the_workflow(client: Client) -> None:
    run = client.workflows.submit(diamond())
    first = client.queues[QUEUE].pop()
    assert first is not None
    first.own_batch().put(QUEUE, KLASS, tags=[run.tag], jid="beside")

    assert run.cancel() == 5

    assert client.jobs["beside"] is None


@pytest.mark.parametrize("policy", ["wait", "fail", "cancel"])
def test_a_retry_brings_back_what_failed_and_what_did_because_of_it(
    client: Client, policy: ParentPolicy
) -> None:
    workflow = Workflow("w", chain(s("a"), s("b"), group(s("c"), s("d")), s("e"), policy=policy))
    workflow.step("beside", QUEUE, KLASS)
    run = client.workflows.submit(workflow)
    broken = {"b"}
    crew = Crew(client, fails=lambda name: name in broken)
    crew.run()
    assert overall(run) == "failed"

    broken.clear()
    back = run.retry()
    crew.run()

    assert overall(run) == "complete"
    assert back == (["b"] if policy == "wait" else ["b", "c", "d", "e"])
    assert sorted(crew.completed) == ["a", "b", "beside", "c", "d", "e"]
    after = crew.completed[crew.completed.index("b") :]
    assert (after[0], set(after[1:3]), after[3]) == ("b", {"c", "d"}, "e")


def test_results_of_parents_are_there_after_a_retry(client: Client, clock: Clock) -> None:
    client.config["jobs-history"] = 10
    run = client.workflows.submit(
        Workflow("w", chain(group(s("a"), s("b"), s("x")), s("c"), policy="cancel"))
    )
    broken = {"x"}
    crew = Crew(client, fails=lambda name: name in broken)
    crew.run()

    broken.clear()
    run.retry()
    crew.once()
    last = client.queues[QUEUE].pop()

    assert last is not None
    assert qless_py.parent_results(last) == {"a": "a", "b": "b", "x": "x"}
    crew.end(last)
    clock.advance(20)


def test_the_success_callback_runs_once_failed_jobs_were_retried(client: Client) -> None:
    spec = {"klass": KLASS, "queue": "back"}
    callbacks: dict[str, Any] = {
        which: {**spec, "jid": which} for which in ("on_success", "on_complete", "on_failure")
    }
    run = client.workflows.submit(diamond(**callbacks))
    broken = {"c"}
    crew = Crew(client, fails=lambda name: name in broken)
    crew.run()
    broken.clear()
    run.retry()
    crew.run()

    called = [job.jid for job in client.queues["back"].pop(10)]
    assert called == ["on_failure", "on_complete", "on_success"]


def test_a_wide_retry_goes_on_after_a_crash_at_any_call(client: Client, crashing: Crashing) -> None:
    broken = {"a"}
    crew = Crew(client, fails=lambda name: name in broken)
    for number in itertools.count():
        name = f"w{number}"
        wide = group(*(s() for _ in range(101)))
        client.workflows.submit(Workflow(name, chain(s("a"), wide, s("z"), policy="cancel")))
        broken.add("a")
        crew.run()
        broken.clear()
        crew.log.clear()
        crashing.left = number
        try:
            crashing.workflows[name].retry()
        except CrashError:
            crew.once(40)
            client.workflows[name].retry()
            is_over = False
        else:
            is_over = True
        crew.run()

        assert overall(client.workflows[name]) == "complete"
        assert (len(crew.log), crew.log[0], crew.log[-1]) == (
            103,
            ("a", "complete"),
            ("z", "complete"),
        )
        if is_over:
            break
    assert number >= 8


def test_a_step_that_somebody_deleted_stays_deleted_with_what_comes_after(client: Client) -> None:
    workflow = Workflow("w", chain(s("a"), s("b"), policy="fail")).step("c", QUEUE, KLASS)
    run = client.workflows.submit(workflow)
    client.cancel(run.jid("a"))
    crew = Crew(client, fails=lambda name: name == "c")
    crew.run()
    assert states(run) == {"a": "canceled", "b": "failed", "c": "failed"}

    assert run.retry() == ["c"]


def test_a_step_is_brought_back_once_and_what_runs_is_left_alone(client: Client) -> None:
    run = client.workflows.submit(diamond())
    broken = {"a"}
    crew = Crew(client, fails=lambda name: name in broken)
    crew.run()
    broken.clear()
    run.retry()
    held = client.queues[QUEUE].pop()
    assert held is not None

    assert run.retry() == []

    held.complete()
    crew.run()
    assert overall(run) == "complete"


def test_a_workflow_is_kept_as_long_as_it_is_not_over(client: Client, clock: Clock) -> None:
    client.config["jobs-history"] = 60
    run = client.workflows.submit(diamond())
    crew = Crew(client, fails=lambda name: name == "b")
    crew.run()
    for _ in range(5):
        clock.advance(86400 * 40)
        for _ in range(3):
            client.queues["other"].pop()

    assert client.jobs[run.jid("a")] is None
    assert states(run) == {"a": "complete", "b": "failed", "c": "complete", "d": "failed"}
    crew.fails = lambda _: False
    run.retry()
    crew.run()
    assert overall(run) == "complete"


def test_a_workflow_cannot_be_retried_before_all_of_it_is_there(
    client: Client, crashing: Crashing
) -> None:
    crashing.left = 4
    with pytest.raises(CrashError):
        crashing.workflows.submit(diamond())

    with pytest.raises(WrongStateError, match="submitted"):
        client.workflows["w"].retry()
