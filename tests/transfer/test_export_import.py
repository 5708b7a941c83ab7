"""Jobs that are exported and imported are the same jobs, each once."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from qless_py import Client, Job, RecurringJob, RetryPolicy
from qless_py.errors import BadArgumentError
from qless_py.protocol.codec import EncryptedCodec
from qless_py.transfer import ExportFileError, export_jobs, import_jobs
from tests.conftest import Clock


def _read(text: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def _lines(path: Path) -> list[dict[str, Any]]:
    return _read(path.read_bytes())


def _move(source: Client, target: Client, search: str = "", **options: Any) -> Any:
    stream = io.BytesIO()
    export_jobs(source, stream, search, history=True, **options)
    return import_jobs(target, stream)


def _job(client: Client, jid: str) -> Job:
    found = client.jobs[jid]
    assert isinstance(found, Job), f"there is no job {jid}"
    return found


def _recurring(client: Client, jid: str) -> RecurringJob:
    found = client.recurring[jid]
    assert found is not None, f"there is no recurring job {jid}"
    return found


def _attributes(job: Job) -> dict[str, Any]:
    names = (
        "jid klass_name queue_name state raw codec_name priority tags user throttles costs "
        "original_retries retries_left crashes stalls put_at due_at not_after soft_limit "
        "hard_limit failure unique_key failed_at completed_at tracked spawned_from "
        "result context"
    )
    return {name: getattr(job, name) for name in names.split()} | {
        "dependencies": sorted(job.dependencies)
    }


def _populate(client: Client, clock: Clock) -> list[str]:
    """Put jobs with everything that a job can have; return their jids."""
    mail = client.queues["mail"]
    mail.put("app.Send", b'{"to":  "ann", "n": 1.50}', jid="bytes", tags=["b", "a"], priority=2.5)
    mail.put("app.Send", {"n": 2}, jid="packed", codec="msgpack", user="ann",
             context={"tenant": "a"})  # fmt: skip
    mail.put(
        "app.Send", {}, jid="limits", soft_limit=5, hard_limit=10.5, retries=9, expires=500,
        retry=RetryPolicy(retries=3), throttles={"smtp": 2.5, "dns": 1}, keep=60,
    )  # fmt: skip
    mail.put("app.Send", {}, jid="unique", unique_key="k")
    mail.put("app.Send", {}, jid="queued", unique_key="q", unique_scope="queued")
    mail.put("app.Send", {}, jid="later", delay=100)
    mail.put("app.Send", "x" * 5000, jid="long")
    client.track("long")
    mail.put("app.Send", {}, jid="child", depends=["unique", "later"], on_parent_failed="run")
    mail.put("app.Send", {}, jid="grandchild", depends=["child"], delay=300)
    work = client.queues["work"]
    for jid in ("broken", "done", "lost"):
        work.put("app.Work", {"jid": jid}, jid=jid, context={"put": jid})
    for job in work.pop(3):
        if job.jid == "broken":
            job.fail("app:Error", "no such thing")
        elif job.jid == "done":
            job.complete(result={"sent": 1})
        else:
            job.retry(30, "app:Later", "try again")
    clock.advance(7)
    return [
        "bytes", "packed", "limits", "unique", "queued", "later", "long", "child", "grandchild",
        "broken", "done", "lost",
    ]  # fmt: skip


def test_jobs_keep_everything_on_their_way(client: Client, other: Client, clock: Clock) -> None:
    jids = _populate(client, clock)
    before = {jid: _attributes(_job(client, jid)) for jid in jids}

    report = _move(client, other)

    assert (report.restored, report.refused, report.reasons) == (len(jids), 0, {})
    assert {jid: _attributes(_job(other, jid)) for jid in jids} == before
    for jid in jids:
        ours, theirs = _job(other, jid).history, _job(client, jid).history
        assert (ours[:-1], ours[-1]["what"]) == (theirs, "restored")


def test_jobs_keep_their_order(client: Client, other: Client, clock: Clock) -> None:
    for number in range(250):
        client.queues["q"].put("K", {}, jid=f"j{number * 37 % 250:03}", priority=number % 3)
        clock.advance(0.001 * (number % 2))

    _move(client, other)

    assert [job.jid for _ in range(3) for job in other.queues["q"].pop(100)] == [
        job.jid for _ in range(3) for job in client.queues["q"].pop(100)
    ]


def test_data_of_the_encrypted_codec_opens_after_the_import(
    server: Any, redis: object, clock: Clock
) -> None:
    del redis
    codec = EncryptedCodec({"k": b"0" * 32})
    with (
        Client(server.url, clock=clock, codec=codec) as source,
        Client(server.url, clock=clock, codec=codec, namespace="other") as target,
    ):
        jid = source.queues["q"].put("K", {"secret": 1})

        _move(source, target)

        assert _job(target, jid).data == {"secret": 1}


def test_dependents_wait_for_their_parents_and_read_their_results(
    client: Client, other: Client
) -> None:
    q = client.queues["q"]
    q.put("K", {}, jid="first")
    q.put("K", {}, jid="second")
    q.put("K", {}, jid="last", depends=["first", "second"])
    (job,) = q.pop(1)
    job.complete(result=[1])

    _move(client, other)

    assert _job(other, "last").dependencies == ["second"]
    (job,) = other.queues["q"].pop(1)
    job.complete(result=[2])
    last = other.queues["q"].pop()
    assert last is not None
    assert last.parent_results() == {"first": [1], "second": [2]}


def test_a_chain_against_the_order_of_the_file_is_restored(client: Client, other: Client) -> None:
    q = client.queues["q"]
    for number in range(120):
        depends = [f"j{number - 1:03}"] if number else []
        q.put("K", {}, jid=f"j{number:03}", depends=depends)
    stream = io.BytesIO()
    export_jobs(client, stream)
    head, *jobs, tail = stream.getvalue().splitlines(keepends=True)
    turned = io.BytesIO(b"".join([head, *reversed(jobs), tail]))

    report = import_jobs(other, turned, incomplete=True)

    assert report.restored == 120
    assert other.queues.counts[0]["depends"] == 119


def test_a_parent_that_is_nowhere_refuses_its_dependents(client: Client, other: Client) -> None:
    q = client.queues["q"]
    q.put("K", {}, jid="parent", delay=50)
    q.put("K", {}, jid="child", depends=["parent"])
    q.put("K", {}, jid="grandchild", depends=["child"])
    stream = io.BytesIO()
    export_jobs(client, stream, "state:depends")

    report = import_jobs(other, stream)

    assert (report.restored, report.refused) == (0, 2)
    assert "waits for parent, which is neither in the file nor in the store" in str(report.reasons)
    assert import_jobs(other, stream, orphans=True).restored == 2
    assert _job(other, "child").state == "waiting"


def test_a_parent_that_is_in_the_store_is_waited_for(client: Client, other: Client) -> None:
    for one in (client, other):
        one.queues["q"].put("K", {}, jid="parent")
    client.queues["q"].put("K", {}, jid="child", depends=["parent"])

    report = _move(client, other, "state:depends")

    assert report.restored == 1
    assert _job(other, "child").state == "depends"


def test_running_jobs_are_exported_on_request_only(client: Client, other: Client) -> None:
    client.queues["q"].put("K", {}, jid="runs")
    client.queues["q"].pop()

    assert export_jobs(client, io.BytesIO()).running == 1
    assert _move(client, other).restored == 0
    assert _move(client, other, running=True).restored == 1
    assert _job(other, "runs").state == "waiting"


def test_an_import_that_is_repeated_puts_nothing_twice(
    client: Client, other: Client, clock: Clock
) -> None:
    other.config.set("jobs-history", 0)
    for number in range(5):
        client.queues["q"].put("K", {}, jid=f"j{number}")
    stream = io.BytesIO()
    export_jobs(client, stream)
    assert import_jobs(other, stream).restored == 5
    for job in other.queues["q"].pop(2):
        job.complete()
    clock.advance(5)
    other.queues["q"].put("K", {}, jid="more")
    (job,) = other.queues["q"].pop(1)
    job.complete()
    assert other.jobs["j0"] is None

    again = import_jobs(other, stream)

    assert (again.restored, again.existing) == (0, 5)
    assert other.jobs["j0"] is None


def test_a_job_that_is_there_is_left_alone(client: Client, other: Client) -> None:
    client.queues["q"].put("K", {"n": 1}, jid="j")
    other.queues["q"].put("K", {"n": 2}, jid="j")

    assert _move(client, other).existing == 1
    assert _job(other, "j").data == {"n": 2}


def test_a_unique_key_that_is_taken_refuses_the_job(client: Client, other: Client) -> None:
    client.queues["q"].put("K", {}, jid="ours", unique_key="k")
    other.queues["q"].put("K", {}, jid="theirs", unique_key="k")

    report = _move(client, other)

    assert report.restored == 0
    assert list(report.reasons.values()) == ["job ours: job theirs holds its unique key k"]


def test_jobs_that_the_store_refuses_are_left_out_and_the_others_restored(
    client: Client, other: Client
) -> None:
    client.batches.open("b")
    for number in range(20):
        options: dict[str, Any] = {"batch": "b"} if number == 13 else {}
        client.queues["q"].put("K", {}, jid=f"j{number}", **options)
    stream = io.BytesIO()
    export_jobs(client, stream)
    lines = [one for one in _read(stream.getvalue()) if one["kind"] != "batch"]
    text = "".join(json.dumps(one) + "\n" for one in lines).encode()

    report = import_jobs(other, io.BytesIO(text), incomplete=True)

    assert (report.restored, report.refused) == (19, 1)
    assert list(report.reasons.values()) == ["job j13: Batch b does not exist"]
    other.batches.open("b")
    assert import_jobs(other, io.BytesIO(text), incomplete=True).restored == 1
    assert _job(other, "j13").batch_name == "b"


def _end(client: Client, number: int, *, failing: bool = False) -> None:
    for job in client.queues["q"].pop(number):
        if failing:
            job.fail("g", "m")
        else:
            job.complete()


def test_batches_keep_their_counts_and_their_callbacks(
    client: Client, other: Client, clock: Clock
) -> None:
    callbacks: Any = {
        "on_complete": {"klass": "After", "queue": "after", "data": {"n": 1}, "jid": "after"},
        "on_failure": {"klass": "Alarm", "queue": "after", "data": {}, "jid": "alarm"},
    }
    outer = client.batches.open("outer", on_success={"klass": "Last", "queue": "after"})
    batch = client.batches.open("b", within="outer", **callbacks)
    batch.put_many("q", [{"klass": "K", "jid": f"j{number}"} for number in range(5)])
    _end(client, 1)
    _end(client, 1, failing=True)
    batch.close()
    outer.close()
    before = client.batches["b"].status
    assert before is not None
    stream = io.BytesIO()
    export_jobs(client, stream)
    clock.advance(5)

    report = import_jobs(other, stream, queues={"after": "later"})

    after = other.batches["b"].status
    assert report.reasons == {}
    assert report.others == {"batch": 2}
    names = ("state", "total", "pending", "completed", "failed", "within", "opened_at")
    assert after is not None
    assert {one: after.get(one) for one in names} == {one: before.get(one) for one in names}
    _end(other, 3)
    other.queues["q"].pop()
    status = other.batches["b"].status
    assert status is not None
    assert (status["state"], status["completed"], status["failed"]) == ("finished", 4, 1)
    assert _job(other, "after").queue_name == "later"
    assert _job(other, "after").data == {"n": 1}
    assert _job(other, "alarm").put_at == _job(client, "alarm").put_at
    again = import_jobs(other, stream)
    assert (again.restored, again.others) == (0, {"batch": 0})


def test_queues_are_renamed(client: Client, other: Client) -> None:
    client.queues["mail"].put("K", {}, jid="j")
    client.queues["mail"].pause(reason="repair")
    stream = io.BytesIO()
    export_jobs(client, stream, kinds=["pause"])

    report = import_jobs(other, stream, queues={"mail": "letters"})

    assert report.reasons == {}

    assert _job(other, "j").queue_name == "letters"
    assert other.queues["letters"].is_paused


def test_everything_else_is_exported_and_set(client: Client, other: Client, clock: Clock) -> None:
    client.config.set("heartbeat", 33)
    client.throttles["smtp"].set(concurrency=2)
    client.throttles["queue:mail"].set(rate=5, per=60, burst=9)
    client.users["ann"].set(weight=3, max_running=2)
    client.queues["mail"].pause(reason="repair")
    mail = client.queues["mail"]
    mail.recur("app.Tick", {"n": 1}, 60, 30, jid="tick", tags=["t"], limit=5,
               context={"tenant": "a"})  # fmt: skip
    mail.recur("app.Tick", {}, cron="5 4 * * *", zone="Europe/Berlin", jid="cron", retries=2)
    _recurring(client, "cron").pause()
    kinds = ("config", "throttle", "user", "pause", "recurring")
    stream = io.BytesIO()
    export_jobs(client, stream, kinds=kinds)
    clock.advance(10)

    report = import_jobs(other, stream)

    assert report.reasons == {}
    assert report.others == {
        "config": 1, "throttle": 2, "user": 1, "pause": 1, "recurring": 2,
    }  # fmt: skip
    assert other.config["heartbeat"] == 33
    assert other.throttles["smtp"].get().concurrency == 2
    assert other.throttles["queue:mail"].get().burst == 9
    assert (other.users["ann"].get().weight, other.users["ann"].get().max_running) == (3, 2)
    assert other.queues.counts[0]["pause"]["reason"] == "repair"
    for jid in ("tick", "cron"):
        ours, theirs = _recurring(other, jid), _recurring(client, jid)
        for name in ("klass_name", "data", "interval", "cron", "zone", "tags", "limit", "next_at",
                     "is_paused", "retries", "context"):  # fmt: skip
            assert getattr(ours, name) == getattr(theirs, name), name
    assert import_jobs(other, stream).others["recurring"] == 0


def _exported(client: Client, path: Path, number: int = 250) -> bytes:
    for at in range(number):
        client.queues["q"].put("K", {"n": at}, jid=f"j{at:03}")
    export_jobs(client, path)
    return path.read_bytes()


def test_the_trailer_counts_and_the_checksum_holds(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "jobs"
    _exported(client, path)

    lines = _lines(path)

    assert lines[0]["format"] == "qless_py export"
    assert lines[0]["version"] == 1
    assert lines[-1]["counts"] == {"job": 250}
    assert lines[-1]["lines"] == len(lines) - 1


@pytest.mark.parametrize("cut", [10, 3000, -5, -200])
def test_a_file_that_was_cut_off_is_noticed(
    client: Client, other: Client, tmp_path: Path, cut: int
) -> None:
    text = _exported(client, tmp_path / "jobs")[:cut]

    with pytest.raises(ExportFileError):
        import_jobs(other, io.BytesIO(text))
    assert list(other.queues.counts) == []


def test_a_file_that_was_changed_is_noticed(client: Client, other: Client, tmp_path: Path) -> None:
    text = _exported(client, tmp_path / "jobs").replace(b'"j007"', b'"j700"')

    with pytest.raises(ExportFileError, match="checksum"):
        import_jobs(other, io.BytesIO(text))
    assert import_jobs(other, io.BytesIO(text), incomplete=True).restored == 250


@pytest.mark.parametrize("cut", [0, 10, 3000, 20_000, -1])
def test_an_export_that_was_cut_off_is_continued_to_the_same_file(
    client: Client, tmp_path: Path, cut: int
) -> None:
    path = tmp_path / "jobs"
    whole = _exported(client, path)
    path.write_bytes(whole[:cut])

    report = export_jobs(client, path, resume=True)

    assert report.counts == {"job": 250}
    assert path.read_bytes() == whole


def test_an_export_overwrites_nothing_and_resumes_only_the_same(
    client: Client, tmp_path: Path
) -> None:
    path = tmp_path / "jobs"
    whole = _exported(client, path)

    with pytest.raises(ExportFileError, match="exists"):
        export_jobs(client, path)
    with pytest.raises(ExportFileError, match="complete"):
        export_jobs(client, path, resume=True)
    path.write_bytes(whole[:3000])
    with pytest.raises(ExportFileError, match="same options"):
        export_jobs(client, path, "queue:q", resume=True)
    assert path.read_bytes() == whole[:3000]
    with pytest.raises(BadArgumentError):
        export_jobs(client, tmp_path / "new", "state:dreaming")


GOOD = {
    "kind": "job", "jid": "j", "klass": "K", "queue": "q", "state": "waiting", "data": "{}",
    "put_at": 5,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"jid": "a b"}, "jid 'a b' is not a name"),
        ({"jid": None}, "jid None is not a name"),
        ({"klass": ""}, "klass does not have"),
        ({"queue": None}, "queue None is not a name"),
        ({"state": "running"}, "state 'running' is none of"),
        ({"state": "failed"}, "failed_at does not fit"),
        ({"state": "failed", "failed_at": 5}, "needs its failure"),
        ({"state": "scheduled"}, "a scheduled job needs at"),
        ({"put_at": "yesterday"}, "put_at 'yesterday' is not a number"),
        ({"put_at": True}, "put_at True is not a number"),
        ({"data": {}}, "data is not text"),
        ({"data64": "e30="}, "exclude each other"),
        ({"data": None, "data64": "?"}, "data cannot be read"),
        ({"data": None}, "neither data nor data64"),
        ({"data": "\ud800"}, "data cannot be read"),
        ({"strange": 1}, "unknown fields: strange"),
        ({"priority": "high"}, "priority 'high' is not a number"),
        ({"retries": -1}, "retries -1 is not a whole number"),
        ({"tags": "t"}, "tags is not a list"),
        ({"depends": ["a"]}, "depends is not an object"),
        ({"depends": {"a": "dream"}}, "depends of a 'dream' is none of"),
        ({"depends": {str(n): "wait" for n in range(1001)}}, "more than 1000"),
        ({"history": []}, "history is not a list of entries"),
        ({"history": [{"what": "put"}]}, "when None is not a number"),
        ({"history": [{"what": "put", "when": 5, "more": {"a": 2**70}}]}, "cannot be stored"),
        ({"result": "1"}, "only a complete job has a result"),
        ({"throttles": ["queue:q"]}, "leave it out"),
        ({"unique_scope": "queued"}, "need a unique_key"),
        ({"tracked": 1}, "tracked 1 is not true or false"),
        ({"kind": "dream"}, "unknown kind 'dream'"),
        ({"depends": {"j": "wait"}}, "depends on itself"),
    ],
)
def test_a_bad_line_is_reported_by_its_number_and_nothing_else_is_lost(
    client: Client, change: dict[str, Any], reason: str
) -> None:
    header = {"kind": "header", "format": "qless_py export", "version": 1}
    lines = [header, {**GOOD, "jid": "good"}, {**GOOD, **change}, {**GOOD, "jid": "last"}]
    text = "".join(json.dumps(one) + "\n" for one in lines)

    report = import_jobs(client, io.BytesIO(text.encode()), incomplete=True)

    assert (report.restored, report.refused) == (2, 1)
    assert reason in report.reasons[3]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "no header"),
        (b"\x80\x02}q\x00.", "no header"),
        (b'{"kind": "job"}\n', "no header"),
        (b'{"kind": "header", "format": "qless_py export", "version": 2}\n', "version 2"),
    ],
)
def test_what_is_no_export_is_refused(client: Client, text: bytes, reason: str) -> None:
    with pytest.raises(ExportFileError, match=reason):
        import_jobs(client, io.BytesIO(text), incomplete=True)


def test_a_dry_run_writes_nothing(client: Client, other: Client, tmp_path: Path) -> None:
    _exported(client, tmp_path / "jobs", 5)

    report = import_jobs(other, tmp_path / "jobs", dry_run=True)

    assert (report.jobs, report.restored) == (5, 0)
    assert list(other.queues.counts) == []
