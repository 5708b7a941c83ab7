"""The checker stays silent about anything that the transitions themselves leave behind."""

from tests import invariants
from tests.conftest import Clock
from tests.scripts import Scripts


def leases(reply: dict) -> list[tuple[str, str]]:
    return [(job["jid"], job["lease"]) for job in reply["jobs"]]


def test_nothing_is_found_while_jobs_pass_through_every_state(call: Scripts, clock: Clock) -> None:
    for i in range(8):
        call("put", "first", f"a{i}", "K", "{}", {"priority": i % 3, "tags": ["x", f"t{i}"]})
    call("put", "first", "late", "K", "{}", {"delay": 5000})
    call("put", "first", "child", "K", "x" * 3000, {"depends": ["a0", "late"]})
    call("put", "second", "runs", "K", "{}", {"depends": ["a1"], "on_parent_failed": "run"})
    invariants.assert_sound(call.redis)

    reply = call("pop", ["first", "second"], "w", 6, {"nonce": "n"})
    print(reply)
    invariants.assert_sound(call.redis)
