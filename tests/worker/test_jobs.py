"""How workers run jobs and record their outcome."""

from typing import Any

import pytest

from qless_py import Client, Job, JobFailedError
from tests.worker import handlers
from tests.worker.conftest import LinePipe, Start
from tests.worker.job_helpers import steps

pytestmark = pytest.mark.fork


def put(client: Client, klass: Any, data: Any = None, **options: Any) -> str:
    return client.queues["work"].put(klass, data, **options)


def read(client: Client, jid: str) -> Job:
    job = client.jobs[jid]
    assert isinstance(job, Job)
    return job


def result(client: Client, jid: str) -> Any:
    return read(client, jid).wait(40)


def failure(client: Client, jid: str) -> dict[str, Any]:
    with pytest.raises(JobFailedError):
        read(client, jid).wait(40)
    return read(client, jid).failure


def test_a_function_performs_a_job_and_what_it_returns_is_the_result(
    live: Client, start: Start
) -> None:
    jid = put(live, handlers.double, {"number": 21})
    start()

    assert result(live, jid) == 42


@pytest.mark.any_server
def test_the_method_named_like_the_queue_comes_first(live: Client, start: Start) -> None:
    in_work = put(live, handlers.ByQueue)
    in_other = live.queues["other"].put(handlers.ByQueue)
    start("-q", "other")

    assert result(live, in_work) == f"work of {in_work}"
    assert result(live, in_other) == f"perform of {in_other}"


@pytest.mark.any_server
def test_a_handler_that_returns_nothing_completes_without_a_result(
    live: Client, start: Start
) -> None:
    jid = put(live, handlers.nothing)
    start()

    assert result(live, jid) is None
    assert read(live, jid).state == "complete"


@pytest.mark.any_server
def test_an_exception_fails_the_job_under_its_klass_and_name(live: Client, start: Start) -> None:
    jid = put(live, handlers.raises)
    start()

    failed = failure(live, jid)

    assert failed["group"] == "tests.worker.handlers.raises:ValueError"
    assert "this went wrong" in failed["message"]
    assert "qless_py" not in failed["message"]


@pytest.mark.any_server
def test_a_handler_that_exits_fails_its_job_and_not_the_child(live: Client, start: Start) -> None:
    leaving = put(live, handlers.leaves)
    after = put(live, handlers.double, {"number": 1})
    start()

    assert failure(live, leaving)["group"] == "tests.worker.handlers.leaves:SystemExit"
    assert result(live, after) == 2


@pytest.mark.parametrize("klass", ["os.getcwd", "tests.worker.handlers.os.getcwd", "nowhere"])
@pytest.mark.any_server
def test_a_handler_outside_the_named_modules_does_not_run(
    live: Client, start: Start, klass: str
) -> None:
    jid = put(live, klass)
    start()

    failed = failure(live, jid)

    assert failed["group"] == f"{klass}:HandlerNotAllowedError"
    assert "--import: tests.worker.handlers" in failed["message"]


@pytest.mark.any_server
def test_a_missing_handler_fails_the_job_with_a_clear_message(live: Client, start: Start) -> None:
    jid = put(live, "tests.worker.handlers.no_such_thing")
    start()

    failed = failure(live, jid)

    assert failed["group"].endswith(":HandlerNotFoundError")
    assert "no_such_thing" in failed["message"]


@pytest.mark.any_server
def test_an_outcome_set_by_the_handler_stands(live: Client, start: Start) -> None:
    completed = put(live, handlers.completes)
    retried = put(live, handlers.retries)
    failed = put(live, handlers.fails)
    start()

    assert result(live, completed) == "mine"
    assert result(live, retried) is None
    assert [one["what"] for one in read(live, retried).history].count("popped") == 2
    assert failure(live, failed)["group"] == "my-group"


@pytest.mark.any_server
def test_a_result_that_cannot_be_written_fails_the_job(live: Client, start: Start) -> None:
    jid = put(live, handlers.unwritable)
    start()

    assert failure(live, jid)["group"].startswith("tests.worker.handlers.unwritable:")


def test_a_handler_that_fails_with_data_that_cannot_be_written_fails_its_job(
    live: Client, start: Start
) -> None:
    jid = put(live, handlers.spoils_its_data, {"good": 1})
    start()

    assert failure(live, jid)["group"].endswith("spoils_its_data:ValueError")
    assert read(live, jid).data == {"good": 1}


def test_a_result_over_the_limit_fails_the_job_instead_of_running_it_again(
    live: Client, start: Start
) -> None:
    jid = put(live, handlers.large)
    start()

    assert failure(live, jid)["group"].endswith(":DataTooLargeError")
    assert [one["what"] for one in read(live, jid).history].count("popped") == 1


def test_follow_ups_take_effect_with_completion(live: Client, start: Start) -> None:
    jid = put(live, handlers.follows_up)
    start()

    result(live, jid)

    assert result(live, "follow-up") == 8


def test_a_burst_ends_when_nothing_is_left_also_of_what_jobs_put(
    live: Client, start: Start
) -> None:
    for number in range(50):
        put(live, handlers.follows_up if number == 49 else handlers.nothing, jid=f"job-{number}")
    worker = start("--burst", children=2)

    assert worker.wait() == 0
    assert read(live, "follow-up").state == "complete"
    assert len(live.jobs.complete(0, 100)) == 51


def test_an_idle_worker_takes_a_job_as_soon_as_it_is_put(live: Client, start: Start) -> None:
    start()
    result(live, put(live, handlers.nothing))

    for _ in range(10):
        result(live, put(live, handlers.nothing))

    # Nobody who is not woken would look for a job again within a second.
    sample = live.queues["work"].stats()["wait"]
    assert sample["histogram"].get("s0", 0) >= 5


def test_short_jobs_do_not_wait_behind_a_long_one(
    live: Client, start: Start, reports: LinePipe, go: LinePipe
) -> None:
    live.queues["work"].pause()
    quick = [put(live, handlers.nothing) for _ in range(40)]
    data = {"pipe": str(reports.path), "go": str(go.path)}
    long = put(live, handlers.waits, data)
    behind = [put(live, handlers.nothing) for _ in range(10)]
    start(children=2)
    live.queues["work"].unpause()
    reports.line()

    for jid in [*quick, *behind]:
        result(live, jid)
    go.send("on")

    assert result(live, long) == "on"
    assert {step for jid in behind for step in steps(live, jid)} <= {
        *("put", "popped", "released", "done"),
    }


@pytest.mark.any_server
def test_an_async_handler_runs_in_an_event_loop_of_its_own(live: Client, start: Start) -> None:
    jid = put(live, handlers.asynchronous)
    start()

    assert result(live, jid) == 1


def test_workers_are_known_while_they_run_and_gone_afterwards(live: Client, start: Start) -> None:
    worker = start("--burst", children=2)
    worker.wait()
    running = start(children=2)
    result(live, put(live, handlers.nothing))

    known = {row["name"]: row["info"] for row in live.workers.counts}

    assert {info["parent"] for info in known.values()} == {running.process.pid}
    assert all(name.endswith(("-0", "-1")) for name in known)


def test_a_child_shares_no_connection_with_its_parent(live: Client, start: Start) -> None:
    first = start(children=2)
    jids = [put(live, handlers.sockets) for _ in range(4)]
    of_children = {name for jid in jids for name in result(live, jid)}

    of_parent = set(handlers.sockets_of(first.process.pid))

    assert of_children
    assert of_parent
    assert not of_children & of_parent


@pytest.mark.any_server
def test_a_program_started_by_a_job_ignores_no_signal(live: Client, start: Start) -> None:
    jid = put(live, handlers.starts_a_program)
    start()

    ignored = int(result(live, jid), 16)

    # What the interpreter itself ignores, broken pipes and oversized files, is not ours.
    assert ignored & ~(1 << 12 | 1 << 24) == 0
