"""Invalid arguments raise a named exception before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

import qless_py
from qless_py import BadArgumentError, Client, errors
from qless_py.protocol import arguments
from qless_py.protocol.options import PutSpec
from tests.client.test_queue import taken

# Nothing is sent.
pytestmark = pytest.mark.any_server

BAD_NAMES: list[Any] = ["", " ", "a b", "a\n", "é", "-a", "x" * 129, 5, None, b"a", ["a"], "a/b"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_an_invalid_name_is_rejected_everywhere(client: Client, name: Any) -> None:
    queue = client.queues["q"]
    doors: list[Callable[[], object]] = [
        lambda: client.queues[name],
        lambda: client.jobs[name],
        lambda: client.track(name),
        lambda: client.cancel(name),
        lambda: client.jobs.tagged(name),
        lambda: client.batches[name],
        lambda: queue.put("k", tags=[name]),
        lambda: queue.put("k", depends=[name]),
        lambda: queue.pop(1, worker=name or ""),
        lambda: client.unfail("group", name),
        lambda: client.workers[name],
    ]

    for door in doors:
        with pytest.raises(BadArgumentError):
            door()

    assert client.redis.dbsize() == 0


BAD_OPTIONS: list[dict[str, Any]] = [
    {"priority": float("nan")}, {"priority": float("inf")}, {"priority": "high"},
    {"priority": True}, {"priority": 1e301}, {"priority": 10**400},
    {"retries": -1}, {"retries": 1.5}, {"retries": "3"}, {"retries": True}, {"retries": 2**31},
    {"delay": -1}, {"delay": float("nan")}, {"delay": "soon"}, {"delay": 1e300},
    {"delay": timedelta(seconds=-1)}, {"tags": "text"}, {"tags": 5}, {"tags": ["a", None]},
    {"tags": [f"t{n}" for n in range(101)]}, {"depends": "text"}, {"jid": "a b"},
    {"on_parent_failed": "explode"}, {"on_conflict": "maybe"}, {"unique_conflict": "raise"},
    {"unique_key": "a b"}, {"unique_key": "a", "unique_scope": "ever"}, {"unique_scope": "queued"},
    {"unique_key": "a", "unique_scope": "window"}, {"unique_key": "a", "unique_window": 0},
    {"unique_key": "a", "unique_scope": "queued", "unique_window": 5}, {"keep": 0}, {"keep": -1},
    {"batch": ""}, {"codec": "none"}, {"codec": 5}, {"colour": "red"}, {"lease": "stolen"},
    {"context": "text"}, {"context": {"a": 5}}, {"context": {"a b": "c"}}, {"context": {5: "c"}},
    {"context": {"a": "é"}}, {"context": {"a": "b\n"}}, {"context": {"a": "x" * 1024}},
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_OPTIONS, ids=str)
def test_a_bad_option_is_rejected_and_changes_nothing(client: Client, bad: dict[str, Any]) -> None:
    with pytest.raises(BadArgumentError):
        client.queues["q"].put("k", **bad)
    with pytest.raises(BadArgumentError):
        client.queues["q"].put_many([{"klass": "k"}, cast("PutSpec", {"klass": "k", **bad})])

    assert client.redis.dbsize() == 0


@pytest.mark.parametrize("klass", ["", "a\nb", "x" * 256, 5, None, b"k", "\ud800", lambda: None])
def test_a_value_that_names_no_klass_is_rejected(client: Client, klass: Any) -> None:
    with pytest.raises(BadArgumentError):
        client.queues["q"].put(klass)


def test_a_class_made_inside_a_function_is_rejected(client: Client) -> None:
    class Local:
        pass

    with pytest.raises(BadArgumentError, match="import"):
        client.queues["q"].put(Local)


@pytest.mark.parametrize(
    "jobs",
    [[{}], ["k"], [{"data": 1}], [None], None, 5, "k", {"klass": "k"}],
    ids=repr,
)
def test_a_list_that_is_no_list_of_jobs_is_rejected(client: Client, jobs: Any) -> None:
    client.queues["q"].put("parent")
    owned = taken(client).batch()

    with pytest.raises(BadArgumentError):
        client.queues["q"].put_many(jobs)
    with pytest.raises(BadArgumentError):
        client.batch().put_many("q", jobs)
    with pytest.raises(BadArgumentError):
        owned.put_many("q", jobs)


@pytest.mark.parametrize("count", [0, -1, 101, 1.5, "1", True])
def test_an_unusable_count_is_rejected(client: Client, count: Any) -> None:
    with pytest.raises(BadArgumentError):
        client.queues["q"].pop(count)


@pytest.mark.parametrize("page", [(-1, 5), (0, -1), (0, 1001), ("0", 5), (0, 1.5), (True, 5)])
def test_an_unusable_page_is_rejected(client: Client, page: tuple[Any, Any]) -> None:
    with pytest.raises(BadArgumentError):
        client.queues["q"].jobs.waiting(*page)
    with pytest.raises(BadArgumentError):
        client.jobs.complete(*page)


def test_invalid_arguments_of_methods_are_rejected_and_the_lease_stays(client: Client) -> None:
    client.queues["q"].put("k", jid="j")
    job = taken(client)
    bad: list[Any] = [
        lambda: job.fail("", "message"),
        lambda: job.fail("group\n", "message"),
        lambda: job.fail("group", 5),  # type: ignore[arg-type]
        lambda: job.retry(-1),
        lambda: job.retry(0, "group"),
        lambda: job.snooze(0),
        lambda: job.complete("no queue"),
        lambda: job.complete(result=object()),
        lambda: job.heartbeat(object()),
        lambda: job.tag("no tag"),
        lambda: job.depend("j", on_parent_failed="never"),  # type: ignore[arg-type]
        lambda: job.log("what\0", {}),
        lambda: setattr(job, "priority", "high"),
        lambda: job.put("q", "k", object()),
    ]

    for call in bad:
        with pytest.raises(BadArgumentError):
            call()
    job.data = None

    assert job.complete() == "complete"


def test_instants_are_seconds_or_datetimes_with_a_zone() -> None:
    assert arguments.instant("at", 1.5) == 1500
    assert arguments.instant("at", datetime(1970, 1, 1, 0, 1, tzinfo=UTC)) == 60_000
    for bad in (datetime(2026, 1, 1), -1, float("inf"), "now", True):  # noqa: DTZ001
        with pytest.raises(BadArgumentError):
            arguments.instant("at", bad)


def test_every_public_name_is_exported_and_there() -> None:
    for name in qless_py.__all__:
        assert hasattr(qless_py, name)
    public = {name for name in vars(errors) if name.endswith("Error")}
    assert public - {"QlessError"} <= set(qless_py.__all__)


def test_a_bad_argument_is_also_a_value_error() -> None:
    with pytest.raises(ValueError, match="delay"):
        arguments.span("delay", -1)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("NOJOB Job j does not exist", "JobNotFoundError", "Job j does not exist"),
        (
            "FINISHED Job j: done script: put_9eaf, on @user_function:2.",
            "AlreadyFinishedError",
            "Job j: done",
        ),
        ("CYCLE a script: on @user_function:30.", "CycleError", "a"),
        ("NOBATCH", "BatchNotFoundError", "NOBATCH"),
        ("ERR what else", "QlessError", "ERR what else"),
    ],
)
def test_an_error_reply_becomes_its_exception(text: str, kind: str, message: str) -> None:
    error = errors.error_from_reply(text)

    assert (type(error).__name__, str(error)) == (kind, message)
