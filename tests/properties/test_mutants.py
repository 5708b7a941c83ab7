"""The state machine finds the faults that are seeded into the scripts."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path

import pytest
import redis as redis_py

from tests.properties.admission import scenarios as admission_scenarios
from tests.properties.admission.judge import World
from tests.properties.comparison import Bench
from tests.properties.faults import Fault
from tests.properties.mutants import FAULTS, plant
from tests.properties.scenarios import SCENARIOS, play

ABREAST = 2

# What the faults show is the worth of the model, not of a server.
pytestmark = pytest.mark.any_server


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_scenario_finds_a_fault_in_the_correct_scripts(
    redis: redis_py.Redis, scenario: str
) -> None:
    bench = Bench(redis)

    play(bench, SCENARIOS[scenario])

    bench.close()


@pytest.mark.parametrize("scenario", admission_scenarios.SCENARIOS)
def test_no_admission_scenario_finds_a_fault_in_the_correct_scripts(
    redis: redis_py.Redis, scenario: str
) -> None:
    admission_scenarios.play(World(redis), admission_scenarios.SCENARIOS[scenario])


def test_a_fault_that_cannot_be_planted_is_an_error(tmp_path: Path) -> None:
    fault = Fault("not there", "pop.lua", "no such text", "")

    with pytest.raises(ValueError, match="0 times"):
        plant(fault, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_seeded_fault_is_found(server_name: str) -> None:
    with ThreadPoolExecutor(ABREAST) as pool:
        shares = [range(at, len(FAULTS), ABREAST) for at in range(ABREAST)]
        found = dict(chain.from_iterable(pool.map(partial(_look, server_name), shares)))

    missed = [fault.name for number, fault in enumerate(FAULTS) if found[number] is None]
    assert missed == []


def _look(server: str, numbers: range) -> list[tuple[int, str | None]]:
    """Search some of the faults in a process of its own."""
    command = [sys.executable, "-m", "tests.properties.mutants", server, *map(str, numbers)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]
