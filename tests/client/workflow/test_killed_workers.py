"""Workers killed in the middle of steps: no step is lost or run to completion twice."""

import os
import signal

import pytest

from qless_py import Client
from qless_py.client.workflow import Workflow, chain, step
from tests.client.workflow import handlers
from tests.worker.conftest import LinePipe, Start, go, launch, reports, start

__all__ = ["go", "launch", "reports", "start"]

pytestmark = [pytest.mark.slow, pytest.mark.fork, pytest.mark.timeout(300)]
IMPORT = ("--import", "tests.client.workflow.handlers")


def killed_once_in(targets: set[str], reports: LinePipe, go: LinePipe, number: int) -> list[str]:
    """Kill the worker of each of these steps once, let all others run, and return the steps."""
    steps: list[str] = []
    seen: set[str] = set()
    while len(steps) < number:
        name, pid = reports.line().split()
        if name in targets - seen:
            os.kill(int(pid), signal.SIGKILL)
        else:
            steps.append(name)
            go.send("on")
        seen.add(name)
    return steps


def pipes(reports: LinePipe, go: LinePipe) -> dict[str, str]:
    return {"pipe": str(reports.path), "go": str(go.path)}


def test_a_chain_survives_the_kill_of_every_process_that_runs_a_step(
    live: Client, start: Start, reports: LinePipe, go: LinePipe
) -> None:
    data = pipes(reports, go)
    links = [step("work", handlers.link, data, name=name) for name in ("a", "b", "c")]
    run = live.workflows.submit(Workflow("w", chain(*links)))
    start(*IMPORT)

    steps = killed_once_in({"a", "b", "c"}, reports, go, 3)

    last = live.jobs[run.jid("c")]
    assert last is not None
    assert last.wait(30) == ["a", "b", "c"]  # type: ignore[union-attr]
    assert steps == ["a", "b", "c"]
    assert run.status is not None
    assert run.status["counts"] == {"complete": 3}


def test_a_decider_survives_the_death_of_each_process_that_runs_a_step(
    live: Client, start: Start, reports: LinePipe, go: LinePipe
) -> None:
    name = handlers.Machine.begin(live, "work", pipes(reports, go))
    start(*IMPORT)

    steps = killed_once_in({"fan", "further", "meet"}, reports, go, 6)

    assert (steps[:2], sorted(steps[2:5]), steps[5]) == (
        ["start", "fan"],
        ["further", "left", "right"],
        "meet",
    )
    wait_for_last(live, name)


def wait_for_last(client: Client, name: str) -> None:
    """Wait until all six steps are complete; there are no more than six."""
    jids = client.jobs.tagged(f"workflow:{name}", 0, 100)["jobs"]
    assert len(jids) == 6
    for jid in jids:
        job = client.jobs[jid]
        assert job is not None
        job.wait(30)  # type: ignore[union-attr]


def test_a_decider_goes_on_in_another_worker_when_one_is_killed_with_all_its_processes(
    live: Client, start: Start, reports: LinePipe, go: LinePipe
) -> None:
    live.config["heartbeat"], live.config["grace-period"] = 1, 0
    name = handlers.Machine.begin(live, "work", pipes(reports, go))
    seen: list[str] = []
    worker = start(*IMPORT)
    while seen.count("meet") < 2:
        step_name, _ = reports.line().split()
        seen.append(step_name)
        if step_name in {"fan", "meet"} and seen.count(step_name) == 1:
            os.killpg(worker.process.pid, signal.SIGKILL)
            worker.wait()
            worker = start(*IMPORT)
        else:
            go.send("on")

    wait_for_last(live, name)
    assert (seen[0], seen.count("fan"), seen[-1]) == ("start", 2, "meet")
