"""put_many does what the same puts do one after the other, or refuses what one of them refuses."""

from __future__ import annotations

import random
from typing import Any

import msgpack
import pytest
import redis as redis_py

from qless_py.errors import QlessError
from tests.conftest import Clock
from tests.lua.steps import complete, fail, pop
from tests.script_runner import Scripts

pytestmark = pytest.mark.any_server

JIDS = [f"j{number}" for number in range(6)]
# What depends on the number of calls.
LEFT_OUT = {"order", "history", "generation", "lease", "popped_at", "put_at", "expires_at"}


def _spec(draw: random.Random, jid: str) -> dict[str, Any]:
    spec: dict[str, Any] = {"jid": jid, "klass": "K"}
    chosen = {
        "unique": {"key": draw.choice("kl"), "scope": draw.choice(["queued", "running"])},
        "batch": draw.choice("bc"),
        "on_conflict": draw.choice(["ignore", "raise", "revive"]),
        "depends": [draw.choice(JIDS)],
        "delay": 1000,
        "tags": [draw.choice("xy")],
    }
    spec |= {
        name: value
        for name, value in chosen.items()
        if draw.random() < (0.6 if name == "unique" else 0.2)
    }
    if "unique" in spec and draw.random() < 0.7:
        spec["unique_conflict"] = draw.choice(["replace", "replace", "ignore", "raise"])
    return spec


def _put(call: Scripts, spec: dict[str, Any], data: str) -> Any:
    options = {name: value for name, value in spec.items() if name not in ("jid", "klass")}
    return call("put", "q", spec["jid"], spec["klass"], data, options)


def _populate(call: Scripts, draw: random.Random) -> None:
    """Put some jobs, and let some of them run and end."""
    for name in "bc":
        call("batch_open", name, {})
    for _ in range(4):
        spec, step = _spec(draw, draw.choice(JIDS)), draw.random()
        try:
            _put(call, spec, "old")
        except QlessError:
            continue
        for view in pop(call) if step < 0.5 else []:
            if step < 0.2:
                complete(call, view, "result")
            elif step < 0.35:
                fail(call, view)
    if draw.random() < 0.15:
        call("batch_close", "b", "")


def _state(call: Scripts) -> dict[str, Any]:
    found: dict[str, Any] = {name: call("read/batch", name) for name in "bc"}
    for jid, view in zip(JIDS, call("read/jobs", JIDS), strict=True):
        found[jid] = view and {name: view[name] for name in view if name not in LEFT_OUT}
    for key in "kl":
        packed: Any = call.redis.get(f"{{{call.namespace}}}:unique:{key}")
        found[key] = packed and msgpack.unpackb(packed)["jid"]
    return found


@pytest.mark.parametrize("seed", range(0, 80, 20))
def test_put_many_does_what_single_puts_do(redis: redis_py.Redis, clock: Clock, seed: int) -> None:
    for each in range(seed, seed + 20):
        together, one_by_one = (Scripts(redis, clock, f"{name}{each}") for name in ("many", "one"))
        for call in (together, one_by_one):
            _populate(call, random.Random(each))
        draw = random.Random(f"specs {each}")
        specs = [_spec(draw, jid) for jid in draw.sample(JIDS, draw.randint(2, 4))]
        answers: list[Any] = []
        refusals: list[type[QlessError] | None] = [None, None]

        try:
            replies = together("put_many", "q", specs, *map(str, range(len(specs))))
        except QlessError as error:
            refusals[0] = type(error)
        try:
            for at, spec in enumerate(specs):
                answers.append(_put(one_by_one, spec, str(at)))
        except QlessError as error:
            refusals[1] = type(error)

        assert refusals[0] == refusals[1], (each, specs)
        if refusals == [None, None]:
            assert replies == answers, (each, specs)
            assert _state(together) == _state(one_by_one), (each, specs)
