"""Who may run: limits are never exceeded, nothing that may run is left, and nobody starves.

`QLESS_PY_PROPERTY_EXAMPLES` and `QLESS_PY_PROPERTY_SEED` ask for more examples and for those of
an earlier run, as with the other state machine.
"""

import os
import random

import pytest
import redis as redis_py
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from tests.properties.admission import fairness_trials
from tests.properties.admission.judge import World
from tests.properties.admission.machine import Admission

EXAMPLES = int(os.environ.get("QLESS_PY_PROPERTY_EXAMPLES", "16"))
STEPS = 40
QUIET = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
FEW = settings(QUIET, max_examples=max(EXAMPLES // 2, 1), derandomize=True)


def run(redis: redis_py.Redis, *, number: int | None) -> None:
    class Seeded(Admission):
        def __init__(self) -> None:
            super().__init__(World(redis))

    profile = settings(QUIET, derandomize=number is None)
    run_state_machine_as_test(Seeded if number is None else seed(number)(Seeded), settings=profile)


@pytest.mark.any_server
@pytest.mark.slow
@pytest.mark.timeout(600 + 2 * EXAMPLES)
def test_limits_hold_and_no_runnable_job_is_left_with_fixed_examples(
    redis: redis_py.Redis,
) -> None:
    run(redis, number=None)


@pytest.mark.slow
@pytest.mark.timeout(600 + 2 * EXAMPLES)
def test_limits_hold_and_no_runnable_job_is_left_with_random_examples(
    redis: redis_py.Redis,
) -> None:
    number = int(os.environ.get("QLESS_PY_PROPERTY_SEED", random.SystemRandom().getrandbits(32)))
    print(f"QLESS_PY_PROPERTY_SEED={number}")  # noqa: T201 - how to see it again
    run(redis, number=number)


weight = st.sampled_from([0.5, 1, 1, 2, 3, 7.5])


@FEW
@given(
    weights=st.lists(weight, min_size=2, max_size=6),
    arrivals=st.lists(st.tuples(st.integers(0, 6), st.integers(1, 12)), min_size=4, max_size=16),
    counts=st.lists(st.integers(1, 7), min_size=1, max_size=12),
)
def test_waiting_users_share_the_queue_by_weight(
    redis: redis_py.Redis,
    weights: list[float],
    arrivals: list[tuple[int, int]],
    counts: list[int],
) -> None:
    fairness_trials.share(World(redis), weights, arrivals, counts)


@FEW
@given(
    throttles=st.integers(2, 4),
    slots=st.integers(1, 2),
    users=st.sampled_from([0, 1, 3]),
    picks=st.lists(st.integers(0, 20), min_size=60, max_size=60),
)
def test_a_job_with_several_throttles_is_not_starved_by_jobs_with_one(
    redis: redis_py.Redis, throttles: int, slots: int, users: int, picks: list[int]
) -> None:
    fairness_trials.contend(World(redis), throttles, slots, users, picks)
