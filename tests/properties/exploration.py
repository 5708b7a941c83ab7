"""Random transitions under tiny bounds, then the removal of every obstacle: all jobs must end.

`bin/explore` runs this for as long as it is told to, with the state machine of admission in turn.
"""

import argparse
import contextlib
import random
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import redis as redis_py
from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis.stateful import run_state_machine_as_test

from qless_py.errors import QlessError
from tests import invariants, servers
from tests.conftest import Clock
from tests.properties import tiny_limits
from tests.properties.admission.judge import World
from tests.properties.admission.machine import Admission
from tests.properties.fleet import Fleet
from tests.random_transitions import JIDS, QUEUES, THROTTLES, Mixture
from tests.script_runner import Scripts

STEPS = 200
LOOKS = 10
"""Steps between two checks of the keyspace."""
ROUNDS = 300
SETTINGS = ("concurrency", "rate", "per", "burst")
READY = ("waiting", "stalled", "throttled")
ENDED = ("complete", "failed")
MACHINE = settings(
    max_examples=5,
    stateful_step_count=40,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
View = dict[str, Any]


class Recorded(Scripts):
    """Runs scripts and keeps a list of the calls that write."""

    trace: list[str]

    def __call__(
        self, name: str, *args: Any, now: float | str | None = None, request: str = ""
    ) -> Any:
        if name.startswith("read/"):
            return super().__call__(name, *args, now=now, request=request)
        self.trace.append(f"{self.clock() - Clock().now:>9.3f} {name}{args}")
        try:
            reply = super().__call__(name, *args, now=now, request=request)
        except QlessError as error:
            self.trace.append(f"{'':>9} {error!r}"[:200])
            raise
        self.trace.append(f"{'':>9} {str(reply)[:200]}")
        return reply


def mix(redis: redis_py.Redis, seed: int, steps: int = STEPS) -> None:
    """Run random transitions, check the keyspace every few of them, and finish all jobs."""
    redis.flushall()
    clock = Clock()
    call = Recorded(redis, clock, library=tiny_limits.library())
    call.trace = []
    try:
        mixture = Mixture(call, clock, seed)
        mixture.shares = mixture.random.choice([0.3, 0.9])
        for number in range(steps):
            mixture.step()
            if number % LOOKS == 0:
                invariants.assert_sound(redis)
        invariants.assert_sound(redis)
        finish(call, clock, mixture.random)
        invariants.assert_sound(redis)
    except (AssertionError, QlessError) as wrong:
        message = f"seed {seed}: {wrong}\nafter\n" + "\n".join(call.trace)
        raise AssertionError(message) from wrong


def finish(call: Scripts, clock: Clock, rng: random.Random) -> None:
    """Remove the obstacles one by one while workers sleep; only wake-ups may make them pop."""
    fleet = Fleet(call, clock, rng, QUEUES)
    for jid in ("r1", "r2"):
        _attempt(call, "recur_cancel", jid)
    fleet.rest()
    events, last = [*_obstacles(call, rng), *_events(call, rng)], list(_obstacles(call, rng))
    rng.shuffle(events)
    rng.shuffle(last)
    for happen in (*events, *last):
        happen()
        fleet.rest()
        _assert_nothing_missed(call, fleet)
        fleet.complete(rng.choice([0, 1, 9]))
        fleet.rest()
    for _ in range(ROUNDS):
        while fleet.held:
            fleet.complete(9)
            fleet.rest()
        left = {jid: job for jid, job in _views(call).items() if job["state"] not in ENDED}
        if not any(job["state"] == "running" for job in left.values()):
            _assert_none_ready(left)
        if not _end_failed(call, rng) and not left:
            return
        fleet.rest()
        if not fleet.held and fleet.wakes_at > clock():
            assert fleet.wakes_at < clock() + 1e9, _shown("nothing is due, and jobs are left", left)
            clock.now = fleet.wakes_at
            fleet.rest()
    raise AssertionError(_shown("jobs never end", left))


Event = Callable[[], Any]


def _obstacles(call: Scripts, rng: random.Random) -> Iterator[Event]:
    """Yield what removes each obstacle."""
    for queue in QUEUES:
        yield partial(call, "unpause", [queue])
    for user in ("u", "v"):
        yield partial(call, "user_unset", user)
    for throttle in (*THROTTLES, *(f"queue:{queue}" for queue in QUEUES), "user:u", "user:v"):
        yield partial(call, "throttle_block", throttle, 0)
        if rng.random() < 0.5:
            yield partial(call, "throttle_delete", throttle)
        else:
            yield partial(call, "throttle_set", throttle, {"concurrency": rng.choice([1, 2, 100])})


def _events(call: Scripts, rng: random.Random) -> Iterator[Event]:
    """Yield what else may happen meanwhile, and lets some jobs run or holds others back."""
    for queue in QUEUES:
        yield partial(call, "pause", [queue], {})
    for throttle in THROTTLES:
        yield partial(call, "throttle_release", throttle, rng.sample(JIDS, 6))
        yield partial(call, "throttle_set", throttle, {"rate": 1, "per": 30_000, "burst": 3})
        yield partial(call, "throttle_set", throttle, {"concurrency": rng.choice([1, 2])})
    yield partial(call, "user_set", "u", {"max_running": 1})
    for jid in rng.sample(JIDS, 3):
        yield partial(_attempt, call, "cancel", [jid], "")


def _attempt(call: Scripts, name: str, *args: Any) -> None:
    with contextlib.suppress(QlessError):
        call(name, *args)


def _assert_nothing_missed(call: Scripts, fleet: Fleet) -> None:
    """Have everything that is parked considered again while all workers sleep: none may run.

    A reservation is left out: the job that it is for may give it up when it is considered.
    """
    throttles = call("read/throttles", "", 100)["throttles"]
    if any("reserved" in throttle and not _is_paused(call, throttle) for throttle in throttles):
        return
    held = list(fleet.held)
    for throttle in throttles:
        limits = {name: throttle[name] for name in SETTINGS if name in throttle}
        if limits:
            call("throttle_set", throttle["throttle"], limits)
    fleet.rest()
    assert fleet.held == held, f"nobody was woken for {fleet.held[len(held) :]}"


def _is_paused(call: Scripts, throttle: View) -> bool:
    view = call("read/job", throttle["reserved"]["jid"])
    return bool(view and call("read/counts", view["queue"])["paused"])


def _views(call: Scripts) -> dict[str, View]:
    found = call.redis.scan_iter(match=b"{ql}:job:*", count=1000)
    jids = sorted(key.decode().removeprefix("{ql}:job:") for key in found)
    views: dict[str, View] = {}
    for at in range(0, len(jids), 100):
        views |= {view["jid"]: view for view in call("read/jobs", jids[at : at + 100]) if view}
    return views


def _end_failed(call: Scripts, rng: random.Random) -> bool:
    """Run failed jobs again, or finish them by force; returns whether there were any."""
    failed = [view for view in _views(call).values() if view["state"] == "failed"]
    for view in failed:
        if rng.random() < 0.3:
            call("requeue", view["queue"], view["jid"], "", "", {})
        else:
            call("force_finish", view["jid"], "")
    return bool(failed)


def _assert_none_ready(left: dict[str, View]) -> None:
    ready = {jid: job for jid, job in left.items() if job["state"] in READY}
    assert not ready, _shown("all workers sleep, no job runs, and jobs are ready", ready)


def _shown(what: str, jobs: dict[str, View]) -> str:
    fields = ("state", "queue", "user", "throttles", "gate", "passed")
    shown = [
        f"{jid}: {' '.join(f'{name}={job[name]}' for name in fields if name in job)}"
        for jid, job in jobs.items()
    ]
    return f"{what}: {'; '.join(shown)}"


def admit(redis: redis_py.Redis, seed: int) -> None:
    """Run the state machine of admission on scripts with tiny bounds."""

    class Tiny(Admission):
        def __init__(self) -> None:
            call = Scripts(redis, lambda: 0, library=tiny_limits.library())
            super().__init__(World(redis, call, settling=500))

    run_state_machine_as_test(seeded(seed)(Tiny), settings=MACHINE)


def main(arguments: list[str]) -> int:
    """Explore until the time is over; a failure prints its seed and calls, and ends the run."""
    parser = argparse.ArgumentParser(prog="bin/explore", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="time to run (default: 60)")
    parser.add_argument("--seed", type=int, help="the first seed (default: drawn)")
    parser.add_argument("--runs", type=int, help="end after this many seeds")
    parser.add_argument("--server", default="valkey", choices=["valkey", "redis"])
    given = parser.parse_args(arguments)
    first = random.SystemRandom().getrandbits(31) if given.seed is None else given.seed
    ends_at, seed = time.monotonic() + given.seconds, first
    with servers.running(given.server) as server, server.connect() as redis:
        while time.monotonic() < ends_at and seed - first < (given.runs or 2**31):
            for run in (mix, admit):
                try:
                    run(redis, seed)
                except (AssertionError, QlessError) as wrong:
                    sys.stdout.write(f"{wrong}\nrun again: bin/explore --seed {seed} --runs 1\n")
                    return 1
            seed += 1
    sys.stdout.write(f"{seed - first} seeds from {first} on: nothing found\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
