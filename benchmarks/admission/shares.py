"""What users get of a queue, by weight, as long as all of them have jobs waiting."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import Final

import redis

from benchmarks.scripts.space import DATA, KLASS, NAMESPACE, PAGE
from qless_py import protocol
from qless_py.protocol import puts, queues
from qless_py.store.runner import Runner

ERROR_BUDGET: Final = 0.05
_SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Share:
    """One user: its weight, the part of all weights that is, and the part of all jobs it got."""

    user: str
    weight: float
    due: float
    got: float

    @property
    def error(self) -> float:
        return self.got / self.due - 1


def measure(connection: redis.Redis, users: int, handed_out: int) -> list[Share]:
    """Give users random weights and more jobs than they can get; pop so many, in any portions."""
    connection.flushall()
    runner = Runner(connection, NAMESPACE)
    chance = random.Random(_SEED)
    weights = {f"u{number:02}": round(chance.uniform(0.5, 5), 2) for number in range(users)}
    runner.run_many([protocol.users.set_options(user, one) for user, one in weights.items()])
    total = sum(weights.values())
    waiting = [
        user
        for user, weight in weights.items()
        for _ in range(round(handed_out * weight / total * 1.1) + 10)
    ]
    # In any order: who came first must not matter.
    chance.shuffle(waiting)
    for start in range(0, len(waiting), PAGE):
        some = waiting[start : start + PAGE]
        fields = [
            {"jid": f"{start + at:x}", "klass": KLASS, "user": user} for at, user in enumerate(some)
        ]
        runner.run(puts.put_many_encoded("mail", fields, [DATA] * len(fields)))
    got: Counter[str] = Counter()
    while got.total() < handed_out:
        count = min(chance.randint(1, 16), handed_out - got.total())
        reply = runner.run(queues.pop_records(["mail"], "worker-1", count))
        got.update(str(job.fields["user"]) for job in reply.jobs)
    return [
        Share(user, weight, weight / total, got[user] / handed_out)
        for user, weight in weights.items()
    ]


def worst_error(shares: list[Share]) -> float:
    """Give the largest difference of what a user got to what it was due, as a part of the due."""
    return max(abs(share.error) for share in shares)


def jain(shares: list[Share]) -> float:
    """Give Jain's index of what each got for its weight: 1 when all got the same."""
    ratios = [share.got / share.due for share in shares]
    return sum(ratios) ** 2 / (len(ratios) * sum(ratio**2 for ratio in ratios))
