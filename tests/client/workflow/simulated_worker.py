"""A simulated worker for workflows: pops every ready job and ends it as configured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import qless_py
from qless_py import Job, protocol

QUEUE = "work"
KLASS = "tests.workflow.Step"


@dataclass
class Crew:
    """Does the jobs of one queue; the log holds steps in the order of their ends."""

    client: qless_py.Client
    fails: Callable[[str], bool] = lambda _: False
    log: list[tuple[str, str]] = field(default_factory=list)
    size: int = 100

    def once(self, number: int | None = None) -> int:
        """Take some jobs and end them; return how many there were."""
        jobs = self.client.queues[QUEUE].pop(number or self.size)
        good = [job for job in jobs if not self.fails(name_of(job))]
        for job in jobs:
            if job not in good:
                self.end(job)
        if good:
            leases = [(job.jid, job.lease) for job in good]
            results = [f'"{name_of(job)}"'.encode() for job in good]
            self.client.run(protocol.jobs.complete_many(leases, results))
            self.log += [(name_of(job), "complete") for job in good]
        return len(jobs)

    def run(self) -> list[tuple[str, str]]:
        """Work until nothing is ready any more; give what was done now."""
        before = len(self.log)
        # What a call leaves to the next ones is carried out by them.
        while self.once() or self.client.redis.exists("{ql}:releases") or self.once():
            pass
        return self.log[before:]

    def end(self, job: Job) -> None:
        step = name_of(job)
        if self.fails(step):
            job.fail("broke", f"{step} broke")
            self.log.append((step, "failed"))
        else:
            job.complete(result=step)
            self.log.append((step, "complete"))

    @property
    def completed(self) -> list[str]:
        return [step for step, outcome in self.log if outcome == "complete"]


def name_of(job: Job) -> str:
    """Return the name of a job's step, or the jid of a job that is none."""
    return job.jid.partition(":")[2] or job.jid
