"""Looks for seeded faults in the scripts; to be run as a program of its own.

It is given a server and the numbers of faults, and prints one line of JSON for each: its number
and what found it, or null. First the scenario that the fault names is run, if it names one, then a
few examples of the state machine, then all scenarios.
"""

import contextlib
import json
import shutil
import sys
import tempfile
from pathlib import Path

import redis as redis_py
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from qless_py import package
from qless_py.scripts import assemble
from qless_py.scripts.assemble import Library
from tests import servers
from tests.properties import faults
from tests.properties.admission import faults as admission_faults
from tests.properties.admission import scenarios as admission_scenarios
from tests.properties.admission.judge import World
from tests.properties.admission.machine import Admission
from tests.properties.comparison import Bench, BreakdownError
from tests.properties.faults import Fault
from tests.properties.machine import Machine
from tests.properties.scenarios import SCENARIOS, play
from tests.script_runner import Scripts

EXAMPLES = 5
STEPS = 40
FAULTS = [*faults.FAULTS, *admission_faults.FAULTS]


def plant(fault: Fault, folder: Path) -> None:
    """Copy the scripts and spoil the copy; a text that is not there once is an error."""
    shutil.copytree(package.path("lua"), folder, dirs_exist_ok=True)
    file = folder / fault.file
    text = file.read_text()
    if text.count(fault.right) != 1:
        found = text.count(fault.right)
        raise ValueError(f"{fault.file} holds {fault.right!r} {found} times, not once")
    file.write_text(text.replace(fault.right, fault.wrong))


def find(
    redis: redis_py.Redis, library: Library, first: str = "", examples: int = EXAMPLES
) -> str | None:
    """Return what the first scenario or example that detects the fault has found.

    The scenario named `first` runs before all others: random steps seldom detect its fault.
    """
    try:
        if first:
            _play(redis, library, first)
        if examples:
            _run_machine(redis, library, examples)
        for scenario in SCENARIOS:
            _play(redis, library, scenario)
    except BreakdownError:
        raise
    except AssertionError as found:
        return str(found).splitlines()[0][:200]
    return None


def _play(redis: redis_py.Redis, library: Library, scenario: str) -> None:
    bench = Bench(redis, Scripts(redis, lambda: 0, library=library))
    with contextlib.closing(bench):
        play(bench, SCENARIOS[scenario])


def find_in_admission(redis: redis_py.Redis, library: Library, first: str) -> str | None:
    """Return the same for a fault of the admission; its scenarios are quick, so they run first."""
    call = Scripts(redis, lambda: 0, library=library)

    class Spoiled(Admission):
        def __init__(self) -> None:
            super().__init__(World(redis, call))

    try:
        for scenario in sorted(admission_scenarios.SCENARIOS, key=lambda name: name != first):
            admission_scenarios.play(World(redis, call), admission_scenarios.SCENARIOS[scenario])
        _run(Spoiled, EXAMPLES)
    except BreakdownError:
        raise
    except AssertionError as found:
        return str(found).splitlines()[0][:200]
    return None


def _run_machine(redis: redis_py.Redis, library: Library, examples: int) -> None:
    class Spoiled(Machine):
        def __init__(self) -> None:
            super().__init__(Bench(redis, Scripts(redis, lambda: 0, library=library)))

    _run(Spoiled, examples)


def _run(machine: type[RuleBasedStateMachine], examples: int) -> None:
    profile = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=profile)


def main(server: str, *numbers: str) -> None:
    with servers.running(server) as running, running.connect() as redis:
        for number in numbers:
            with tempfile.TemporaryDirectory() as folder:
                fault = FAULTS[int(number)]
                plant(fault, Path(folder))
                library = assemble.assemble(Path(folder))
                redis.function_flush()
                finder = find if fault in faults.FAULTS else find_in_admission
                found = finder(redis, library, fault.scenario)
                sys.stdout.write(json.dumps([int(number), found]) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
