"""A few seeds of what `bin/explore` does for as long as it is told to.

A failure prints its seed and calls; `bin/explore --seed N --runs 1` runs it again.
"""

import random

import pytest
import redis as redis_py

from tests.properties import exploration

# What is random are the scripts' inputs; a server runs one script at a time, whatever its name.
pytestmark = pytest.mark.any_server


@pytest.mark.parametrize("seed", [1, 2, 40073])
def test_all_jobs_run_once_nothing_holds_them_back(redis: redis_py.Redis, seed: int) -> None:
    exploration.mix(redis, seed)


@pytest.mark.timeout(30)
def test_all_jobs_run_once_nothing_holds_them_back_with_a_random_seed(
    redis: redis_py.Redis,
) -> None:
    seed = random.SystemRandom().getrandbits(31)
    print(f"bin/explore --seed {seed} --runs 1")  # noqa: T201 - how to see it again
    exploration.mix(redis, seed)


@pytest.mark.slow
def test_limits_hold_and_no_runnable_job_is_left_under_tiny_bounds(redis: redis_py.Redis) -> None:
    exploration.admit(redis, 1)


def test_an_unknown_option_is_rejected(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        exploration.main(["--secods", "1"])

    assert "unrecognized arguments: --secods" in capsys.readouterr().err


def test_a_run_names_its_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert exploration.main(["--seconds", "0", "--seed", "5"]) == 0

    assert capsys.readouterr().out == "0 seeds from 5 on: nothing found\n"
