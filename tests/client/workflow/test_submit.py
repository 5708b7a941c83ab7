"""Submitting workflows: all or nothing runs, and submitting twice changes nothing."""

import itertools
from typing import Any

import pytest

import qless_py
from qless_py import Client, fsck
from qless_py.client.workflow import Step, Workflow, chain, group, parent_results, step
from qless_py.errors import AlreadyExistsError, BadArgumentError, JobNotFoundError
from qless_py.protocol import Call
from tests.client.workflow.simulated_worker import KLASS, QUEUE, Crew
from tests.conftest import Clock
from tests.servers import Server


class CrashError(Exception):
    """The process ends here."""


class Crashing(Client):
    """A client whose process dies at one of its calls, before it is sent or after."""

    left = 0
    is_sent = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._send = self.runner.run
        self.runner.run = self._run  # type: ignore[method-assign]

    def _run(self, call: Call[Any]) -> Any:
        if self.left == 0 and not self.is_sent:
            raise CrashError
        reply = self._send(call)
        if self.left == 0:
            raise CrashError
        self.left -= 1
        return reply


@pytest.fixture
def crashing(server: Server, clock: Clock, client: Client) -> Any:
    """Return a client over the same keyspace as `client`."""
    del client
    with Crashing(server.url, clock=clock) as made:
        yield made


def s(name: str | None = None, **options: Any) -> Step:
    return step(QUEUE, KLASS, {"of": name}, name=name, **options)


def diamond(name: str = "w", **callbacks: Any) -> Workflow:
    return Workflow(name, chain(s("a"), group(s("b"), s("c")), s("d")), **callbacks)


def many(name: str = "w") -> Workflow:
    """Describe a workflow of more steps than one call can put, with a wide step at its end."""
    return Workflow(name, chain(s("a"), group(*(s() for _ in range(101))), s("z")))


def test_a_step_runs_after_all_before_it_and_reads_their_results(client: Client) -> None:
    run = client.workflows.submit(diamond())
    crew = Crew(client)

    assert [client.queues[QUEUE].counts[state] for state in ("waiting", "depends")] == [1, 3]
    crew.once()
    crew.once()
    last = client.queues[QUEUE].pop()
    assert last is not None
    assert (last.jid, last.data) == ("w:d", {"of": "d"})
    assert parent_results(last) == {"b": "b", "c": "c"}
    crew.end(last)

    assert crew.completed[0] == "a"
    assert run.status is not None
    assert (run.status["state"], run.status["counts"]) == ("complete", {"complete": 4})
    assert run.tag in last.tags


def test_a_policy_is_of_one_edge(client: Client) -> None:
    workflow = Workflow("w").step("bad", QUEUE, KLASS).step("good", QUEUE, KLASS)
    for policy in ("wait", "run", "cancel", "fail"):
        workflow.step(policy, QUEUE, KLASS, after={"bad": policy, "good": "wait"})
    run = client.workflows.submit(workflow)

    crew = Crew(client, fails=lambda name: name == "bad")
    crew.run()

    assert run.status is not None
    states = {name: one["state"] for name, one in run.status["steps"].items()}
    assert states == {
        "bad": "failed",
        "good": "complete",
        "wait": "depends",
        "run": "complete",
        "cancel": "canceled",
        "fail": "failed",
    }
    assert run.status["steps"]["fail"]["group"] == "parent-failed"


def test_a_wide_workflow_waits_for_every_one(client: Client) -> None:
    run = client.workflows.submit(many())
    crew = Crew(client)

    assert run.status is not None
    assert run.status["counts"] == {"waiting": 1, "depends": 102}
    crew.run()

    assert (crew.completed[0], crew.completed[-1], len(crew.completed)) == ("a", "z", 103)
    assert run.status["state"] == "complete"


def test_an_empty_workflow_is_complete_and_calls_back(client: Client) -> None:
    callback = {"queue": "back", "klass": KLASS, "jid": "done"}

    run = client.workflows.submit(Workflow("w", on_success=callback))  # type: ignore[arg-type]

    assert run.status == {"name": "w", "state": "complete", "counts": {}, "steps": {}}
    assert client.queues["back"].counts["waiting"] == 1


@pytest.mark.parametrize("failing", ["", "b"])
def test_callbacks_come_once_at_the_end(client: Client, failing: str) -> None:
    spec = {"klass": KLASS, "queue": "back"}
    callbacks: dict[str, Any] = {
        which: {**spec, "jid": which} for which in ("on_success", "on_complete", "on_failure")
    }
    client.workflows.submit(diamond(**callbacks))

    Crew(client, fails=lambda name: name == failing).run()

    called = [job.jid for job in client.queues["back"].pop(10)]
    assert called == (["on_failure", "on_complete"] if failing else ["on_success", "on_complete"])


@pytest.mark.parametrize("is_sent", [False, True])
@pytest.mark.parametrize("describe", [diamond, many])
def test_a_crash_at_any_call_leaves_nothing_running_or_a_workflow_that_goes_on(
    client: Client, crashing: Crashing, describe: Any, *, is_sent: bool
) -> None:
    crashing.is_sent = is_sent
    for number in itertools.count():
        name = f"w{number}"
        crashing.left = number
        try:
            crashing.workflows.submit(describe(name))
        except CrashError:
            pass
        else:
            break

        begun = Crew(client).run()
        client.workflows.submit(describe(name))
        crew = Crew(client, log=begun)
        crew.run()

        steps = len(describe(name))
        assert len(begun) in {0, steps}
        assert sorted(crew.completed) == sorted(one.name for one in describe(name).plan())
        status = client.workflows[name].status
        assert status is not None
        assert status["counts"] == {"complete": steps}
    assert number >= (6 if describe is diamond else 9)


def test_submitted_again_at_any_time_nothing_runs_twice(client: Client, clock: Clock) -> None:
    client.config["jobs-history"] = 1
    crew = Crew(client)
    for _ in range(6):
        client.workflows.submit(diamond())
        crew.once(1)
        clock.advance(2)
        client.queues["other"].pop()

    assert sorted(crew.completed) == ["a", "b", "c", "d"]
    assert client.jobs["w:a"] is None
    assert client.workflows["w"].status is not None
    assert client.workflows["w"].status["state"] == "complete"


def test_a_late_submitter_changes_nothing(client: Client, crashing: Crashing) -> None:
    crashing.left, crashing.is_sent = 3, True
    with pytest.raises(CrashError):
        crashing.workflows.submit(many())
    crew = Crew(client)
    client.workflows.submit(many())
    crew.run()

    crashing.left = 1000
    crashing.workflows.submit(many())

    assert (crew.run(), len(crew.completed)) == ([], 103)


def test_another_workflow_of_the_same_name_is_rejected(client: Client) -> None:
    client.workflows.submit(diamond())

    with pytest.raises(AlreadyExistsError, match="workflow w already"):
        client.workflows.submit(Workflow("w", s("a")))

    assert client.queues[QUEUE].counts["depends"] == 3


def test_a_rejected_workflow_leaves_nothing_behind(client: Client) -> None:
    workflow = Workflow("w", chain(s("a"), step(QUEUE, KLASS, object())))

    with pytest.raises((BadArgumentError, TypeError)):
        client.workflows.submit(workflow)
    with pytest.raises(qless_py.CycleError):
        client.workflows.submit(Workflow("w").step("a", QUEUE, KLASS, after="a"))

    assert client.workflows["w"].status is None
    assert fsck.check(client.redis) == []
    assert client.queues.counts == []


def test_a_gate_that_was_deleted_lets_nothing_run(client: Client, crashing: Crashing) -> None:
    crashing.left = 3
    with pytest.raises(CrashError):
        crashing.workflows.submit(diamond())
    client.cancel("w::gate")

    client.workflows.submit(diamond())

    assert len(Crew(client).run()) == 4


def test_a_job_of_a_class_that_wants_a_jid_is_rejected(client: Client) -> None:
    with pytest.raises(BadArgumentError, match="step a"):
        client.workflows.submit(Workflow("w").step("a", QUEUE, Stubborn))


def test_a_workflow_may_be_within_a_batch(client: Client) -> None:
    with client.batch("outer") as outer:
        client.workflows.submit(diamond(within=outer))
    assert outer.status is not None
    assert (outer.status["state"], outer.status["total"]) == ("closed", 1)

    Crew(client).run()

    assert outer.status["completed"] == 1
    assert outer.status["state"] == "finished"


def test_what_the_store_refuses_half_way_leaves_nothing_that_runs(client: Client) -> None:
    client.config["max-data-size"] = 5000
    large = step(QUEUE, KLASS, "d" * 6000, name="large")
    workflow = Workflow("w", chain(s("a"), group(*(s() for _ in range(120))), large))

    with pytest.raises(qless_py.DataTooLargeError):
        client.workflows.submit(workflow)

    run = client.workflows["w"]
    assert run.status is not None
    assert run.status["counts"] == {"depends": 100, "missing": 22}
    assert (Crew(client).run(), run.cancel()) == ([], 100)


def test_a_class_may_want_tags_for_its_jobs(client: Client) -> None:
    run = client.workflows.submit(Workflow("w").step("a", QUEUE, Tagged))
    job = client.queues[QUEUE].pop()

    assert job is not None
    assert job.tags == ["mine", run.tag]


class Tagged:
    """A handler whose jobs have a tag."""

    @staticmethod
    def default_job_options(_: object) -> dict[str, object]:
        return {"tags": ["mine"]}


class Stubborn:
    """A handler whose jobs have options that only the workflow may set."""

    @staticmethod
    def default_job_options(_: object) -> dict[str, object]:
        return {"jid": "mine"}


def test_the_status_of_a_missing_workflow(client: Client) -> None:
    assert client.workflows["nobody"].status is None
    assert client.workflows["nobody"].cancel() == 0
    with pytest.raises(qless_py.BatchNotFoundError):
        client.workflows["nobody"].retry()
    with pytest.raises(JobNotFoundError):
        client.runner.run(qless_py.protocol.jobs.force_finish_encoded("nobody::gate", b""))
