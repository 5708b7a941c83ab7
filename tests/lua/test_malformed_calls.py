"""Malformed calls get a named error and change nothing in the store."""

from collections.abc import Iterable

import pytest

from qless_py.scripts import assemble
from qless_py.errors import BY_CODE, QlessError
from tests.lua import malformed_calls
from tests.population import lease_of, populate
from tests.script_runner import Scripts

RAW = ("user_function", "attempt to", "bad argument", "stack traceback", "too many results")


@pytest.fixture
def populated(call: Scripts) -> Scripts:
    """Run scripts in a namespace with jobs in every state and a limit on the size of data."""
    populate(call)
    call("config_set", "max-data-size", str(malformed_calls.LIMIT))
    return call


def digest(call: Scripts) -> object:
    """Sum up every key with its value and whether it expires."""
    return call.redis.execute_command("DEBUG", "DIGEST")


def fault(call: Scripts, script: str, args: list[object]) -> str:
    """Make a call that must be refused; return what is wrong with the reply, if anything."""
    try:
        reply = call.send(script, *map(malformed_calls.sendable, args))
    except QlessError as error:
        text = str(error)
        if any(raw in text for raw in RAW):
            return f"an error of the script itself: {text}"
        return "" if type(error) in BY_CODE.values() else f"an error without a name: {text}"
    return f"accepted, with {reply!r}"


def faults(call: Scripts, calls: Iterable[malformed_calls.Call]) -> list[str]:
    """Make all calls; list those that were answered wrongly or that changed anything."""
    found = []
    before = digest(call)
    for script, args in calls:
        wrong = fault(call, script, args)
        if (after := digest(call)) != before:
            wrong, before = f"changed the store ({wrong})", after
        if wrong:
            found.append(f"{script}{args!r}"[:300] + f": {wrong}")
    return found


def test_every_script_has_its_malformed_calls() -> None:
    assert {name for name, _, _ in malformed_calls.templates("1.n")} == set(assemble.names())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_malformed_call_is_rejected_by_name_and_changes_nothing(populated: Scripts) -> None:
    now = str(round(populated.clock() * 1000))
    calls = list(malformed_calls.calls(lease_of(populated, "runs"), now))

    found = faults(populated, calls)

    assert len(calls) > 3000
    assert not found, "\n".join(found)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_call_with_many_faults_is_rejected_as_well(populated: Scripts) -> None:
    now = str(round(populated.clock() * 1000))
    calls = list(malformed_calls.tangles(lease_of(populated, "runs"), now, 3000))

    found = faults(populated, calls)

    assert not found, "\n".join(found)
