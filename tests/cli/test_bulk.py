"""Bulk commands carried out by workers, dependencies, and errors as JSON."""

from __future__ import annotations

import json

import pytest

from qless_py import Client, Job
from qless_py.client import bulk, operations
from qless_py.client.operations import TAG
from qless_py.handlers.resolve import OPERATIONS_KLASS, OPERATIONS_QUEUE
from tests.cli.conftest import Program
from tests.cli.test_jobs import fill, state_of


def work(client: Client) -> None:
    """Carry out what waits in the reserved queue, as a worker does."""
    job = client.queues[OPERATIONS_QUEUE].pop()
    assert job is not None
    job.complete(result=operations.carry_out(job))


@pytest.mark.parametrize(
    ("words", "jids"),
    [
        (("--queue", "slow"), {"d1", "f1", "r1"}),
        (("--queue", "slow", "--state", "failed", "--state", "running"), {"f1", "r1"}),
        (("--queue", "mail", "--state", "waiting", "--limit", "1"), {"w1"}),
        (("--state", "failed"), {"f1"}),
        (("--everything",), {"w1", "w2", "s1", "d1", "f1", "c1", "r1"}),
        (("--search", "klass:app.Send"), None),
    ],
)
def test_a_dry_run_counts_what_would_be_changed(
    program: Program, live: Client, words: tuple[str, ...], jids: set[str] | None
) -> None:
    fill(live)

    dry = program.json("job", "tag", *words, "--add", "seen", "--dry-run")
    done = program.json("job", "tag", *words, "--add", "seen", "--yes")

    assert (dry["matched"], dry["counted_all"], dry["done"]) == (done["matched"], True, 0)
    tagged = set(live.jobs.tagged("seen")["jobs"])
    assert len(tagged) == dry["matched"]
    assert jids is None or tagged == jids


def test_a_dry_run_of_a_search_is_bounded(
    program: Program, live: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(live)
    monkeypatch.setattr(bulk.count, "__defaults__", (3,))

    dry = program("job", "cancel", "--klass", "app.*", "--dry-run").stdout

    assert dry.startswith("Would cancel at least ")


@pytest.mark.parametrize(
    ("words", "action", "search", "params", "changed"),
    [
        (["job", "retry", "--state", "failed"], "retry", "state:failed", {}, {"f1"}),
        (
            ["job", "retry", "--klass", "app.*", "--to", "other"],
            "move",
            "state:failed,scheduled klass:app.*",
            {"queue": "other"},
            {"f1", "s1"},
        ),
        (["job", "cancel", "--everything"], "cancel", "", {}, {"w1", "w2", "s1", "d1", "f1", "r1"}),
        (["job", "timeout", "--search", "worker:me"], "timeout", "worker:me", {}, {"r1"}),
        (["job", "priority", "--tag", "red", "--to", "7"], "priority", 'tag:"red"', None, None),
        (["job", "tag", "--queue", "mail", "--add", "a"], "tag", 'queue:"mail"', None, None),
        (["job", "untag", "--tag", "red", "--remove", "red"], "untag", 'tag:"red"', None, None),
        (["job", "move", "--text", "ann", "--to", "x"], "move", '"ann"', {"queue": "x"}, {"w1"}),
        (["failed", "cancel", "app.Send:Oops"], "cancel", 'group:"app.Send:Oops"', {}, {"f1"}),
        (["failed", "retry", "app.Send:Oops"], "retry", 'group:"app.Send:Oops"', {}, {"f1"}),
        (
            ["queue", "purge", "mail", "--state", "scheduled"],
            "cancel",
            'state:scheduled queue:"mail"',
            {},
            {"s1"},
        ),
    ],
)
def test_workers_carry_out_a_bulk_command_in_the_background(  # noqa: PLR0913, PLR0917 - a table
    program: Program,
    live: Client,
    words: list[str],
    action: str,
    search: str,
    params: dict[str, object] | None,
    changed: set[str] | None,
) -> None:
    fill(live)
    jids = ("w1", "w2", "s1", "d1", "f1", "c1", "r1")
    before = {jid: (job.state, job.queue_name) for jid in jids if (job := live.jobs[jid])}

    dry = program.json(*words, "--in-background", "--dry-run")
    answer = program.json(*words, "--in-background", "--yes")

    assert (dry["operation"], dry["matched"], dry["dry_run"]) == (None, answer["matched"], True)
    begun = program.json("operations", "show", answer["operation"])
    assert (begun["action"], begun["search"], begun["over"]) == (action, search, False)
    assert params is None or begun["params"] == params
    work(live)
    after = {jid: (job.state, job.queue_name) for jid in jids if (job := live.jobs[jid])}
    if changed is not None:
        assert {jid for jid in jids if before[jid] != after.get(jid)} == changed
    ended = program.json("operations", "show", answer["operation"], "--wait", "5s")
    assert ended["over"]
    assert ended["done"] + ended["refused"] == answer["matched"] > 0
    assert ended["refused"] == len(ended["errors"])


def test_operations_are_listed_and_aborted(program: Program, live: Client) -> None:
    live.queues["mail"].put_many([{"klass": "app.Send"}] * 7)
    begin = ("job", "cancel", "--everything", "--in-background")
    refused = program(*begin, code=2).stderr
    started = program(*begin, "--yes")
    second = program.json(*begin, "--yes")["operation"]

    assert "Cancel 7 jobs? Confirm with --yes" in refused
    first = started.stdout.strip()
    assert "No worker was seen" in started.stderr
    assert {one["jid"] for one in program.json("operations", "list")["operations"]} == {
        first,
        second,
    }
    assert "everything" in program("operations", "list", "--count", "1").stdout
    waited = program("operations", "show", first, "--wait", "1ms", code=1).stdout
    assert "waiting" in waited
    program("operations", "abort", first, "none", code=3)
    assert live.operations[first].state == "waiting"
    (answer,) = program.json("operations", "abort", first)["operations"]
    assert (answer["aborted"], answer["over"]) == (True, True)
    assert "aborted" in program("operations", "show", first).stdout
    live.queues["mail"].put("app.Send", jid="one")
    program("operations", "show", "one", code=3)
    program("operations", "abort", "one", code=3)
    assert state_of(live, "one") == "waiting"


def test_a_job_that_resembles_an_operation_hides_none(program: Program, live: Client) -> None:
    queue = live.queues["mail"]
    queue.put("app.Send", tags=[TAG])
    queue.put(OPERATIONS_KLASS, [1], tags=[TAG], jid="list")
    queue.put(OPERATIONS_KLASS, {"params": 1, "done": "x", "errors": 5}, tags=[TAG], jid="wrong")
    jid = live.operations.start("cancel", "")

    listed = program.json("operations", "list")["operations"]

    assert {one["jid"] for one in listed} == {"list", "wrong", jid}
    assert "wrong" in program("operations", "list").stdout
    assert program.json("operations", "show", "wrong")["done"] == 0


def test_operations_are_left_alone_by_bulk_actions(program: Program, live: Client) -> None:
    fill(live)
    jid = live.operations.start("retry", "state:failed")

    answer = program.json("job", "cancel", "--everything", "--yes", code=1)
    listed = program.json("job", "cancel", "--state", "waiting", "--dry-run")

    assert (answer["done"], [one["jid"] for one in answer["refused"]]) == (6, ["c1"])
    assert listed["matched"] == 0
    assert live.operations[jid].state == "waiting"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["job", "cancel", "one", "--in-background"], "with filters, not with jids"),
        (["job", "cancel", "--queue", "a", "--limit", "1", "--in-background"], "--limit"),
        (["job", "cancel", "--everything", "--queue", "a"], "--everything"),
        (["job", "cancel", "--everything", "one"], "--everything"),
        (["job", "finish", "--queue", "a", "--in-background"], "--in-background"),
        (["job", "cancel", "--search", "stat:a", "--in-background", "--yes"], "did you mean state"),
        (["job", "undepend", "one"], "--all"),
        (["job", "undepend", "one", "--all", "--on", "two"], "--all"),
        (["job", "depend", "one"], "--on"),
        (["operations", "show", "a b"], "a b"),
    ],
)
def test_usage_errors_start_nothing(
    program: Program, live: Client, words: list[str], message: str
) -> None:
    assert message in program(*words, code=2).stderr
    assert live.operations.recent() == []


def test_a_running_job_is_taken_from_its_worker(program: Program, live: Client) -> None:
    fill(live)

    answer = program.json("job", "timeout", "r1", "w1", code=1)

    assert (answer["done"], [one["jid"] for one in answer["refused"]]) == (1, ["w1"])
    assert state_of(live, "r1") == "stalled"


def test_a_job_waits_for_others_and_no_longer(program: Program, live: Client) -> None:
    fill(live)

    more = program.json("job", "depend", "d1", "--on", "w2", "--on", "s1")
    less = program.json("job", "undepend", "d1", "--on", "w1")
    shown = program("job", "undepend", "d1", "--all").stdout

    assert (more["state"], set(more["depends"])) == ("depends", {"w1", "w2", "s1"})
    assert set(less["depends"]) == {"w2", "s1"}
    assert shown == "d1 is waiting\n"
    assert "depends state" in program("job", "depend", "w1", "--on", "s1", code=1).stderr
    program("job", "depend", "none", "--on", "w1", code=3)


def test_a_job_that_is_gone_is_untracked(program: Program, live: Client) -> None:
    live.queues["mail"].put("app.Send", jid="one")
    live.track("one")
    job = live.jobs["one"]
    assert isinstance(job, Job)
    job.cancel()
    live.queues["mail"].put("app.Send", jid="two")

    assert program.json("tracked")["expired"] == ["one"]
    answer = program.json("job", "untrack", "one", "two", "none", code=3)

    assert (answer["done"], answer["missing"]) == (2, ["none"])
    assert program.json("tracked")["expired"] == []


def test_each_job_counts_once_and_a_limit_holds_for_jids(program: Program, live: Client) -> None:
    fill(live)

    answer = program.json("job", "finish", "w1", "w1", "w2", "--limit", "1")
    moved = program.json("job", "requeue", "w2", "w2", "--to", "slow")

    assert (answer["matched"], answer["done"]) == (1, 1)
    assert (moved["matched"], moved["done"]) == (1, 1)
    assert state_of(live, "w1") == "complete"


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["queus"], 2, "USAGE"),
        (["jobs", "--count", "x"], 2, "USAGE"),
        (["put", "mail", "app\n.Send"], 2, "BADARG"),
        (["config", "set", "heartbeat", "x"], 2, "BADCONFIG"),
        (["job", "show", "none"], 3, "NOTFOUND"),
        (["job", "explain", "none"], 3, "NOJOB"),
        (["put", "mail", "app.Send", "--jid", "one", "--on-conflict", "raise"], 1, "EXISTS"),
        (["job", "depend", "one", "--on", "two"], 1, "WRONGSTATE"),
        (["queues", "--url", "redis://127.0.0.1:1/0"], 1, "NOSTORE"),
        (["queues", "--url", "ftp://here"], 1, "NOSTORE"),
        (["config", "init", "/no/such/folder/file"], 1, "FAILED"),
    ],
)
def test_an_error_is_an_object_with_json(
    program: Program, live: Client, words: list[str], code: int, error: str
) -> None:
    live.queues["mail"].put("app.Send", jid="one")

    plain = program(*words, code=code)
    ended = program(*words, "--json", code=code)
    first = program("--json", *words, code=code)

    answer = json.loads(ended.stderr)
    assert ended.stderr == first.stderr
    assert (set(answer), answer["error"], ended.stdout) == ({"error", "message"}, error, "")
    assert plain.stderr == f"Error: {answer['message']}\n"
