"""A request that is sent twice gets the first reply and has one effect."""

from __future__ import annotations

from typing import Any

import pytest

from qless_py.scripts import assemble
from qless_py.errors import (
    AlreadyExistsError,
    BadArgumentError,
    IdempotencyKeyError,
    LostLeaseError,
    StaleRequestError,
)
from tests.conftest import Clock
from tests.lua.conftest import Published
from tests.lua.good_calls import good_calls
from tests.lua.steps import counts, jids, ms, pop, put, take
from tests.population import populate
from tests.script_runner import Scripts

TRANSITIONS = [name for name in assemble.names() if not name.startswith("read/")]
every_transition = pytest.mark.parametrize("name", TRANSITIONS)


@pytest.fixture
def populated(call: Scripts) -> Scripts:
    """Run scripts in a namespace with jobs in every state."""
    populate(call)
    call("config_set", "heartbeat", "50")
    return call


def digest(call: Scripts) -> object:
    return call.redis.execute_command("DEBUG", "DIGEST")


@every_transition
def test_a_request_sent_twice_has_one_effect_and_one_answer(
    populated: Scripts, clock: Clock, published: Published, name: str
) -> None:
    arguments = good_calls(populated)[name]
    clock.advance(1)
    before = digest(populated)
    first = populated(name, *arguments, request="series:7:0")
    after = digest(populated)
    assert published is not None
    published()
    clock.advance(120)

    again = populated(name, *arguments, request="series:7:0")

    assert after != before
    assert (again, digest(populated), published()) == (first, after, [])


@every_transition
def test_an_older_request_of_a_series_is_rejected(populated: Scripts, name: str) -> None:
    arguments = good_calls(populated)[name]
    populated("tick", request="series:7:0")
    before = digest(populated)

    with pytest.raises(StaleRequestError):
        populated(name, *arguments, request="series:6:0")

    assert digest(populated) == before
    populated(name, *arguments, request="series:8:0")


@every_transition
def test_a_transition_works_without_the_loaded_library(populated: Scripts, name: str) -> None:
    arguments = good_calls(populated)[name]
    populated.redis.function_flush()

    populated(name, *arguments, request="series:7:0")

    assert digest(populated) != ""


@every_transition
def test_a_reply_is_remembered_for_minutes_and_nothing_else_expires(
    populated: Scripts, name: str
) -> None:
    populated(name, *good_calls(populated)[name], request="series:7:3")

    expiring = {key: populated.redis.pttl(key) for key in populated.redis.keys("*")}

    assert [key for key, left in expiring.items() if left != -1] == [b"{ql}:request:series:3"]
    assert 290_000 < expiring[b"{ql}:request:series:3"] <= 300_000


def test_errors_are_not_remembered(call: Scripts) -> None:
    put(call, "j")
    with pytest.raises(AlreadyExistsError):
        call("put", "q", "j", "K", "{}", {"on_conflict": "raise"}, request="series:1:0")
    call("cancel", ["j"], "")

    assert call("put", "q", "j", "K", "{}", {"on_conflict": "raise"}, request="series:1:0") == [
        "j",
        True,
    ]


def test_series_and_places_in_a_batch_do_not_disturb_each_other(call: Scripts) -> None:
    for request in ("series:5:0", "series:5:1", "other:1:0", "series:6:1"):
        call("put", "q", request.replace(":", "-"), "K", "{}", {}, request=request)

    with pytest.raises(StaleRequestError):
        call("put", "q", "late", "K", "{}", {}, request="series:5:1")
    assert counts(call) == {"waiting": 4}
    assert call("put", "q", "any", "K", "{}", {}, request="series:5:0") == ["series-5-0", True]


def test_a_resent_pop_gives_the_same_jobs_under_the_same_leases(
    call: Scripts, clock: Clock
) -> None:
    for jid in ("a", "b", "c"):
        put(call, jid, data="x" * 3000)
    first = call("pop", ["q"], "w", 2, {"nonce": "n"}, request="series:1:0")
    clock.advance(3)

    again = call("pop", ["q"], "w", 2, {"nonce": "n"}, request="series:1:0")

    leases = [(view["jid"], view["lease"]) for view in first["jobs"]]
    assert [(view["jid"], view["lease"]) for view in again["jobs"]] == leases
    assert jids(pop(call, 9)) == ["c"]
    call("heartbeat", "a", again["jobs"][0]["lease"], "")


def test_a_resend_is_answered_though_the_lease_has_ended_since(call: Scripts) -> None:
    put(call, "j")
    view = take(call)
    arguments: list[Any] = ["j", view["lease"], "", "", {}]
    call("complete", *arguments, request="series:1:0")

    assert call("complete", *arguments, request="series:1:0")["state"] == "complete"
    with pytest.raises(LostLeaseError):
        call("complete", *arguments, request="series:2:0")


def test_what_became_of_a_request_can_be_asked(call: Scripts) -> None:
    reply = call.send("put", str(ms(call)), "series:5:0", "q", "j", "K", "{}", b"\x80")

    assert call.raw("read/request", "series:5:0") == {b"state": b"done", b"reply": reply}
    assert call("read/request", "series:4:0") == {"state": "older"}
    assert call("read/request", "series:6:0") == {"state": "unknown"}
    assert call("read/request", "other:1:0") == {"state": "unknown"}


@pytest.mark.parametrize("request_", ["x", "series:1", "series:x:0", "se ries:1:0", "series:1:0:0"])
def test_a_request_that_is_none_is_rejected(call: Scripts, request_: str) -> None:
    with pytest.raises(BadArgumentError):
        call("put", "q", "j", "K", "{}", {}, request=request_)

    assert call.redis.dbsize() == 0


KEYED = "order17:4242:0:86400000"


def keyed_put(call: Scripts, jid: str, request: str = KEYED, **options: Any) -> Any:
    return call("put", "q", jid, "K", "{}", options, request=request)


def test_a_keyed_request_is_answered_again_for_its_whole_life(call: Scripts, clock: Clock) -> None:
    first = keyed_put(call, "a")
    clock.advance(3600)

    again = keyed_put(call, "b")

    assert (again, counts(call)["waiting"]) == (first, 1)
    assert 86_000_000 < call.redis.pttl("{ql}:request:order17:0") <= 86_400_000


@pytest.mark.parametrize("sequence", ["4241", "4243"])
def test_a_key_that_was_used_for_another_request_is_refused(call: Scripts, sequence: str) -> None:
    keyed_put(call, "a")
    before = digest(call)

    with pytest.raises(IdempotencyKeyError, match="another request"):
        keyed_put(call, "b", KEYED.replace("4242", sequence))

    assert digest(call) == before


def test_a_refused_keyed_request_leaves_the_key_free(call: Scripts) -> None:
    put(call, "taken")
    with pytest.raises(AlreadyExistsError):
        keyed_put(call, "taken", on_conflict="raise")

    keyed_put(call, "free", KEYED.replace("4242", "1"))

    assert counts(call)["waiting"] == 2


@pytest.mark.parametrize("life", ["0", "12345678901", "x", "-1"])
def test_a_life_that_is_no_number_of_ms_is_refused(call: Scripts, life: str) -> None:
    with pytest.raises(BadArgumentError, match="series:sequence:index"):
        keyed_put(call, "a", f"order17:4242:0:{life}")
