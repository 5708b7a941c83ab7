"""Commands for recurring jobs, one by one and from a file."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import redis as redis_py

from qless_py import Client, RecurringJob, protocol
from tests.cli.conftest import Program
from tests.eventually import eventually

SCHEDULE = """\
[hourly]
queue = "reports"
klass = "app.Report"
every = "1h"
data = { of = "sales" }
tags = ["nightly"]

[daily]
queue = "reports"
klass = "app.Report"
cron = "@daily"
zone = "Europe/Berlin"
"""


def recurring(client: Client, jid: str) -> RecurringJob:
    job = client.jobs[jid]
    assert isinstance(job, RecurringJob)
    return job


def test_a_recurring_job_is_added_listed_and_edited(program: Program, live: Client) -> None:
    answer = program.json(
        *("recur", "add", "reports", "app.Report", '{"of": "sales"}', "--every", "1h"),
        *("--after", "30m", "--jid", "hourly", "--priority", "5", "--tag", "t", "--retries", "2"),
    )
    (listed,) = program.json("recur", "list", "--queue", "reports")["recurring"]
    edited = program.json("recur", "edit", "hourly", "--every", "2h", "--to", "slow")

    assert answer == {"jid": "hourly"}
    assert (listed["interval"], listed["data"], listed["priority"]) == (3600, {"of": "sales"}, 5)
    assert (listed["tags"], listed["retries"]) == (["t"], 2)
    assert (edited["interval"], edited["queue"]) == (7200, "slow")
    assert recurring(live, "hourly").interval == 7200
    assert "hourly" in program("recur", "list").stdout


def test_it_is_paused_resumed_run_and_removed(program: Program, live: Client) -> None:
    live.queues["reports"].recur("app.Report", None, 3600, 3600, jid="hourly")

    program("recur", "pause", "hourly")
    assert recurring(live, "hourly").is_paused
    program("recur", "resume", "hourly")
    assert not recurring(live, "hourly").is_paused

    jid = program("recur", "run", "hourly").stdout.strip()
    assert [job.jid for job in live.jobs.get([jid])] == [jid]

    program("recur", "remove", "hourly")
    assert live.jobs["hourly"] is None


def test_jobs_that_do_not_recur_are_not_found(program: Program, live: Client) -> None:
    live.queues["mail"].put("app.Send", jid="one")

    program("recur", "pause", "none", code=3)
    program("recur", "pause", "one", code=3)
    program("recur", "edit", "none", "--every", "1h", code=3)
    program("recur", "edit", "none", code=2)


def test_a_schedule_may_be_a_cron_expression(program: Program, live: Client) -> None:
    program(
        *("recur", "add", "reports", "app.Report", "--jid", "nightly", "--cron", "0 3 * * *"),
        *("--zone", "Europe/Berlin", "--misfire", "skip", "--times", "7", "--user", "ann"),
    )

    (listed,) = program.json("recur", "list")["recurring"]
    edited = program.json("recur", "edit", "nightly", "--cron", "@hourly")

    assert (listed["cron"], listed["zone"]) == ("0 3 * * *", "Europe/Berlin")
    assert (listed["misfire"], listed["limit"], listed["interval"]) == ("skip", 7, None)
    assert edited["next_at"] % 3600 == 0
    assert "Berlin" in program("recur", "list").stdout
    assert recurring(live, "nightly").zone == "Europe/Berlin"


def test_an_interval_or_a_cron_expression_is_needed(program: Program) -> None:
    words = ("recur", "add", "reports", "app.Report")

    program(*words, code=2)
    program(*words, "--every", "1h", "--cron", "@daily", code=2)
    program(*words, "--cron", "every day", code=2)


def test_sync_makes_the_store_what_the_file_says(
    program: Program, live: Client, tmp_path: Path
) -> None:
    (tmp_path / "deploy.toml").write_text(SCHEDULE)
    live.queues["reports"].recur("app.Other", None, 60, 60, jid="other")

    first = program.json("recur", "sync", "deploy.toml")
    slot = recurring(live, "hourly").next_at
    (tmp_path / "deploy.toml").write_text(SCHEDULE.partition("[daily]")[0])
    dry = program.json("recur", "sync", "deploy.toml", "--dry-run")
    assert "daily" in live.jobs
    again = program.json("recur", "sync", "deploy.toml", "--yes")

    assert (first["group"], first["added"], first["removed"]) == ("deploy", ["daily", "hourly"], [])
    assert {**dry, "dry_run": False} == again
    assert (again["kept"], again["removed"]) == (["hourly"], ["daily"])
    assert recurring(live, "hourly").next_at == slot
    assert recurring(live, "hourly").data == {"of": "sales"}
    assert "daily" not in live.jobs
    assert live.jobs["other"] is not None


def test_sync_changes_what_differs(program: Program, live: Client, tmp_path: Path) -> None:
    entry = {"queue": "reports", "klass": "app.Report", "every": "1h"}
    (tmp_path / "schedule.json").write_text(json.dumps({"hourly": entry}))
    program("recur", "sync", "schedule.json")
    (tmp_path / "schedule.json").write_text(json.dumps({"hourly": {**entry, "every": "2h"}}))

    answer = program.json("recur", "sync", "schedule.json")

    assert answer["kept"] == ["hourly"]
    assert recurring(live, "hourly").interval == 7200


def test_nothing_is_removed_without_a_yes(program: Program, live: Client, tmp_path: Path) -> None:
    (tmp_path / "deploy.toml").write_text(SCHEDULE)
    program("recur", "sync", "deploy.toml")
    (tmp_path / "deploy.toml").write_text("")

    program("recur", "sync", "deploy.toml", code=2)

    assert live.jobs["hourly"] is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[hourly]\nqueue = 'q'\nklass = 'k'", "every"),
        ("[hourly]\nqueue = 'q'\nklass = 'k'\nevry = 1", "did you mean 'every'?"),
        ("[hourly]\nqueue = 'q'\nklass = 'k'\nevery = 'soon'", "soon"),
        ("[hourly]\nqueue = 'q'\nklass = 'k'\nevery = 0", "interval"),
        ("[hourly]\nqueue = 'a b'\nklass = 'k'\nevery = 1", "a b"),
        ("['a b']\nqueue = 'q'\nklass = 'k'\nevery = 1", "a b"),
        ("[hourly]\nqueue = 'q'\nklass = 'k'\nevery = 1\nretries = -1", "retries"),
        ("[hourly]\nqueue = 'q'\nklass = 'k'\nevery = 1\ndata = 2020-01-01", "hourly"),
        ("hourly = 1", "hourly"),
        ("[", "schedule.toml"),
    ],
)
def test_a_file_that_is_wrong_changes_nothing(
    program: Program, live: Client, tmp_path: Path, text: str, message: str
) -> None:
    good = "[good]\nqueue = 'q'\nklass = 'k'\nevery = 1\n"
    (tmp_path / "schedule.toml").write_text(f"{text}\n{good}")

    ended = program("recur", "sync", "schedule.toml", code=2)

    assert message in ended.stderr
    assert live.jobs["good"] is None


def test_a_schedule_that_puts_nothing_says_why(
    program: Program, live: Client, redis: redis_py.Redis
) -> None:
    queue = live.queues["reports"]
    queue.recur("app.Report", None, 3600, 60, jid="late")
    queue.recur("app.Report", None, 1, jid="twice", limit=2)
    queue.recur("app.Report", None, 3600, 0.3, jid="until", end=time.time() + 10)
    eventually(lambda: live.queues["other"].pop() is None and recurring(live, "twice").is_over)
    live.run(
        protocol.recurring.recur_encoded(
            *("reports", "dry", "app.Report", b"null"),
            interval=0,
            offset=0,
            options={"cron": "@daily", "zone": "UTC", "ticks": [], "after": 0},
        )
    )
    at = round((time.time() - 300) * 1000)
    redis.zadd("{ql}:queue:reports:recurring", {"late": at})
    redis.zadd("{ql}:due", {"recurring:reports": at})

    shown = {one["jid"]: one for one in program.json("recur", "list")["recurring"]}

    assert "overdue since" in shown["late"]["next"]
    assert "(5 min ago): nothing pops" in shown["late"]["next"]
    assert shown["late"]["overdue"]
    assert shown["twice"]["next"] == "ended: its limit of 2 jobs is reached"
    assert shown["until"]["next"].startswith("ended: no tick is left before its end at")
    assert (shown["twice"]["ended_by"], shown["until"]["ended_by"]) == ("limit", "end")
    assert (shown["dry"]["dry"], shown["dry"]["next"]) == (
        True, "no ticks: the next worker that pops computes them",
    )  # fmt: skip
    assert "no tick is left before its end" in str(live.explain("until"))
    assert "overdue since" in str(live.explain("late"))
    listed = program("recur", "list").stdout
    assert all(shown[jid]["next"] in listed for jid in shown)
