"""`export` and `import` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Program


def _put(program: Program, *jids: str) -> None:
    for jid in jids:
        program("put", "mail", "app.Send", '{"n": 1}', "--jid", jid)


def test_jobs_go_through_a_file_into_another_namespace_and_queue(program: Program) -> None:
    _put(program, "a", "b")
    assert "Exported 2 jobs" in program("export", "--output", "jobs.jsonl").stderr

    answer = program("import", "jobs.jsonl", "--namespace", "other", "--queue", "mail=letters")

    assert answer.stdout == "Restored 2 jobs\n"
    (row,) = program.json("queues", "--namespace", "other")["queues"]
    assert (row["name"], row["waiting"]) == ("letters", 2)


def test_jobs_go_through_a_pipe(program: Program) -> None:
    _put(program, "a", "b", "c")
    text = program("export", "jid:b").stdout

    report = program.json("import", "-", "--namespace", "other", stdin=text)

    assert (report["restored"], report["namespace"], report["refused"]) == (1, "ql", 0)


def test_filters_are_those_of_the_other_commands(program: Program) -> None:
    _put(program, "a", "b")
    program("put", "work", "app.Work", "--jid", "c")

    answer = program.json("export", "--queue", "mail", "--output", "jobs")

    assert answer["counts"] == {"job": 2}
    program("export", "--queue", "a b", code=2)
    assert "dreams" in program("export", "state:dreams", code=2).stderr


def test_a_bad_line_is_shown_by_its_number_and_the_exit_code_says_so(program: Program) -> None:
    _put(program, "a", "b")
    program("export", "--output", "jobs")
    path = Path("jobs")
    path.write_text(path.read_text().replace('"app.Send"', '""', 1))

    ended = program("import", "jobs", "--namespace", "other", code=1)
    assert "checksum" in ended.stderr
    ended = program("import", "jobs", "--namespace", "other", "--incomplete", code=1)

    assert "Restored 1 job\n" in ended.stdout
    assert "line 3: klass does not have 1 to 255 bytes" in ended.stderr


def test_a_dry_run_tells_what_would_be_done(program: Program) -> None:
    _put(program, "a")
    program("export", "--output", "jobs")

    assert program("import", "jobs", "--namespace", "other", "--dry-run").stdout == (
        "Would restore up to 1 job\n"
    )
    assert program.json("queues", "--namespace", "other")["queues"] == []


def test_wrong_words_are_usage_errors(program: Program) -> None:
    assert "--resume needs --output" in program("export", "--resume", code=2).stderr
    _put(program, "a")
    program("export", "--output", "jobs")
    assert "jobs exists" in program("export", "--output", "jobs", code=1).stderr
    assert "OLD=NEW" in program("import", "jobs", "--queue", "mail", code=2).stderr
    assert "not a name" in program("import", "jobs", "--queue", "mail=a b", code=2).stderr
    assert "No such file" in program("import", "nowhere", code=1).stderr
    Path("text").write_text("hello\n")
    assert "no header" in program("import", "text", code=1).stderr


def test_everything_is_exported_on_request(program: Program) -> None:
    program("throttles", "set", "smtp", "--concurrency", "3")
    program("recur", "add", "mail", "app.Tick", "--every", "60", "--jid", "tick")

    answer = program.json("export", "--output", "jobs", "--with", "everything")

    assert (answer["counts"]["throttle"], answer["counts"]["recurring"]) == (1, 1)
    text = Path("jobs").read_text()
    assert {json.loads(line)["kind"] for line in text.splitlines()} >= {"config", "recurring"}
