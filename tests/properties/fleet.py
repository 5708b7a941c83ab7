"""Workers that sleep as real ones do: until a marker of one of their queues is set, or until the
instant that their last pop has named.
"""

import contextlib
import math
import random
from dataclasses import dataclass

from qless_py.errors import JobNotFoundError
from tests.conftest import Clock
from tests.script_runner import Scripts

POPS = 3000
"""Pops after which workers that never fall asleep are a failure."""


@dataclass(slots=True)
class Worker:
    """A worker with room for any number of jobs; `wakes_at` is when it pops without a marker."""

    name: str
    queues: list[str]
    wakes_at: float = 0


class Fleet:
    """Workers of some queues, and the jobs that they have not completed yet."""

    def __init__(self, call: Scripts, clock: Clock, rng: random.Random, queues: list[str]) -> None:
        self.call = call
        self.clock = clock
        self.random = rng
        self.held: list[tuple[str, str]] = []
        groups = [queues, *([queue] for queue in queues), queues[::-1]]
        self.workers = [Worker(f"fleet{at}", group) for at, group in enumerate(groups)]

    @property
    def wakes_at(self) -> float:
        """The instant at which the first worker wakes up by itself."""
        return min(worker.wakes_at for worker in self.workers)

    def rest(self) -> None:
        """Let the workers pop until all of them are asleep."""
        for _ in range(POPS):
            awake = [worker for worker in self.workers if worker.wakes_at <= self.clock()]
            worker = self.random.choice(awake) if awake else self._woken()
            if worker is None:
                return
            self._pop(worker)
        message = f"the workers are awake after {POPS} pops"
        raise AssertionError(message)

    def complete(self, number: int) -> None:
        """Complete some of the jobs that the workers hold."""
        for _ in range(min(number, len(self.held))):
            jid, lease = self.held.pop(self.random.randrange(len(self.held)))
            with contextlib.suppress(JobNotFoundError):  # It may have been canceled.
                self.call("complete", jid, lease, "", "", {})

    def _woken(self) -> Worker | None:
        """Return a worker that a marker wakes, and take the marker as its wait would."""
        for worker in self.random.sample(self.workers, len(self.workers)):
            for queue in worker.queues:
                if self.call.redis.zpopmin(f"{{ql}}:queue:{queue}:wake"):
                    return worker
        return None

    def _pop(self, worker: Worker) -> None:
        number = self.random.randint(1, 3)
        reply = self.call("pop", worker.queues, worker.name, number, {})
        self.held += [(job["jid"], job["lease"]) for job in reply["jobs"]]
        after = reply.get("next")
        if reply["jobs"] or reply["more"]:
            after = 0
        worker.wakes_at = math.inf if after is None else self.clock() + after / 1000
