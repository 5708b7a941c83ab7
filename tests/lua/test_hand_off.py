"""hand_off: a running job stays with somebody else, under the lease of its worker."""

from __future__ import annotations

import pytest

from qless_py.errors import LostLeaseError
from tests.conftest import Clock
from tests.lua.conftest import Published
from tests.lua.steps import jids, job, ms, pop, put, state, take, whats
from tests.script_runner import Scripts


def test_a_job_that_is_handed_off_keeps_its_lease_for_the_given_time(
    call: Scripts, clock: Clock, published: Published
) -> None:
    put(call, "j", throttles=["t"])
    view = take(call)
    published()

    assert call("hand_off", "j", view["lease"], "target", 600_000) == ms(call) + 600_000

    assert published() == []
    found = job(call, "j")
    assert (found["state"], found["worker"], found["lease"]) == (
        "running",
        "target",
        view["lease"],
    )
    assert whats(call, "j") == ["put", "popped", "handed-off"]
    assert call("read/worker", "w", 0, 10, 100)["jobs"] == []
    assert call("read/worker", "target", 0, 10, 100)["jobs"] == ["j"]
    clock.advance(599)
    call("tick")
    assert call("complete", "j", view["lease"], "", '"done"', {}) is not None
    assert state(call, "j") == "complete"


def test_without_an_end_it_comes_back_and_the_old_lease_is_lost(
    call: Scripts, clock: Clock
) -> None:
    call("config_set", "grace-period", "0")
    put(call, "j", retries=1)
    view = take(call)
    call("hand_off", "j", view["lease"], "target", 5000)
    clock.advance(5.001)

    again = take(call)

    assert (again["jid"], again.get("left"), again.get("handed_off")) == ("j", 0, None)
    with pytest.raises(LostLeaseError):
        call("complete", "j", view["lease"], "", "", {})


def test_the_death_of_the_worker_does_not_concern_it(call: Scripts, clock: Clock) -> None:
    put(call, "j")
    put(call, "k")
    views = pop(call, 2)
    call("hand_off", "j", views[0]["lease"], "target", 600_000)

    report = call("worker_died", "w", views[0]["lease"].partition(".")[2], "", "killed")

    assert report["charged"] == ["k"]
    assert (state(call, "j"), jids(pop(call, 2, worker="v"))) == ("running", ["k"])
    clock.advance(300)
    call("tick")
    assert state(call, "j") == "running"


@pytest.mark.parametrize("verb", ["heartbeat", "heartbeat_many"])
def test_a_heartbeat_prolongs_its_time_and_never_shortens_it(
    call: Scripts, clock: Clock, verb: str
) -> None:
    put(call, "j")
    lease = take(call)["lease"]
    ends = call("hand_off", "j", lease, "target", 100_000)
    arguments = ("j", lease, "") if verb == "heartbeat" else ([["j", lease]],)

    assert call(verb, *arguments) in (ends, [ends])
    clock.advance(90)
    assert call(verb, *arguments) in (ms(call) + 60_000, [ms(call) + 60_000])
