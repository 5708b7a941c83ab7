"""Waiting jobs of the real RQ and Celery, and of the layout of qless, come here, each once."""

from __future__ import annotations

import base64
import datetime as dt
import json
import pickle
import zlib
from collections.abc import Iterator
from typing import Any

import celery
import kombu.pools
import pytest
import redis as redis_py
import rq
from rq.serializers import JSONSerializer

from qless_py import Client, Job
from qless_py.errors import BadArgumentError
from qless_py.transfer.migrate import MigrationReport, migrate
from qless_py.transfer.migrate.rq_queue import RqOrigin
from tests import servers
from tests.conftest import Clock

AT = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def origin(server: servers.Server, redis: redis_py.Redis) -> Iterator[redis_py.Redis]:
    """Return a connection to another, empty database of the server."""
    del redis
    with redis_py.Redis(unix_socket_path=server.socket, db=5) as connection:
        connection.flushdb()
        yield connection
        connection.flushdb()


@pytest.fixture
def app(server: servers.Server, origin: redis_py.Redis) -> Iterator[celery.Celery]:
    """Return a Celery application whose broker is the origin."""
    del origin
    with celery.Celery("test", broker=f"redis+socket://{server.socket}?virtual_host=5") as made:
        yield made
    # It remembers which queues it has declared.
    kombu.pools.reset()  # type: ignore[no-untyped-call]


def _job(client: Client, jid: str) -> Job:
    found = client.jobs[jid]
    assert isinstance(found, Job), f"there is no job {jid}"
    return found


def _reasons(report: MigrationReport) -> dict[str, str]:
    return {one.id: one.reason for one in report.refusals}


def _rq(origin: redis_py.Redis, name: str = "mail", **options: Any) -> rq.Queue:
    return rq.Queue(name, connection=origin, **options)


def test_jobs_of_rq_come_with_their_arguments_and_options(
    client: Client, origin: redis_py.Redis
) -> None:
    queue = _rq(origin, serializer=JSONSerializer)
    first = queue.enqueue(
        "app.send", 1, to="ann", job_timeout=33, ttl=500, retry=rq.Retry(max=3), meta={"a": 1}
    )
    second = queue.enqueue("app.send", 2)
    later = queue.enqueue_at(AT, "app.send", 3)

    report = migrate(
        client, origin, "rq", klasses={"app.send": "jobs.send"}, renamed={"mail": "letters"}
    )

    assert (report.moved, report.refused, report.taken) == (3, 0, 0)
    job = _job(client, f"rq-{first.id}")
    assert (job.klass_name, job.queue_name, job.hard_limit) == ("jobs.send", "letters", 33)
    assert job.data == {"args": [1], "kwargs": {"to": "ann"}, "meta": {"a": 1}}
    assert first.enqueued_at is not None
    assert job.not_after == pytest.approx(first.enqueued_at.timestamp() + 500, abs=0.001)
    assert json.loads(job.fields["retry"]) == {"retries": 3}
    assert _job(client, f"rq-{later.id}").due_at == AT.timestamp()
    assert client.queues["letters"].jobs.waiting() == [f"rq-{first.id}", f"rq-{second.id}"]
    assert origin.keys("rq:job:*") == []
    assert queue.count == 0


class Trap:
    """Raises when it is unpickled."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("it was unpickled",))


def test_pickled_jobs_of_rq_are_refused_and_never_read(
    client: Client, origin: redis_py.Redis
) -> None:
    queue = _rq(origin)
    job = queue.enqueue("app.send", 1)
    origin.hset(f"rq:job:{job.id}", "data", zlib.compress(pickle.dumps(Trap())))

    report = migrate(client, origin, "rq")

    assert (report.moved, report.refused) == (0, 1)
    reason = _reasons(report)[job.id]
    assert "it is pickled, and reading a pickle may run any code: app.send(1)" in reason
    assert queue.job_ids == [job.id]


def test_jobs_of_rq_that_would_lose_something_stay(client: Client, origin: redis_py.Redis) -> None:
    queue = _rq(origin, serializer=JSONSerializer)
    parent = queue.enqueue("app.send", 1)
    queue.enqueue("app.send", 2, depends_on=parent)
    called = queue.enqueue("app.send", 3, on_success=rq.Callback("app.done"))
    good = queue.enqueue("app.send", 4)
    odd = queue.enqueue("app.send", 5)
    origin.hset(f"rq:job:{odd.id}", "data", zlib.compress(b"?"))
    bomb = queue.enqueue("app.send", 6)
    origin.hset(f"rq:job:{bomb.id}", "data", zlib.compress(b"[" + b" " * 20_000_000))
    gone = queue.enqueue("app.send", 7)
    origin.delete(f"rq:job:{gone.id}")

    report = migrate(client, origin, "rq")

    assert report.moved == 1
    assert _job(client, f"rq-{good.id}").state == "waiting"
    assert _reasons(report) == {
        parent.id: "other jobs depend on it",
        called.id: "it has callbacks, which would be lost",
        odd.id: "its data is not JSON",
        bomb.id: "its data has more than 16777216 bytes",
        gone.id: "the job does not exist any more",
    }
    assert report.others == {"mail": {"jobs that wait for others": 1}}
    assert queue.job_ids == [parent.id, called.id, odd.id, bomb.id, gone.id]


def test_tasks_of_celery_come_with_their_options(
    client: Client, origin: redis_py.Redis, app: celery.Celery
) -> None:
    first = app.send_task("app.add", (1,), {"to": "ann"})
    second = app.send_task("app.add", (2,), time_limit=50, soft_time_limit=40)
    urgent = app.send_task("app.add", (3,), priority=3, queue="celery")
    later = app.send_task("app.add", (4,), eta=AT, expires=AT + dt.timedelta(hours=1))
    retried = app.send_task("app.add", (5,), retries=2, queue="other")

    report = migrate(client, origin, "celery", klasses={"app.add": "jobs.add"})

    assert (report.moved, report.refused, report.refusals) == (5, 0, [])
    job = _job(client, f"celery-{first.id}")
    assert (job.klass_name, job.queue_name) == ("jobs.add", "celery")
    assert job.data == {"args": [1], "kwargs": {"to": "ann"}}
    limited = _job(client, f"celery-{second.id}")
    assert (limited.hard_limit, limited.soft_limit) == (50, 40)
    assert _job(client, f"celery-{urgent.id}").priority == -3
    scheduled = _job(client, f"celery-{later.id}")
    assert (scheduled.state, scheduled.due_at) == ("scheduled", AT.timestamp())
    assert scheduled.not_after == AT.timestamp() + 3600
    assert _job(client, f"celery-{retried.id}").data["retries"] == 2
    assert client.queues["celery"].jobs.waiting() == [
        f"celery-{one.id}" for one in (first, second, urgent)
    ]
    assert [origin.llen(name) for name in ("celery", "other", "celery\x06\x163")] == [0, 0, 0]


def test_messages_of_celery_that_are_not_read_stay(
    client: Client, origin: redis_py.Redis, app: celery.Celery
) -> None:
    pickled = app.send_task("app.add", (1,), serializer="pickle")
    zipped = app.send_task("app.add", (1,), compression="gzip")
    linked = app.send_task("app.add", (1,), link=app.signature("app.next"))
    good = app.send_task("app.add", (1,))
    origin.lpush("celery", b"\x80\x05.", b"{}", b'{"headers": {"id": "x"}}')
    before = origin.llen("celery")

    report = migrate(client, origin, "celery", queues=["celery"])

    assert (report.moved, report.refused) == (1, 6)
    assert _job(client, f"celery-{good.id}").state == "waiting"
    reasons = _reasons(report)
    assert "'application/x-python-serialize' is not read" in reasons[pickled.id]
    assert "compressed with 'application/x-gzip'" in reasons[zipped.id]
    assert reasons[linked.id] == "it has callbacks, which would be lost"
    assert "no message of protocol 2" in reasons["x"]
    assert origin.llen("celery") == before - 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"body": "?"}, "its body is not Base64"),
        ({"body": 5}, "its body is not text"),
        ({"body": base64.b64encode(b"{}").decode()}, "its body is not a list"),
        ({"body": base64.b64encode(b"[1, {}, {}]").decode()}, "its arguments are not a list"),
        ({"body": base64.b64encode(b"[[NaN], {}, {}]").decode()}, "cannot be stored"),
        ({"headers": {"task": "app.add", "id": "i", "eta": "soon"}}, "eta 'soon' is not a time"),
        ({"headers": {"task": "", "id": "i"}}, "klass does not have 1 to 255 bytes"),
        ({"headers": {"task": "a", "id": "i", "timelimit": ["x"]}}, "hard_limit 'x' is not"),
        ({"properties": 5}, "no message of protocol 2"),
    ],
)
def test_a_damaged_message_is_refused_with_its_reason(
    client: Client, origin: redis_py.Redis, change: dict[str, Any], reason: str
) -> None:
    body = base64.b64encode(b"[[1], {}, {}]").decode()
    good = {
        "body": body, "content-type": "application/json",
        "headers": {"task": "app.add", "id": "i"}, "properties": {"body_encoding": "base64"},
    }  # fmt: skip
    origin.lpush("celery", json.dumps({**good, **change}))

    report = migrate(client, origin, "celery", queues=["celery"])

    assert report.refused == 1
    assert reason in report.refusals[0].reason
    assert origin.llen("celery") == 1


def _qless_put(origin: redis_py.Redis, queue: str, jid: str, **more: Any) -> None:
    """Write a job as `put` of qless-core does."""
    delay, priority, tags = more.get("delay", 0), more.get("priority", 0), more.get("tags", [])
    now = 1_699_999_000.0 + more.get("age", 0)
    fields: dict[Any, Any] = {
        "jid": jid, "klass": more.get("klass", "app.Send"), "data": more.get("data", '{"n":  1}'),
        "priority": priority, "tags": json.dumps(tags or {}), "worker": "", "expires": 0,
        "state": "scheduled" if delay else "waiting", "queue": queue, "retries": 7,
        "remaining": more.get("remaining", 7), "time": f"{now:.20f}",
    }  # fmt: skip
    origin.hset(f"ql:j:{jid}", mapping=fields)
    origin.rpush(f"ql:j:{jid}-history", json.dumps([now, "put", {"q": queue}]))
    for tag in tags:
        origin.zadd(f"ql:t:{tag}", {jid: now})
        origin.zincrby("ql:tags", 1, tag)
    if delay:
        origin.zadd(f"ql:q:{queue}-scheduled", {jid: now + delay})
    else:
        origin.zadd(f"ql:q:{queue}-work", {jid: priority - now / 1e10})
    origin.zadd("ql:queues", {queue: now}, nx=True)


def test_jobs_of_qless_come_with_everything(client: Client, origin: redis_py.Redis) -> None:
    _qless_put(origin, "mail", "a" * 32, tags=["x", "y"], remaining=2)
    _qless_put(origin, "mail", "b" * 32, priority=5, age=3)
    _qless_put(origin, "mail", "c" * 32, delay=400_000_000, age=1)
    _qless_put(origin, "mail", "d" * 32, tags=["x"])
    origin.sadd(f"ql:j:{'d' * 32}-dependents", "e" * 32)

    report = migrate(client, origin, "qless")

    assert (report.moved, report.refused) == (3, 1)
    assert _reasons(report) == {"d" * 32: "other jobs depend on it"}
    job = _job(client, f"qless-{'a' * 32}")
    assert (job.raw, job.tags, job.klass_name) == (b'{"n":  1}', ["x", "y"], "app.Send")
    assert (job.original_retries, job.retries_left, job.put_at) == (7, 2, 1_699_999_000)
    assert client.queues["mail"].jobs.waiting() == [f"qless-{one * 32}" for one in "ba"]
    assert _job(client, f"qless-{'c' * 32}").due_at == 2_099_999_001
    assert sorted(origin.keys("*")) == sorted(
        key.encode()
        for key in (
            f"ql:j:{'d' * 32}", f"ql:j:{'d' * 32}-history", f"ql:j:{'d' * 32}-dependents",
            "ql:q:mail-work", "ql:queues", "ql:t:x", "ql:tags",
        )
    )  # fmt: skip
    assert origin.zscore("ql:tags", "x") == 1


def test_a_migration_killed_between_put_and_removal_is_finished(
    client: Client, origin: redis_py.Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = _rq(origin, serializer=JSONSerializer)
    for number in range(150):
        queue.enqueue("app.send", number)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(RqOrigin, "remove", die)
        with pytest.raises(KeyboardInterrupt):
            migrate(client, origin, "rq")
    client.config.set("jobs-history", 0)
    ran = [job.data["args"][0] for job in client.queues["mail"].pop(30)]
    for job in client.queues["mail"].jobs.running(0, 100):
        _job(client, job).force_finish()
    clock.advance(10)

    report = migrate(client, origin, "rq")

    assert (report.moved, report.finished, queue.count) == (150, 100, 0)
    while jobs := client.queues["mail"].pop(100):
        ran += [job.data["args"][0] for job in jobs]
    assert sorted(ran) == list(range(150))


def test_a_job_that_a_worker_there_takes_meanwhile_stays_there(
    client: Client, origin: redis_py.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = _rq(origin, serializer=JSONSerializer)
    taken, kept = queue.enqueue("app.send", 1), queue.enqueue("app.send", 2)
    remove = RqOrigin.remove

    def take_first(self: Any, found: Any) -> Any:
        origin.lpop("rq:queue:mail")
        return remove(self, found)

    monkeypatch.setattr(RqOrigin, "remove", take_first)
    report = migrate(client, origin, "rq")

    assert (report.moved, report.taken, report.doubled) == (1, 1, [])
    assert client.jobs[f"rq-{taken.id}"] is None
    assert _job(client, f"rq-{kept.id}").state == "waiting"
    assert origin.exists(f"rq:job:{taken.id}")


def test_a_dry_run_changes_nothing_anywhere(client: Client, origin: redis_py.Redis) -> None:
    queue = _rq(origin, serializer=JSONSerializer)
    for number in range(250):
        queue.enqueue("app.send", number)

    report = migrate(client, origin, "rq", dry_run=True)

    assert (report.moved, queue.count, client.queues.counts) == (250, 250, [])


def test_an_unknown_kind_is_refused(client: Client, origin: redis_py.Redis) -> None:
    with pytest.raises(BadArgumentError, match="kind 'sidekiq' is none of qless, rq, celery"):
        migrate(client, origin, "sidekiq")
