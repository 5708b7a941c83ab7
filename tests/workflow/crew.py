"""A simulated worker for workflows: pops whatever is ready and ends it as it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import qless_py
from qless_py import Job

QUEUE = "work"
KLASS = "tests.workflow.Step"


@dataclass
class Crew:
    """Does the jobs of one queue; the log holds steps in the order of their ends."""

    client: qless_py.Client
    fails: Callable[[str], bool] = lambda _: False
    log: list[tuple[str, str]] = field(default_factory=list)

    def once(self, number: int = 10) -> int:
        """Take some jobs and end them; give how many there were."""
        jobs = self.client.queues[QUEUE].pop(number)
        for job in jobs:
            self.end(job)
        return len(jobs)

    def run(self) -> list[tuple[str, str]]:
        """Work until nothing is ready any more; give what was done now."""
        before = len(self.log)
        idle = 0
        while idle < 2:  # what a call left to the next one comes with that
            idle = 0 if self.once() else idle + 1
        return self.log[before:]

    def end(self, job: Job) -> None:
        step = job.jid.partition(":")[2] or job.jid
        if self.fails(step):
            job.fail("broke", f"{step} broke")
            self.log.append((step, "failed"))
        else:
            job.complete(result=step)
            self.log.append((step, "complete"))

    @property
    def completed(self) -> list[str]:
        return [step for step, outcome in self.log if outcome == "complete"]
