"""Exactly one child per tick, with any pops, dead workers and requests sent twice."""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from typing import Any

import pytest
import redis as redis_py
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qless_py import Cron
from qless_py.protocol.recurring import answer
from qless_py.protocol.settings import TickRequest
from tests import invariants
from tests.script_runner import Scripts

START = 1_700_000_000_000
CRON = Cron("*/2 * * * *", "Europe/Berlin")
STEP = 120_000
POPPERS = 4


class Fleet:
    """Some workers at one cron job, and what each of them was asked last."""

    def __init__(self, redis: redis_py.Redis, misfire: str) -> None:
        redis.flushall()
        self.now = self.latest = START
        self.redis = redis
        self.call = Scripts(redis, lambda: self.now / 1000)
        self.asked: list[list[Any]] = [[] for _ in range(POPPERS)]
        self.sent: list[tuple[str, tuple[Any, ...]] | None] = [None] * POPPERS
        self.sequence = 0
        self.slots: dict[str, int] = {}
        self.passed: list[tuple[int, int]] = []
        self.paused_at: int | None = None
        self.misfire = misfire
        self.call("config_set", "heartbeat", "31000000")
        self.declare()

    def ticks(self, after: int, until: int) -> list[int]:
        return [
            1000 * at for at in takewhile(lambda at: 1000 * at <= until, CRON.after(after / 1000))
        ]

    def declare(self) -> None:
        ticks = self.ticks(self.now, self.now + 60 * STEP)
        self.call("recur", "q", "c", "K", "{}", 0, 0, {
            "cron": CRON.expression, "zone": CRON.zone, "zone_version": "2020a",
            "misfire": self.misfire, "after": self.now, "ticks": ticks, "upsert": True,
        })  # fmt: skip
        self.seen()

    def seen(self) -> int:
        """Return the latest time that the store has seen, the present one included."""
        self.latest = max(self.latest, self.now)
        return self.latest

    def advance(self, seconds: int) -> None:
        self.now += 1000 * seconds

    def set_back(self, seconds: int) -> None:
        self.now = max(self.now - 1000 * seconds, START)

    def pop(self, worker: int, count: int) -> None:
        self.sequence += 1
        self.sent[worker] = (f"w{worker}:{self.sequence}:0", (["q"], f"w{worker}", count, {}))
        self.resend(worker)

    def resend(self, worker: int) -> None:
        """Send the last pop of a worker, for the first time or again."""
        sent = self.sent[worker]
        if sent is None:
            return
        request, arguments = sent
        reply = self.call("pop", *arguments, request=request)
        self.seen()
        self.asked[worker] += reply.get("refill", [])
        for view in reply["jobs"]:
            assert self.slots.setdefault(view["jid"], view["put_at"]) == view["put_at"]

    def answer(self, worker: int, version: str = "9999z") -> None:
        """Answer a request to a worker, however old: more ticks, or all of them again."""
        for one in self.asked[worker]:
            fields = {"start": None, "end": None, "final": False, **one, "zone_version": version}
            call = answer(TickRequest(**fields))
            self.call("recur_refill", *call.args)
            self.seen()

    def die(self, worker: int) -> None:
        self.asked[worker], self.sent[worker] = [], None

    def pause(self) -> None:
        if self.paused_at is None:
            self.call("recur_update", "c", "", {"paused": True})
            self.seen()
            self.paused_at = self.call("read/job", "c")["covered"]

    def resume(self) -> None:
        if self.paused_at is not None:
            self.call("recur_update", "c", "", {"paused": False})
            # What was due and not yet made when the pause began is let pass as well.
            self.passed.append((self.paused_at, self.seen()))
            self.paused_at = None

    def settle(self) -> None:
        """Run calls until nothing is left to do at this time."""
        self.resume()
        for _ in range(60):
            self.now = max(self.now, self.latest) + 11_000
            self.pop(0, 100)
            self.answer(0)
            self.asked[0] = []


_POP = st.tuples(st.integers(0, POPPERS - 1), st.integers(1, 100)).map(
    lambda pair: lambda fleet: fleet.pop(*pair)
)
STEPS: list[st.SearchStrategy[Callable[[Fleet], None]]] = [
    st.integers(1, 1200).map(lambda n: lambda fleet: fleet.advance(n)),
    st.integers(1200, 60_000).map(lambda n: lambda fleet: fleet.advance(n)),
    st.sampled_from([5, 50, 500, 20_000]).map(lambda n: lambda fleet: fleet.set_back(n)),
    _POP,
    _POP,
    st.integers(0, POPPERS - 1).map(lambda n: lambda fleet: fleet.resend(n)),
    st.tuples(st.integers(0, POPPERS - 1), st.sampled_from(["", "9999z"])).map(
        lambda pair: lambda fleet: fleet.answer(*pair)
    ),
    st.integers(0, POPPERS - 1).map(lambda n: lambda fleet: fleet.die(n)),
    st.just(lambda fleet: fleet.pause()),
    st.just(lambda fleet: fleet.resume()),
    st.just(lambda fleet: fleet.declare()),
]


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    steps=st.lists(st.one_of(STEPS), min_size=20, max_size=50),
    misfire=st.sampled_from(["all", "one"]),
)
def test_every_tick_has_exactly_one_child(
    redis: redis_py.Redis, steps: list[Callable[[Fleet], None]], misfire: str
) -> None:
    fleet = Fleet(redis, misfire)

    for step in steps:
        step(fleet)
    fleet.settle()

    made = sorted(fleet.slots.values())
    due = set(fleet.ticks(START, fleet.latest))
    assert len(made) == len(set(made)), "a tick has two children"
    assert set(made) <= due
    if misfire == "all":
        let_pass = {tick for start, end in fleet.passed for tick in due if start < tick <= end}
        assert due - set(made) <= let_pass
    assert fleet.call("read/job", "c")["count"] == len(made)
    assert invariants.findings(redis) == []
