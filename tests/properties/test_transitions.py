"""Every transition against the model, in whatever order.

`QLESS_PY_PROPERTY_EXAMPLES` asks for more examples than the few of everyday, and
`QLESS_PY_PROPERTY_SEED` for those of an earlier run. A failure prints that seed and its steps;
`QLESS_PY_PROPERTY_SHRINK=1` makes them fewer, which can take many minutes.
"""

import os
import random

import pytest
import redis as redis_py
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.properties.comparison import Bench
from tests.properties.machine import Machine

EXAMPLES = int(os.environ.get("QLESS_PY_PROPERTY_EXAMPLES", "30"))
STEPS = 40


def run(redis: redis_py.Redis, *, number: int | None) -> None:
    profile = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        derandomize=number is None,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )

    class Seeded(Machine):
        def __init__(self) -> None:
            super().__init__(Bench(redis))

    run_state_machine_as_test(Seeded if number is None else seed(number)(Seeded), settings=profile)


@pytest.mark.any_server
@pytest.mark.slow
@pytest.mark.timeout(600 + 2 * EXAMPLES)
def test_scripts_match_the_model_with_fixed_examples(redis: redis_py.Redis) -> None:
    run(redis, number=None)


@pytest.mark.slow
@pytest.mark.timeout(600 + 2 * EXAMPLES)
def test_scripts_match_the_model_with_random_examples(redis: redis_py.Redis) -> None:
    number = int(os.environ.get("QLESS_PY_PROPERTY_SEED", random.SystemRandom().getrandbits(32)))
    print(f"QLESS_PY_PROPERTY_SEED={number}")  # noqa: T201 - how to see it again
    run(redis, number=number)
