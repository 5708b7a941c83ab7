"""Commands for queues, failure groups, workers, options, statistics and checks."""

from __future__ import annotations

import json
import time

import pytest
import redis as redis_py

from qless_py import Client, Job, protocol
from tests.cli.conftest import Program


def test_queues_are_listed_with_their_counts(program: Program, live: Client) -> None:
    live.queues["mail"].put("app.Send")
    live.queues["mail"].put("app.Send", delay=60)
    live.queues["slow"].recur("app.Send", None, 60, 60)

    answer = program.json("queues")["queues"]

    assert [one["name"] for one in answer] == ["mail", "slow"]
    assert (answer[0]["waiting"], answer[0]["scheduled"], answer[1]["recurring"]) == (1, 1, 1)
    assert "mail" in program("queues").stdout


def test_a_queue_is_paused_with_a_reason_and_an_end(program: Program, live: Client) -> None:
    live.queues["mail"].put("app.Send")

    program("queue", "pause", "mail", "slow", "--reason", "no mail server", "--for", "1h", "--new")
    answer = program.json("queue", "show", "mail")
    shown = program("queues").stdout
    program("queue", "unpause", "mail")

    assert answer["paused"]
    assert answer["pause"]["reason"] == "no mail server"
    assert answer["pause"]["until"] == pytest.approx(time.time() + 3600, abs=60)
    assert "no mail server" in shown
    assert not live.queues["mail"].is_paused
    assert live.queues["slow"].is_paused


@pytest.mark.parametrize("words", [("pause",), ("unpause",), ("purge", "--yes"), ("show",)])
def test_a_queue_that_does_not_exist_is_not_found(
    program: Program, live: Client, words: tuple[str, ...]
) -> None:
    live.queues["mail"].put("app.Send")

    ended = program("queue", words[0], "mial", *words[1:], code=3)

    assert "queue mial does not exist: did you mean mail?" in ended.stderr
    assert [row["name"] for row in live.queues.counts] == ["mail"]


def test_options_of_a_queue_are_set_and_unset(program: Program, live: Client) -> None:
    live.queues["mail"].put("app.Send")

    answer = program.json("queue", "set", "mail", "heartbeat=300")
    assert answer["options"]["heartbeat"] == 300
    assert live.queues["mail"].heartbeat == 300

    program("queue", "set", "mail", "heartbeat=")
    assert live.queues["mail"].heartbeat == 60


def test_an_option_that_cannot_be_is_rejected(program: Program) -> None:
    ended = program("queue", "set", "mail", "heartbeat=soon", code=2)

    assert "heartbeat" in ended.stderr
    program("queue", "set", "mail", "heartbeat", code=2)


def test_an_option_that_no_queue_has_is_rejected_and_nothing_set(
    program: Program, live: Client
) -> None:
    output = program("queue", "set", "mail", "heartbeat=30", "heartbeet=30", code=2).stderr
    assert "unknown option 'heartbeet': did you mean 'heartbeat'?" in output
    assert "mail-heartbeat" not in live.config
    assert "mail-jobs-history" in program("config", "set", "mail-jobs-history", "5", code=2).stderr

    policy = '{"backoff": {"first": 5, "factor": 2}}'
    answer = program.json("queue", "set", "mail", f"retry-policy={policy}", "heartbeat=30")
    stored = json.loads(answer["options"]["retry-policy"])["on"]["Exception"]
    assert (stored["backoff"]["first"], stored["backoff"]["factor"]) == (5, 2)
    program("put", "mail", "app.Send", "--retry", policy)
    program("config", "set", "slow-retry-policy", policy)
    program("config", "set", "slow-heartbeat", "20")
    assert program.json("queue", "show", "mail")["options"] == answer["options"]


def test_purge_cancels_what_is_in_the_queue(program: Program, live: Client) -> None:
    for name in ("mail", "slow"):
        live.queues[name].put_many([{"klass": "app.Send"}, {"klass": "app.Send", "delay": 60}])
    live.queues["mail"].pop(worker="me")

    scheduled = program.json("queue", "purge", "mail", "--state", "scheduled", "--yes")
    rest = program.json("queue", "purge", "mail", "--yes")

    assert (scheduled["done"], rest["done"]) == (1, 1)
    assert len(live.queues["slow"]) == 2


def test_a_queue_with_jobs_is_forgotten_only_if_agreed(program: Program, live: Client) -> None:
    live.queues["mail"].put("app.Send")

    program("queue", "forget", "mail", code=2)
    program("queue", "forget", "mail", "--yes")

    assert live.queues.counts == []
    assert "none" in program("queue", "forget", "none", "--yes", code=3).stderr
    program("queue", "show", "none", code=3)
    live.queues["mail"].put("app.Send")  # known again, so that the namespace is sound


def fail_some(client: Client, number: int, queue: str = "mail") -> None:
    for _ in range(number):
        client.queues[queue].put("app.Send")
        job = client.queues[queue].pop(worker="me")
        assert job is not None
        job.fail("app.Send:Oops", "first line\nlast line")


def test_failure_groups_and_their_jobs_are_listed(program: Program, live: Client) -> None:
    fail_some(live, 3)

    groups = program.json("failed", "groups")["groups"]
    page = program.json("failed", "list", "app.Send:Oops", "--count", "2")

    assert [(one["group"], one["number"]) for one in groups] == [("app.Send:Oops", 3)]
    assert (page["total"], len(page["jobs"])) == (3, 2)
    assert "first line" in program("failed", "list", "app.Send:Oops").stdout
    program("failed", "list", "none", code=3)


def test_a_group_is_retried_where_its_jobs_were(program: Program, live: Client) -> None:
    fail_some(live, 2)
    fail_some(live, 1, "slow")

    program("failed", "retry", "app.Send:Oops", code=2)
    answer = program.json("failed", "retry", "app.Send:Oops", "--yes")

    assert answer["done"] == 3
    assert (len(live.queues["mail"]), len(live.queues["slow"])) == (2, 1)


def test_a_group_is_retried_in_another_queue_up_to_a_limit(program: Program, live: Client) -> None:
    fail_some(live, 5)
    words = ("failed", "retry", "app.Send:Oops", "--to", "slow", "--limit", "3")

    dry = program.json(*words, "--dry-run")
    answer = program.json(*words, "--yes")

    assert (dry["matched"], dry["done"]) == (3, 0)
    assert (answer["matched"], answer["done"]) == (3, 3)
    assert live.jobs.failed() == {"app.Send:Oops": 2}
    assert len(live.queues["slow"]) == 3


def test_a_group_is_canceled(program: Program, live: Client) -> None:
    fail_some(live, 2)

    assert program.json("failed", "cancel", "app.Send:Oops", "--yes")["done"] == 2
    assert live.jobs.failed() == {}


@pytest.mark.parametrize("words", [("retry",), ("retry", "--dry-run"), ("cancel",)])
def test_a_group_without_jobs_is_not_found(
    program: Program, live: Client, words: tuple[str, ...]
) -> None:
    live.queues["mail"].put("app.Send")
    job = live.queues["mail"].pop()
    assert job is not None
    job.fail("app.Send:Oops", "oops")

    ended = program("failed", words[0], "app.Send:Ops", "--yes", *words[1:], code=3)

    assert "failure group app.Send:Ops is empty: did you mean app.Send:Oops?" in ended.stderr


def test_workers_are_listed_shown_and_forgotten(program: Program, live: Client) -> None:
    live.run(protocol.workers.beat("box-1-0", b'{"host": "box", "pid": 1, "rss": 1048576}'))
    live.queues["mail"].put("app.Send", jid="one")
    live.queues["mail"].pop(worker="box-1-0")

    (worker,) = program.json("workers", "list")["workers"]
    shown = program.json("workers", "show", "box-1-0")

    assert (worker["name"], worker["jobs"], worker["info"]["host"]) == ("box-1-0", 1, "box")
    assert (shown["jobs"], shown["info"]["pid"]) == (["one"], 1)
    assert "1 MiB" in program("workers", "list").stdout
    program("workers", "show", "none", code=3)
    assert "worker none does not exist" in program("workers", "forget", "none", code=3).stderr
    refused = program("workers", "forget", "box-1-0", code=2).stderr
    assert "Forget box-1-0 with 1 job?" in refused
    assert list(live.workers) == ["box-1-0"]
    program("workers", "forget", "box-1-0", "--yes")
    assert list(live.workers) == []


def test_workers_are_addressed_by_name_by_supervisor_or_all_at_once(
    program: Program, live: Client
) -> None:
    for name in ("box-1-0", "box-1-1", "box-11-0"):
        live.run(protocol.workers.beat(name, b"{}"))

    assert program.json("workers", "quiet", "box-1-0") == {"command": "quiet", "told": 1}
    assert program.json("workers", "stop", "box-1")["told"] == 2
    assert program.json("workers", "restart", "--all")["told"] == 3
    ended = program("workers", "resume", "box-11", "box-2", "box", code=3)
    assert ended.stderr == "Error: worker box-2 does not exist\n"


def test_a_gone_worker_is_forgotten(program: Program, live: Client) -> None:
    live.run(protocol.workers.beat("box-1-0", b"{}"))

    assert program.json("workers", "forget", "box-1-0") == {"forgotten": 1}
    assert list(live.workers) == []


def test_options_are_listed_set_and_unset(program: Program, live: Client) -> None:
    program("config", "set", "heartbeat", "600")
    assert live.config["heartbeat"] == 600
    assert program.json("config", "get", "heartbeat") == {"option": "heartbeat", "value": 600}
    assert program.json("config", "list")["options"]["heartbeat"] == 600

    program("config", "unset", "heartbeat")
    assert live.config["heartbeat"] == 60


def test_an_unknown_option_is_rejected_with_a_suggestion(program: Program, live: Client) -> None:
    ended = program("config", "set", "hartbeat", "600", code=2)

    assert "did you mean 'heartbeat'?" in ended.stderr
    assert "hartbeat" not in live.config
    assert "did you mean 'heartbeat'?" in program("config", "get", "hartbeat", code=3).stderr
    program("config", "set", "mail-heartbeat", "600")
    program("config", "set", "my-own", "1", "--new")


def test_statistics_show_days_and_the_last_hour(program: Program, live: Client) -> None:
    live.queues["mail"].put("app.Send")
    job = live.queues["mail"].pop(worker="me")
    assert isinstance(job, Job)
    job.complete()
    fail_some(live, 1)

    (answer,) = program.json("stats", "mail")["queues"]
    (longer,) = program.json("stats", "--series", "--last", "2h")["queues"]

    assert answer["queue"] == "mail"
    assert (answer["day"]["run"]["count"], answer["day"]["failures"]) == (1, 1)
    assert (answer["recent"]["put"], answer["recent"]["completed"]) == (2, 1)
    assert "series" not in answer
    assert sum(sample["put"] for sample in longer["series"]) == 2
    assert "mail" in program("stats", "--series").stdout


def test_statistics_of_klasses_are_over_all_queues(program: Program, live: Client) -> None:
    for queue in ("mail", "sms"):
        live.queues[queue].put("app.Send")
        job = live.queues[queue].pop(worker="me")
        assert isinstance(job, Job)
        job.complete()
    fail_some(live, 2)

    (answer,) = program.json("stats", "--by", "klass")["klasses"]
    (named,) = program.json("stats", "--klass", "app.None", "--series")["klasses"]

    assert (answer["klass"], answer["recent"]["completed"]) == ("app.Send", 2)
    assert answer["recent"]["failure_rate"] == 0.5
    assert answer["recent"]["run"]["p99"] > 0
    assert (named["klass"], named["recent"]["put"], named["series"]) == ("app.None", 0, [])
    assert "app.Send" in program("stats", "--by", "klass", "--series").stdout
    assert "over all queues" in program("stats", "mail", "--by", "klass", code=2).stderr


def test_a_sound_namespace_passes_the_check(program: Program, live: Client) -> None:
    live.queues["mail"].put("app.Send")

    assert program.json("fsck") == {"findings": [], "repaired": []}


@pytest.mark.corrupts
def test_a_broken_namespace_is_reported_and_repaired(
    program: Program, live: Client, redis: redis_py.Redis
) -> None:
    live.queues["mail"].put("app.Send", jid="one")
    redis.zrem("{ql}:queue:mail:waiting", *redis.zrange("{ql}:queue:mail:waiting", 0, -1))

    found = program.json("fsck", code=1)
    repaired = program.json("fsck", "--repair")

    assert found["findings"]
    assert (repaired["findings"], bool(repaired["repaired"])) == ([], True)
    assert program.json("fsck")["findings"] == []


@pytest.mark.corrupts
def test_what_nobody_can_read_is_set_aside_and_can_be_removed(
    program: Program, live: Client, redis: redis_py.Redis
) -> None:
    for jid in ("one", "two"):
        live.queues["mail"].put("app.Send", jid=jid)
        redis.set("{ql}:job:" + jid, "junk")
    live.queues["mail"].recur("app.Send", {}, interval=60, jid="often")
    redis.set("{ql}:recurring:often", "junk")

    repaired = program.json("fsck", "--repair", code=1)
    assert {one["kind"] for one in repaired["findings"]} == {"quarantined"}
    assert "fsck --discard" in repaired["findings"][0]["decision"]

    program("job", "cancel", "one", "--yes")
    program("recur", "remove", "often")
    assert program.json("fsck", "--discard")["discarded"] == ["job:two"]
    assert redis.exists("{ql}:quarantined") == 0
