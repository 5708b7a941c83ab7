"""The number of workers: enough, not too many, settled under a steady load, never zero too soon."""

from __future__ import annotations

import itertools
import json
import math
import random
from dataclasses import replace

import pytest

from qless_py import BadArgumentError, Client, StoreError, protocol
from qless_py.metrics.autoscale import Demand, Load, Target, arrival_rate, decide, demand
from tests.conftest import Clock

IDLE = Load(backlog=0, oldest=0.0, running=0, arrivals=0.0, run_time=None)


def desired(load: Load, current: int = 0, slots: int = 1, **target: float) -> int:
    return decide([load], current, slots, Target(**target)).desired  # type: ignore[arg-type]


def test_nothing_to_do_needs_nobody() -> None:
    assert desired(IDLE, current=7) == 0
    assert desired(IDLE, current=7, minimum=2) == 2


def test_one_waiting_job_needs_a_worker() -> None:
    assert desired(replace(IDLE, backlog=1)) == 1
    assert desired(replace(IDLE, backlog=1, run_time=0.001), slots=50) == 1


def test_throughput_alone_needs_workers() -> None:
    # Ten jobs a second of two seconds each keep 20 slots busy, of 80 %: 25.
    load = replace(IDLE, arrivals=10, run_time=2.0)

    assert desired(load) == 25
    assert desired(load, slots=10) == 3


def test_a_backlog_is_done_within_the_wait_that_is_accepted() -> None:
    load = replace(IDLE, backlog=600, run_time=2.0)

    assert desired(load, max_wait=60) == 20
    assert desired(load, max_wait=600) == 2


def test_the_longer_the_oldest_job_waits_the_more_workers_help_up_to_a_limit() -> None:
    load = replace(IDLE, backlog=600, run_time=2.0)

    ages = (0, 60, 120, 240, 86_400)
    assert [desired(replace(load, oldest=age)) for age in ages] == [20, 20, 40, 80, 80]


def test_busy_workers_are_never_scaled_to_zero() -> None:
    assert desired(replace(IDLE, running=1), current=5) == 1
    assert desired(replace(IDLE, running=17), current=5, slots=4) == 5
    assert desired(replace(IDLE, running=3, is_paused=True), current=3) == 3


def test_a_paused_queue_needs_nobody() -> None:
    assert desired(replace(IDLE, backlog=1000, arrivals=9, is_paused=True), current=4) == 0


def test_a_limit_of_the_queue_limits_its_workers() -> None:
    assert desired(replace(IDLE, backlog=10_000, run_time=5.0, limit=3)) == 3


def test_queues_are_added_up_and_capped() -> None:
    one = replace(IDLE, arrivals=4, run_time=1.0)

    assert decide([one, one], 0, 1, Target()).desired == 10
    assert decide([one, one], 0, 1, Target(maximum=6)).desired == 6


def test_a_small_drop_changes_nothing_and_a_large_one_does() -> None:
    load = replace(IDLE, run_time=1.0)

    assert desired(replace(load, arrivals=7.8), current=10) == 10
    assert desired(replace(load, arrivals=8.4), current=10) == 11
    assert desired(replace(load, arrivals=2.0), current=10) == 3


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("rate", "run_time"), [(5.0, 2.0), (0.5, 10.0), (40.0, 0.1)])
def test_a_steady_load_settles_and_does_not_flap(seed: int, rate: float, run_time: float) -> None:
    history = Simulation(seed, run_time).run(3600, lambda _: rate)

    ideal = rate * run_time / 0.8
    settled = history[600:]
    changes = sum(a != b for a, b in itertools.pairwise(settled))
    assert changes <= 10  # Of 200 decisions about random arrivals.
    assert all(math.floor(rate * run_time) <= number <= ideal * 2 + 3 for number in settled)


def test_a_burst_is_caught_up_with_and_then_forgotten() -> None:
    simulation = Simulation(1, 1.0)

    history = simulation.run(1800, lambda at: 20.0 if 300 <= at < 600 else 0.2)

    assert max(history[300:420]) >= 20
    assert simulation.waiting == 0
    assert history[-1] <= 2
    rises = sum(b > a for a, b in itertools.pairwise(history[700:]))
    assert rises <= 1  # It only goes down after the burst.


def test_without_jobs_it_goes_to_zero_and_comes_back() -> None:
    simulation = Simulation(2, 1.0)

    history = simulation.run(1500, lambda at: 2.0 if at < 300 or at >= 1200 else 0.0)

    assert history[1100] == 0
    assert history[-1] >= 2


class Simulation:
    """A queue and workers of one slot, second by second; workers take 20 s to start."""

    def __init__(self, seed: int, run_time: float) -> None:
        self.random = random.Random(seed)
        self.run_time = run_time
        self.waiting = 0

    def run(self, seconds: int, rate: object) -> list[int]:
        """Return the number that is wanted, for each second."""
        arrived: list[int] = []
        ready_at: list[int] = []
        history: list[int] = []
        wanted, work, since = 0, 0.0, 0
        for now in range(seconds):
            number = self._arrivals(rate(now))  # type: ignore[operator]
            arrived.append(number)
            since = now if not self.waiting else since
            self.waiting += number
            up = sum(at <= now for at in ready_at)
            work = min(work + up, self.waiting * self.run_time + up)
            done = min(int(work / self.run_time), self.waiting)
            work -= done * self.run_time
            self.waiting -= done
            if done:
                since = max(since, now - int(self.waiting / max(up, 1) * self.run_time))
            if now % 15 == 0:
                wanted = self._decide(arrived, now - since, up, len(ready_at)).desired
                ready_at = sorted(ready_at)[:wanted]
                ready_at += [now + 20] * (wanted - len(ready_at))
            history.append(wanted)
        return history

    def _arrivals(self, rate: float) -> int:
        number, product = 0, self.random.random()
        while product > math.exp(-rate):
            number, product = number + 1, product * self.random.random()
        return number

    def _decide(self, arrived: list[int], oldest: float, up: int, current: int) -> Demand:
        long, short = arrived[-330:], arrived[-90:]
        arrivals = arrival_rate((sum(long), 330), (sum(short), 90))
        running = min(up, self.waiting)
        age = oldest if self.waiting else 0.0
        load = Load(self.waiting, age, running, arrivals, self.run_time)
        return decide([load], current, 1, Target())


def beat(client: Client, name: str, **info: object) -> None:
    found = {"host": "h", "slots": 2, "busy": 0, "state": "running", "queues": ["mail"], **info}
    client.run(protocol.workers.beat(name, json.dumps(found).encode()))


def test_the_store_says_how_many_are_needed(client: Client, clock: Clock) -> None:
    clock.now = clock.now // 60 * 60 + 30
    for child in range(2):
        beat(client, f"h-1-{child}", parent=1)
    beat(client, "h-2-0", parent=2)
    beat(client, "h-3-0", parent=3, queues=["other"])
    for number in range(180):
        client.queues["mail"].put("app.Send", {}, jid=f"j{number}")
    for job in client.queues["mail"].pop(60, worker="h-1-0"):
        clock.advance(0.1)
        job.complete()

    found = demand(client, ["mail"])

    # 180 jobs in 96 s, of which so many are no chance; 60 took 3.05 s each and 120 are waiting.
    arrivals = (180 - 2 * math.sqrt(180)) / 96
    assert (found.backlog, found.running, found.current) == (120, 0, 2)
    assert found.arrivals == pytest.approx(arrivals)
    assert found.run_time == pytest.approx(3.05)
    assert found.slots_per_worker == 4
    assert found.desired == math.ceil((arrivals * 3.05 + 120 * 3.05 / 60) / 4)
    assert "120 waiting" in found.reason


def test_patterns_choose_queues(client: Client) -> None:
    for name in ("mail-a", "mail-b", "other"):
        client.queues[name].put("app.Send", {})

    assert demand(client, ["mail-*"]).backlog == 2
    assert demand(client).backlog == 3
    assert demand(client, ["*", "!other"]).backlog == 2


@pytest.mark.parametrize(("passed", "workers"), [(59, 0), (61, 1)])
def test_a_tick_that_is_overdue_needs_a_worker(
    client: Client, clock: Clock, passed: int, workers: int
) -> None:
    client.queues["mail"].recur("app.Send", {}, interval=60, offset=60)
    clock.advance(passed)

    assert demand(client).desired == workers


def test_no_number_is_given_for_a_store_that_is_away(dead_client: Client) -> None:
    with pytest.raises(StoreError, match="the store cannot be read"):
        demand(dead_client)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_wait": 0}, "max_wait must be from 1 to 604800, not 0"),
        ({"slots": 0}, "slots must be from 1 to 100000, not 0"),
        ({"minimum": -1}, "minimum must be"),
        ({"minimum": 5, "maximum": 4}, "minimum 5 is more than maximum 4"),
        ({"utilization": 2}, "utilization must be from 0.1 to 1, not 2"),
        ({"max_wait": float("nan")}, "max_wait must be"),
    ],
)
def test_targets_that_make_no_sense_are_named(given: dict[str, float], message: str) -> None:
    with pytest.raises(BadArgumentError, match=message):
        Target(**given)  # type: ignore[arg-type]
