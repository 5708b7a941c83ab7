"""Job commands: put, pop, show and change jobs, one by one and in bulk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qless_py import Client, Job
from qless_py.client.humanize import local_time
from tests.cli.conftest import Program


def state_of(client: Client, jid: str) -> str:
    job = client.jobs[jid]
    return "gone" if job is None else job.state


def test_put_gives_the_jid_and_takes_every_option(program: Program, live: Client) -> None:
    parent = program("put", "mail", "app.Write").stdout.strip()

    answer = program.json(
        *("put", "mail", "app.Send", '{"to": "ann"}', "--jid", "one", "--priority", "7"),
        *("--tag", "a", "--tag", "b", "--retries", "2", "--depends", parent),
        *("--on-parent-failed", "cancel", "--unique-key", "key", "--keep", "1h"),
        *("--user", "ann", "--throttle", "api", "--throttle", "disk=2.5", "--expires", "+1h"),
        *("--context", "traceparent=00-a-b-01", "--context", "tenant=a=b"),
        *("--soft-limit", "5m", "--hard-limit", "10m", "--retry", '{"backoff": 5, "retries": 3}'),
    )

    job = live.jobs["one"]
    assert answer == {"jid": "one"}
    assert isinstance(job, Job)
    assert (job.data, job.priority, job.tags) == ({"to": "ann"}, 7, ["a", "b"])
    assert (job.original_retries, job.dependencies, job.unique_key) == (2, [parent], "key")
    assert job.state == "depends"
    assert (job.soft_limit, job.hard_limit) == (300, 600)
    assert job.retry_policy is not None
    (seen,) = program.json("jobs", "--user", "ann")["jobs"]
    assert (seen["user"], seen["throttles"]) == ("ann", ["api", "disk"])
    assert seen["expires"] is not None
    assert seen["context"] == {"traceparent": "00-a-b-01", "tenant": "a=b"}


def test_data_comes_from_a_file_or_from_standard_input(
    program: Program, live: Client, tmp_path: Path
) -> None:
    (tmp_path / "data.json").write_text("[1, 2]")

    program("put", "mail", "app.Send", "@data.json", "--jid", "one")
    program("put", "mail", "app.Send", "-", "--jid", "two", stdin='"text"')

    assert [job.data for job in live.jobs.get("one", "two")] == [[1, 2], "text"]


def test_a_job_may_be_put_for_later(program: Program, live: Client) -> None:
    program("put", "mail", "app.Send", "--jid", "span", "--delay", "2h")
    program("put", "mail", "app.Send", "--jid", "day", "--at", "2060-01-01T00:00:00+00:00")
    program("put", "mail", "app.Send", "--jid", "past", "--at", "1000000000")

    span, day = live.jobs["span"], live.jobs["day"]
    assert isinstance(span, Job)
    assert isinstance(day, Job)
    assert span.due_at is not None
    assert day.due_at is not None
    assert span.put_at is not None
    assert span.due_at - span.put_at == pytest.approx(7200)
    assert day.due_at == pytest.approx(2840140800, abs=1)
    assert state_of(live, "past") == "waiting"


def test_many_jobs_are_put_from_lines(program: Program, live: Client) -> None:
    lines = "\n".join(
        json.dumps({"klass": "app.Send", "data": n, "jid": f"j{n}"}) for n in range(250)
    )

    answer = program.json("put", "mail", "--lines", "-", stdin=lines)

    assert answer == {"number": 250}
    assert live.queues["mail"].counts["waiting"] == 250


def test_pop_takes_jobs_and_peek_leaves_them(program: Program, live: Client) -> None:
    live.queues["mail"].put("app.Send", {"to": "ann"}, jid="one")

    (seen,) = program.json("peek", "mail")["jobs"]
    (taken,) = program.json("pop", "mail", "--worker", "me")["jobs"]

    assert (seen["jid"], seen["state"]) == ("one", "waiting")
    assert (taken["jid"], taken["state"], taken["worker"]) == ("one", "running", "me")
    assert taken["lease"]
    assert state_of(live, "one") == "running"


@pytest.mark.parametrize("command", ["pop", "peek"])
def test_an_empty_queue_is_not_found(program: Program, command: str) -> None:
    ended = program(command, "mail", code=3)

    assert ended.stdout == ""
    assert (
        ended.stderr == f"Error: no job is {'ready' if command == 'pop' else 'waiting'} in mail\n"
    )


def fill(client: Client) -> None:
    mail, slow = client.queues["mail"], client.queues["slow"]
    mail.put("app.Send", {"to": "ann"}, jid="w1", tags=["red"])
    mail.put("app.Other", {"to": "bob"}, jid="w2", tags=["red", "blue"])
    mail.put("app.Send", {"to": "eve"}, jid="s1", delay=60)
    slow.put("app.Send", {"to": "dan"}, jid="d1", depends=["w1"])
    slow.put("app.Send", {"to": "bad"}, jid="f1")
    slow.pop(worker="me").fail("app.Send:Oops", "it was too bad")  # type: ignore[union-attr]
    slow.put("app.Send", {"to": "done"}, jid="c1")
    slow.pop(worker="me").complete()  # type: ignore[union-attr]
    slow.put("app.Send", {"to": "now"}, jid="r1")
    slow.pop(worker="me")


@pytest.mark.parametrize(
    ("filters", "jids"),
    [
        ([], {"w1", "w2", "s1", "d1", "f1", "c1", "r1"}),
        (["--queue", "mail"], {"w1", "w2", "s1"}),
        (["--state", "waiting"], {"w1", "w2"}),
        (["--state", "running", "--state", "depends"], {"r1", "d1"}),
        (["--state", "failed"], {"f1"}),
        (["--state", "failed", "--queue", "slow"], {"f1"}),
        (["--state", "complete"], {"c1"}),
        (["--group", "app.Send:Oops"], {"f1"}),
        (["--klass", "app.O*"], {"w2"}),
        (["--tag", "red"], {"w1", "w2"}),
        (["--tag", "red", "--klass", "app.Send"], {"w1"}),
        (["--tag", "blue", "--state", "scheduled"], set()),
        (["--text", "ANN"], {"w1"}),
        (["error:too"], {"f1"}),
        (["state:waiting,running -tag:blue"], {"w1", "r1"}),
        (["data.to:dan"], {"d1"}),
        (["klass:app.Send", "--state", "waiting"], {"w1"}),
    ],
)
def test_jobs_are_found_by_what_they_are(
    program: Program, live: Client, filters: list[str], jids: set[str]
) -> None:
    fill(live)

    answer = program.json("jobs", *filters)

    assert {job["jid"] for job in answer["jobs"]} == jids
    assert answer["cursor"] is None


def test_jobs_come_in_pages(program: Program, live: Client) -> None:
    for number in range(5):
        live.queues["mail"].put("app.Send", jid=f"j{number}")

    first = program.json("jobs", "--count", "3")
    second = program.json("jobs", "--count", "3", "--cursor", first["cursor"])

    assert {job["jid"] for job in first["jobs"] + second["jobs"]} == {f"j{n}" for n in range(5)}
    assert (len(first["jobs"]), second["cursor"]) == (3, None)


def test_a_search_looks_at_no_more_jobs_than_allowed(program: Program, live: Client) -> None:
    live.queues["mail"].put_many([{"klass": "app.Send"} for _ in range(99)])
    live.queues["mail"].put("app.Wanted")

    short = program.json("jobs", "--klass", "app.Wanted", "--budget", "50")
    whole = program.json("jobs", "--klass", "app.Wanted")

    assert (short["jobs"], short["looked_at"]) == ([], 50)
    assert short["cursor"]
    assert (len(whole["jobs"]), whole["cursor"]) == (1, None)


def test_a_job_is_shown_with_its_history(program: Program, live: Client) -> None:
    fill(live)

    answer = program.json("job", "show", "f1")
    page = program("job", "show", "f1").stdout

    assert answer["failure"]["group"] == "app.Send:Oops"
    assert [entry["what"] for entry in answer["history"]] == ["put", "popped", "failed"]
    assert "it was too bad" in page
    assert "popped" in page


def test_a_job_without_retries_left_shows_none(program: Program, live: Client) -> None:
    live.queues["mail"].put("app.Send", jid="one", retries=1)
    for _ in range(2):
        job = live.queues["mail"].pop()
        assert isinstance(job, Job)
        job.retry()

    assert "0 of 1 left" in program("job", "show", "one").stdout
    assert "0/1" in program("jobs").stdout
    assert program.json("job", "show", "one")["retries_left"] == -1


def test_a_retried_attempt_is_shown_with_its_error_and_when_it_runs_again(
    program: Program, live: Client
) -> None:
    live.queues["q"].put("K", jid="j")
    job = live.queues["q"].pop()
    assert job is not None
    job.retry(3600, "K:ValueError", "no such user: 7")

    shown = program("job", "show", "j").stdout
    history = program.json("job", "show", "j")["history"]
    (entry,) = [one for one in history if one["what"] == "retried"]

    assert "no such user: 7" in shown
    assert local_time(entry["due_at"]) in shown
    assert entry["due_at"] - entry["when"] == pytest.approx(3600)


def test_an_entry_of_ones_own_joins_the_history(program: Program, live: Client) -> None:
    live.queues["mail"].put("app.Send", jid="one")

    answer = program.json("job", "log", "one", "checked", "--data", '{"by": "ann"}')

    assert answer["history"][-1]["what"] == "checked"
    assert answer["history"][-1]["by"] == "ann"


def test_a_failed_job_is_put_again(program: Program, live: Client) -> None:
    fill(live)

    answer = program.json("job", "retry", "f1")

    assert (answer["done"], answer["refused"]) == (1, [])
    assert state_of(live, "f1") == "waiting"


def test_a_complete_job_goes_back_to_where_it_was(program: Program, live: Client) -> None:
    fill(live)

    refused = program.json("job", "retry", "c1", code=1)
    assert "complete" in refused["refused"][0]["error"]
    program("job", "requeue", "c1")

    job = live.jobs["c1"]
    assert isinstance(job, Job)
    assert (job.state, job.queue_name) == ("waiting", "slow")


def test_only_failed_and_scheduled_jobs_are_retried(program: Program, live: Client) -> None:
    fill(live)

    answer = program.json("job", "retry", "r1", "w1", "s1", code=1)

    assert answer["done"] == 1
    assert {one["jid"] for one in answer["refused"]} == {"r1", "w1"}
    assert state_of(live, "r1") == "running"


def test_jobs_are_moved_finished_and_given_a_priority(program: Program, live: Client) -> None:
    fill(live)

    program("job", "move", "w1", "w2", "--to", "other")
    program("job", "priority", "w2", "--to", "9")
    program("job", "finish", "r1", "--result", "42")

    first, second, third = live.jobs.get("w1", "w2", "r1")
    assert isinstance(third, Job)
    assert (first.queue_name, second.queue_name) == ("other", "other")
    assert second.priority == 9
    assert (third.state, third.result) == ("complete", 42)


def test_a_job_is_edited_in_one_step(program: Program, live: Client) -> None:
    live.queues["mail"].put("app.Send", {"to": "ann"}, jid="one", tags=["old"])

    program("job", "edit", "one", "--data", '{"to": "bob"}', "--priority", "4", "--tag", "new")

    job = live.jobs["one"]
    assert isinstance(job, Job)
    assert (job.data, job.priority, job.tags) == ({"to": "bob"}, 4, ["new"])
    assert program.json("job", "edit", "one", "--tag", "b")["tags"] == ["b"]
    live.queues["mail"].pop()
    assert "WRONGSTATE" in program("job", "edit", "one", "--data", "1", "--json", code=1).stderr
    program("job", "edit", "one", code=2)


def test_the_attempts_of_a_job_are_shown(program: Program, live: Client) -> None:
    live.queues["mail"].put("app.Send", jid="one")
    (job,) = live.queues["mail"].pop(1, worker="w1")
    job.retry(0, "app.Send:Refused", "Refused: mailbox full")
    live.queues["mail"].pop(1, worker="w2")

    first, second = program.json("job", "attempts", "one")["attempts"]

    assert (first["worker"], first["outcome"], first["error"]) == (
        "w1", "retried", "Refused: mailbox full",
    )  # fmt: skip
    assert (second["worker"], second["outcome"], second["ended_at"]) == ("w2", "running", None)
    assert "mailbox full" in program("job", "attempts", "one").stdout


def test_jobs_are_tagged_and_tracked(program: Program, live: Client) -> None:
    live.queues["mail"].put("app.Send", jid="one", tags=["old"])

    program("job", "tag", "one", "--add", "new", "--add", "newer")
    program("job", "untag", "one", "--remove", "old")
    program("job", "track", "one")
    tracked = program.json("tracked")["jobs"]
    program("job", "untrack", "one")

    (job,) = live.jobs.get(["one"])
    assert job.tags == ["new", "newer"]
    assert [one["jid"] for one in tracked] == ["one"]
    assert program.json("tracked")["jobs"] == []
    tags = program.json("tags")["tags"]
    assert {one["tag"]: one["number"] for one in tags} == {"new": 1, "newer": 1}


def test_missing_jobs_are_not_found(program: Program, live: Client) -> None:
    live.queues["mail"].put("app.Send", jid="one")

    answer = program.json("job", "cancel", "one", "none", code=3)

    assert (answer["done"], answer["missing"]) == (1, ["none"])
    program("job", "show", "none", code=3)
    program("job", "log", "none", "hello", code=3)


def test_a_bulk_action_must_be_agreed_to(program: Program, live: Client) -> None:
    fill(live)

    ended = program("job", "cancel", "--queue", "mail", code=2)
    dry = program.json("job", "cancel", "--queue", "mail", "--dry-run")

    assert "Cancel 3 jobs? Confirm with --yes" in ended.stderr
    assert (dry["matched"], dry["done"], dry["dry_run"]) == (3, 0, True)
    assert state_of(live, "w2") == "waiting"


def test_a_bulk_action_reaches_all_jobs_and_no_others(program: Program, live: Client) -> None:
    for start in range(0, 2300, 100):
        live.queues["mail"].put_many(
            [{"klass": "app.Send", "jid": f"j{start + n}"} for n in range(100)]
        )
    live.queues["slow"].put("app.Send", jid="other")

    answer = program.json("job", "cancel", "--queue", "mail", "--yes")

    assert (answer["matched"], answer["done"]) == (2300, 2300)
    assert len(live.queues["mail"]) == 0
    assert state_of(live, "other") == "waiting"


def test_a_bulk_action_stops_at_its_limit(program: Program, live: Client) -> None:
    live.queues["mail"].put_many([{"klass": "app.Send"} for _ in range(9)])

    answer = program.json("job", "cancel", "--queue", "mail", "--limit", "4", "--yes")

    assert answer["done"] == 4
    assert len(live.queues["mail"]) == 5


def test_jobs_and_those_that_depend_on_them_are_canceled_together(
    program: Program, live: Client
) -> None:
    queue = live.queues["mail"]
    queue.put("app.Send", jid="first")
    for number in range(150):
        queue.put("app.Send", jid=f"j{number}", depends=[f"j{number - 1}" if number else "first"])

    refused = program.json("job", "cancel", "first", code=1)
    answer = program.json("job", "cancel", "--klass", "app.*", "--yes")

    assert refused["refused"][0]["jid"] == "first"
    assert (answer["done"], answer["refused"]) == (151, [])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["put", "mail"], "KLASS"),
        (["put", "mail", "app.Send", "{"], "not JSON"),
        (["put", "mail", "app.Send", "@/no/such"], "/no/such"),
        (["put", "no name", "app.Send"], "no name"),
        (["put", "mail", "app.Send", "--delay", "soon"], "soon"),
        (["put", "mail", "app.Send", "--at", "soon"], "soon"),
        (["put", "mail", "app.Send", "--at", "+1h", "--delay", "1h"], "--delay"),
        (["put", "mail", "app.Send", "--lines", "-"], "--lines"),
        (["job", "cancel"], "jids or filters"),
        (["job", "cancel", "one", "--queue", "mail"], "only one of them"),
        (["job", "log", "one", "--data", "1"], "--data"),
        (["jobs", "stat:failed"], "did you mean state"),
        (["jobs", "--cursor", "nonsense"], "cursor"),
        (["job", "cancel", "--search", "age:>5", "--yes"], "age"),
        (["put", "mail", "app.Send", "--throttle", "a=b"], "'b'"),
        (["put", "mail", "app.Send", "--retry", '{"on": 1}'], "--retry"),
        (["jobs", "--count", "0"], "0"),
    ],
)
def test_usage_errors_change_nothing(
    program: Program, live: Client, words: list[str], message: str
) -> None:
    ended = program(*words, code=2, stdin="")

    assert ended.stderr.count("\n") == 1
    assert message in ended.stderr
    assert live.queues.counts == []


def test_lines_that_were_put_and_lines_that_were_not_are_reported(
    program: Program, live: Client
) -> None:
    good, bad = '{"klass": "app.Send"}\n', '{"klass": "app.Send", "bogus": 1}\n'

    ended = program("put", "mail", "--lines", "-", code=2, stdin=good * 103 + bad + good)
    unread = program("put", "slow", "--lines", "-", "--json", code=2, stdin=good * 102 + "nonsense")

    assert ended.stderr.splitlines() == [
        "None of lines 101 to 105 was put",
        "100 jobs put before this error",
        "Error: unknown options: bogus",
    ]
    assert unread.stderr.splitlines()[0] == "100 jobs put before this error"
    assert "line 103 is not JSON" in json.loads(unread.stderr.splitlines()[1])["message"]
    assert (len(live.queues["mail"]), len(live.queues["slow"])) == (100, 100)


def test_bad_lines_are_named(program: Program, live: Client) -> None:
    lines = '{"klass": "app.Send"}\n\nnonsense'

    ended = program("put", "mail", "--lines", "-", code=2, stdin=lines)

    assert "line 3" in ended.stderr
    assert live.queues.counts == []


def test_attempts_and_lost_leases_are_counted_apart(program: Program) -> None:
    jid = program("put", "mail", "app.Send", "--attempts", "5", "--retries", "2").stdout.strip()

    shown = program("job", "show", jid).stdout

    assert "0 of 5 failed" in shown
    assert "2 of 2 left for lost leases" in shown
    both = program("put", "mail", "app.Send", "--attempts", "5", "--retry", "{}", code=None)
    assert both.exit_code != 0
    assert "attempts and retry exclude each other" in both.output


def test_failure_groups_show_what_is_new_and_messages_that_are_alike(
    program: Program, live: Client
) -> None:
    for group, queue, message in (("old", "a", "gone"), ("new", "b", "took 5 s"),
                                  ("new", "b", "took 7 s")):  # fmt: skip
        live.queues[queue].put("app.Send")
        job = live.queues[queue].pop()
        assert job is not None
        job.fail(group, message)
        if group == "old":
            program("deploy", "v1")

    shown = program("failed", "groups").stdout
    assert [line.split()[:2] for line in shown.splitlines()[1:]] == [["+", "new"], ["old", "1"]]
    (found,) = program.json("failed", "groups", "--new", "--within", "1h")["groups"]
    assert [found[name] for name in ("group", "number", "failures", "queues", "new")] == [
        "new", 2, 2, ["b"], True,
    ]  # fmt: skip
    assert len(found["hours"]) == 24
    answer = program.json("failed", "show", "new")
    (cluster,) = answer["clusters"]
    assert (cluster["pattern"], cluster["count"]) == ("took … s", 2)
    assert len(program.json("jobs", cluster["search"])["jobs"]) == 2
    assert "took … s" in program("failed", "show", "new").stdout
    program("failed", "show", "nobody", code=3)
    assert "No deploy is marked" not in program("failed", "groups", "--new").stderr
    program("job", "cancel", "--group", "new", "--yes")
    seen = program.json("failed", "groups", "--seen", "--text", "NEW", "--sort", "count")["groups"]
    assert [(one["group"], one["number"]) for one in seen] == [("new", 0)]
