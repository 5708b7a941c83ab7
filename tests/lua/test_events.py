"""track and untrack, and all published events: channels, texts and order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qless_py.scripts import protocol_doc, assemble
from qless_py.errors import JobNotFoundError, QlessError
from tests.conftest import Clock
from tests.lua.conftest import Published
from tests.lua.good_calls import good_calls
from tests.lua.steps import complete, fail, jids, job, pop, put, state, take
from tests.population import populate
from tests.script_runner import Scripts

TRANSITIONS = [name for name in assemble.names() if not name.startswith("read/")]


def test_tracking_wants_a_job_that_exists(call: Scripts) -> None:
    with pytest.raises(JobNotFoundError):
        call("track", "nobody")
    with pytest.raises(JobNotFoundError):
        call("untrack", "nobody")


def test_tracking_is_published_and_can_be_ended(call: Scripts, published: Published) -> None:
    put(call, "j")
    published()

    assert call("track", "j") is True
    assert call("track", "j") is True
    assert job(call, "j")["tracked"] is True
    assert call("untrack", "j") is True
    assert call("untrack", "j") is False

    assert "tracked" not in job(call, "j")
    assert published() == [
        *[("log", "track j q"), ("track", "j")] * 2,
        *[("log", "untrack j q"), ("untrack", "j")] * 2,
    ]


def test_tracked_jobs_are_listed_by_the_time_of_tracking(call: Scripts, clock: Clock) -> None:
    for jid in ("b", "a", "gone"):
        put(call, jid)
        call("track", jid)
        clock.advance(1)
    call("cancel", ["gone"], "")

    page = call("read/tracked", 0, 10, "")

    assert (page["total"], jids(page["jobs"]), page["expired"]) == (3, ["b", "a"], ["gone"])
    assert jids(call("read/tracked", 1, 1, "")["jobs"]) == ["a"]
    call("untrack", "gone")
    assert call("read/tracked", 0, 10, "")["expired"] == []


def test_each_step_of_a_tracked_job_is_published(call: Scripts, published: Published) -> None:
    put(call, "j")
    call("track", "j")
    published()

    put(call, "j")
    assert published() == [("log", "put j q"), ("put", "j")]
    view = take(call)
    assert published() == [("popped", "j")], "a pop is not in the log"
    call("heartbeat", "j", view["lease"], "")
    assert published() == []
    fail(call, view)
    assert published() == [("log", "failed j q w g m"), ("failed", "j")]
    call("unfail", "q", "g", 1)
    assert published() == [("log", "put j q"), ("put", "j")]
    complete(call, take(call))
    assert published() == [("popped", "j"), ("completed", "j"), ("log", "completed j q")]


def test_a_job_that_is_not_tracked_is_published_to_the_log_only(call: Scripts, published: Published) -> None:
    put(call, "j")
    complete(call, take(call))
    put(call, "k")
    call("cancel", ["k"], "")

    assert {channel for channel, _ in published()} == {"log"}


def test_a_tracked_put_that_takes_a_job_from_its_worker_publishes_to_its_channel_last(
    call: Scripts, published: Published
) -> None:
    put(call, "j")
    call("track", "j")
    take(call, worker="owner")
    published()

    put(call, "j", "two")

    lost = "lock_lost j q owner"
    assert published() == [("log", "put j two"), ("worker:owner", lost), ("log", lost), ("put", "j")]


def test_children_of_recurring_jobs_are_not_in_the_log(call: Scripts, published: Published) -> None:
    call("recur", "q", "r", "K", "{}", 60_000, 0, {})
    call("pop", ["q"], "w", 1, {})

    assert published() == []


def test_settings_are_published(call: Scripts, published: Published) -> None:
    call("config_set", "application", 'my "own"')
    call("config_unset", "application")
    call("pause", ["a", "b"], {"reason": "r"})
    call("pause", ["a"], {})
    call("unpause", ["a", "b", "c"])

    assert published() == [
        ("log", 'config_set application my "own"'),
        ("log", "config_unset application"),
        ("log", "paused a"),
        ("log", "paused b"),
        ("log", "paused a"),
        ("log", "unpaused a"),
        ("log", "unpaused b"),
    ]


def test_nothing_is_published_for_a_rejected_call(call: Scripts, published: Published) -> None:
    put(call, "a")
    put(call, "b", depends=["a"])
    published()

    refused: dict[str, list[Any]] = {
        "cancel": [["a"]],
        "timeout": [["a"]],
        "put": ["q", "c", "K", "{}", {"depends": ["c"]}],
        "complete": ["a", "1.w", "", "", {}],
    }
    for verb, arguments in refused.items():
        with pytest.raises(QlessError):
            call(verb, *arguments)

    assert published() == []


@pytest.mark.parametrize("name", TRANSITIONS)
def test_a_script_publishes_only_what_its_header_names(call: Scripts, published: Published, name: str) -> None:
    populate(call)
    arguments = good_calls(call)[name]
    published()

    call(name, *arguments)

    names = {text.split()[0] if channel == "log" else channel for channel, text in published()}
    assert {one for one in names if ":" not in one} <= set(protocol_doc.read(name).events)


def test_an_end_also_publishes_its_effects_on_dependents_and_batches(
    call: Scripts, published: Published
) -> None:
    callback = {"queue": "q", "jid": "thanks", "klass": "K", "data": 1}
    call("batch_open", "b", {"on_complete": callback}, "{}")
    put(call, "j", "p", batch="b")
    put(call, "fails", depends=["j"], on_parent_failed="fail")
    put(call, "goes", depends=["j"], on_parent_failed="cancel")
    call("batch_close", "b")
    view = take(call, "p")
    published()

    fail(call, view)

    assert published() == [
        ("log", "failed j p w g m"),
        ("log", "put thanks q"),
        ("log", "failed fails q parent-failed Parent j was failed"),
        ("log", "canceled goes q"),
    ]


@pytest.mark.parametrize("text", ['"', "\\", "\u2028 ü", "a/b </script>", "{}"])
def test_free_text_reaches_the_log_as_valid_json(call: Scripts, text: str) -> None:
    put(call, "j")
    view = take(call)
    with call.redis.pubsub() as pubsub:
        pubsub.subscribe("{ql}:log")
        pubsub.get_message(timeout=30)

        call("fail", "j", view["lease"], text, text, "")

        message = pubsub.get_message(timeout=30)
    assert message
    event = json.loads(message["data"])
    assert (event["group"], event["message"], event["event"]) == (text, text, "failed")


@pytest.mark.parametrize("way", ["fail", "retry", "lease", "crash", "expired", "parent"])
@pytest.mark.parametrize("is_tracked", [False, True])
def test_a_failure_is_published_once_on_each_channel(
    call: Scripts, clock: Clock, published: Published, way: str, is_tracked: bool
) -> None:
    call("config_set", "grace-period", "0")
    put(call, "parent", "p")
    all_options: dict[str, dict[str, Any]] = {
        "expired": {"expires_in": 1}, "parent": {"depends": ["parent"]}
    }
    options = all_options.get(way, {})
    put(call, "j", retries=0, on_parent_failed="fail", **options)
    if is_tracked:
        call("track", "j")
    view = take(call, "p" if way == "parent" else "q") if way != "expired" else {}
    published()

    if way in ("fail", "parent"):
        fail(call, view)
    elif way == "retry":
        call("retry", "j", view["lease"], 0, {})
    elif way == "crash":
        call("worker_died", "w", "w", "j", "signal 9")
    else:
        clock.advance(100)
        pop(call)

    assert state(call, "j") == "failed"
    found = [(where, text) for where, text in published() if "j" in text.split()]
    assert len([text for where, text in found if where == "log" and text.startswith("failed")]) == 1
    assert len([text for where, text in found if where == "failed"]) == is_tracked
