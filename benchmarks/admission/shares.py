"""The shares of a queue that users get by their weights while all of them have jobs waiting."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import Final

import redis

from benchmarks.namespace import NAMESPACE, put_jobs, send
from qless_py.protocol import queues, users
from qless_py.store.runner import Runner

ERROR_BUDGET: Final = 0.05
_SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Share:
    """A user's weight, its share of all weights, and its actual share of the jobs."""

    user: str
    weight: float
    fair: float
    actual: float

    @property
    def error(self) -> float:
        return self.actual / self.fair - 1


def measure(connection: redis.Redis, user_count: int, count: int) -> list[Share]:
    """Put more jobs than each user can get, with random weights; pop `count` in random portions."""
    connection.flushall()
    runner = Runner(connection, NAMESPACE)
    chance = random.Random(_SEED)
    weights = {f"u{number:02}": round(chance.uniform(0.5, 5), 2) for number in range(user_count)}
    send(runner, [users.set_options(user, one) for user, one in weights.items()])
    total = sum(weights.values())
    waiting = [
        user
        for user, weight in weights.items()
        for _ in range(round(count * weight / total * 1.1) + 10)
    ]
    # In random order: the order of arrival must not matter.
    chance.shuffle(waiting)
    put_jobs(runner, "mail", ({"jid": f"{at:x}", "user": user} for at, user in enumerate(waiting)))
    popped: Counter[str] = Counter()
    while popped.total() < count:
        portion = min(chance.randint(1, 16), count - popped.total())
        reply = runner.run(queues.pop_records(["mail"], "worker-1", portion))
        popped.update(str(job.fields["user"]) for job in reply.jobs)
    return [
        Share(user, weight, weight / total, popped[user] / count)
        for user, weight in weights.items()
    ]


def worst_error(shares: list[Share]) -> float:
    """Return the largest deviation from a fair share, relative to that share."""
    return max(abs(share.error) for share in shares)


def jain(shares: list[Share]) -> float:
    """Return Jain's fairness index of the jobs per weight: 1 if all are equal."""
    ratios = [share.actual / share.fair for share in shares]
    return sum(ratios) ** 2 / (len(ratios) * sum(ratio**2 for ratio in ratios))
