"""Two long trials: users share a queue by weight, and one job needs several throttles."""

from collections.abc import Sequence
from itertools import combinations

from tests.properties.admission.judge import World


class Shares:
    """What users got of a queue, and by how much any two of them came apart while both waited."""

    def __init__(self, weights: dict[str, float]) -> None:
        self.weights = weights
        self.waiting = dict.fromkeys(weights, 0)
        self.work = dict.fromkeys(weights, 0)
        self.lead: dict[tuple[str, str], tuple[float, float]] = {}

    def put(self, user: str, number: int) -> None:
        self.waiting[user] += number
        self._note()

    def take(self, user: str) -> None:
        """Count one pop; it belongs to the time in which its user was still waiting."""
        self.work[user] += 1
        self._note()
        self.waiting[user] -= 1
        self._note()

    def _note(self) -> None:
        """Hold each pair to the bound of start-time fair queueing, over every stretch of time."""
        for one, other in combinations(sorted(self.weights), 2):
            if not (self.waiting[one] and self.waiting[other]):
                self.lead.pop((one, other), None)
                continue
            ahead = self.work[one] / self.weights[one] - self.work[other] / self.weights[other]
            least, most = self.lead.get((one, other), (ahead, ahead))
            least, most = min(least, ahead), max(most, ahead)
            self.lead[one, other] = least, most
            bound = 1 / self.weights[one] + 1 / self.weights[other]
            assert most - least <= bound * (1 + 1e-9), (
                f"{one} and {other} came {most - least} apart, {bound} is allowed"
            )


def share(
    world: World,
    weights: Sequence[float],
    arrivals: Sequence[tuple[int, int]],
    counts: Sequence[int],
) -> None:
    """Put (user, number of jobs) while jobs are popped, and pop the rest at the end."""
    # The jobs without a user count as one more user, of weight 1.
    shares = Shares({"": 1} | {f"u{number}": one for number, one in enumerate(weights)})
    for number, one in enumerate(weights):
        world.user_set(f"u{number}", {"weight": one})

    def pop(count: int) -> int:
        reply = world.call("pop", ["a"], "w", count, {"nonce": "n"})
        for job in reply["jobs"]:
            shares.take(job.get("user") or "")
        return len(reply["jobs"])

    for at, (who, number) in enumerate(arrivals):
        user = sorted(shares.weights)[who % len(shares.weights)]
        options = {"user": user} if user else {}
        jobs = [{"jid": f"j{at}-{one}", "klass": "K"} | options for one in range(number)]
        world.jids += [job["jid"] for job in jobs]
        world.call("put_many", "a", jobs, *("{}" for _ in jobs))
        shares.put(user, number)
        pop(counts[at % len(counts)])
    while pop(7):
        pass
    assert not any(shares.waiting.values()), world.with_trace("not all came")
    world.look()


def contend(world: World, throttles: int, slots: int, users: int, picks: Sequence[int]) -> None:
    """Put one job that needs all throttles among ever more that need one each.

    After each pick, which chooses the running job that completes, some are taken.
    """
    names = [f"x{number}" for number in range(throttles)]
    for name in names:
        world.set(name, {"concurrency": slots})

    def put_small(turn: int) -> None:
        for name in names:
            user = {"user": f"u{turn % users}"} if users else {}
            world.put("a", f"s{turn}-{name}", {"throttles": [name]} | user)

    put_small(0)
    world.pop(["a"], "w", 20)
    world.put("a", "big", {"throttles": names})
    for turn, pick in enumerate(picks, start=1):
        put_small(turn)
        running = world.running()
        world.call("complete", *running[pick % len(running)], "", "", {})
        if "big" in world.pop(["a"], "w", 1 + pick % 3):
            break
    else:
        raise AssertionError(world.with_trace("the one that needs all never came"))
    world.look()
