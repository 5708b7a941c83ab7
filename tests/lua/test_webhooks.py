"""Scripts of webhooks: adding, keys, failures, and the position of the dispatchers."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from qless_py.errors import AlreadyExistsError, BadArgumentError, ConfigError, WebhookNotFoundError
from qless_py.protocol import webhooks
from qless_py.protocol.webhooks import Webhook, WebhookStatus
from tests.conftest import Clock
from tests.lua.conftest import Published
from tests.lua.steps import put
from tests.script_runner import Scripts

HOOK = {"url": "http://h/", "key": "k", "codec": "json"}
DAY = 86_400_000


def status(call: Scripts) -> WebhookStatus:
    step = webhooks.read()
    return step.decode(call.send(step.script, str(round(call.clock() * 1000))))


def only(call: Scripts) -> Webhook:
    (found,) = status(call).webhooks
    return found


def dispatch(call: Scripts, position: str, to: str, *jids: str, lost: str = "") -> Any:
    jobs = [{"jid": jid, "klass": "webhook", "retries": 9} for jid in jids]
    return call("webhook_dispatch", position, to, lost, jobs, *["{}" for _ in jids])


def test_the_first_webhook_turns_the_stream_on_and_starts_behind_its_events(call: Scripts) -> None:
    put(call, "before")

    call("webhook_add", "hook", HOOK)

    assert call("read/config")["event-stream"] == "10000"
    found = status(call)
    assert (found.position, found.behind) == (only(call).since, 2), "its own events are next"
    with pytest.raises(ConfigError, match="webhooks"):
        call("config_set", "event-stream", "0")
    with pytest.raises(ConfigError, match="webhooks"):
        call("config_unset", "event-stream")
    call("config_set", "event-stream", "500")
    call("webhook_remove", "hook")
    call("config_unset", "event-stream")


def test_a_stream_of_another_size_stays_as_it_is(call: Scripts) -> None:
    call("config_set", "event-stream", "70")
    put(call, "before")

    call("webhook_add", "hook", HOOK)

    assert call("read/config")["event-stream"] == "70"
    assert status(call).behind == 1


def test_an_id_is_used_once_and_there_are_not_too_many(call: Scripts) -> None:
    for number in range(100):
        call("webhook_add", f"h{number}", HOOK)

    with pytest.raises(BadArgumentError, match="100 webhooks already"):
        call("webhook_add", "more", HOOK)
    with pytest.raises(AlreadyExistsError):
        call("webhook_add", "h1", HOOK)


def test_a_key_that_is_replaced_counts_for_a_while(call: Scripts, clock: Clock) -> None:
    call("webhook_add", "hook", HOOK)

    call("webhook_change", "hook", {"key": "k2", "codec": "json", "keep": DAY})
    call("webhook_change", "hook", {"key": "k3", "codec": "json", "keep": DAY})

    assert [(one.data, one.until) for one in only(call).keys] == [
        (b"k3", None),
        (b"k2", clock.now + DAY / 1000),
    ]
    call("webhook_change", "hook", {"key": "k4", "codec": "json"})
    assert [one.data for one in only(call).keys] == [b"k4"]


def test_failures_disable_a_webhook_after_its_time_and_a_success_ends_them(
    call: Scripts, clock: Clock, published: Published
) -> None:
    call("webhook_add", "hook", HOOK | {"disable_after": 3 * DAY})
    published()
    wrong = {"ok": False, "status": 500, "error": "answered 500"}

    assert call("webhook_report", "hook", wrong) == "enabled"
    clock.advance(2 * 86400)
    assert call("webhook_report", "hook", {"ok": True, "status": 200}) == "enabled"
    assert only(call).failing_since is None
    begin = clock.now
    for _ in range(3):
        assert call("webhook_report", "hook", wrong) == "enabled"
        clock.advance(86400)
    assert call("webhook_report", "hook", wrong) == "disabled"

    found = only(call)
    assert (found.failing_since, found.disabled_at) == (begin, clock.now)
    assert found.reason == "it failed for too long: answered 500"
    assert (found.delivered, found.failed, found.last_status) == (1, 5, 500)
    assert [text for _, text in published()] == ["webhook_disabled"]
    call("webhook_change", "hook", {"state": "enabled"})
    assert (only(call).state, only(call).failing_since, only(call).reason) == (
        "enabled", None, None,
    )  # fmt: skip
    assert call("webhook_report", "hook", wrong) == "enabled", "it has its whole time again"


def test_a_receiver_that_is_gone_disables_its_webhook_at_once(call: Scripts) -> None:
    call("webhook_add", "hook", HOOK)
    gone = {"ok": False, "status": 410, "gone": True}

    assert call("webhook_report", "hook", gone) == "disabled"
    assert only(call).reason == "the receiver answered 410"
    with pytest.raises(WebhookNotFoundError):
        call("webhook_report", "nobody", gone)


def test_deliveries_are_put_with_the_move_of_the_position_by_one_dispatcher(call: Scripts) -> None:
    call("webhook_add", "hook", HOOK)
    put(call, "j")
    found = status(call)

    assert dispatch(call, found.position, found.newest, "d1", "d2") == found.newest
    assert dispatch(call, found.position, found.newest, "d3") == found.newest, "it was too late"

    assert status(call).position == found.newest
    assert call("read/job", "d1")["queue"] == "webhooks"
    assert call("read/job", "d3") is False


def test_a_delivery_that_exists_is_not_put_again(call: Scripts) -> None:
    call("webhook_add", "hook", HOOK)
    position = status(call).position
    dispatch(call, position, "5-5", "d1")
    first = call("read/job", "d1")["put_at"]
    call.clock.advance(5)  # type: ignore[attr-defined]

    dispatch(call, "5-5", "6-6", "d1")

    assert call("read/job", "d1")["put_at"] == first


def test_a_gap_is_kept_for_people_to_see(call: Scripts, clock: Clock) -> None:
    call("webhook_add", "hook", HOOK)
    position = status(call).position

    dispatch(call, position, "5-5", lost="7")

    gap = status(call).gap
    assert gap is not None
    assert (gap.at, gap.after, gap.lost) == (clock.now, position, 7)
    dispatch(call, "5-5", "6-6", lost="?")
    again = status(call).gap
    assert again is not None
    assert again.lost is None


@pytest.mark.corrupts
def test_a_webhook_that_cannot_be_read_gets_nothing(call: Scripts) -> None:
    call("webhook_add", "hook", HOOK)
    for rubbish in (b"junk", msgpack.packb({"url": "x"})):
        call.redis.hset("{ql}:webhooks", "hook", rubbish)

        assert status(call).webhooks == ()
        with pytest.raises(WebhookNotFoundError):
            call("webhook_change", "hook", {})
    call("webhook_remove", "hook")
