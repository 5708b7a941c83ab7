"""`explain`: why a job is not running, in every state, as data and as text."""

from __future__ import annotations

import pytest

from qless_py import Client, JobNotFoundError
from qless_py.client.explain import (
    Behind,
    Busy,
    Complete,
    DependsOn,
    Expired,
    Explanation,
    Failed,
    LastAttempt,
    NoWorker,
    Parent,
    Paused,
    Recurring,
    Running,
    Scheduled,
    Throttled,
    Unregistered,
)
from qless_py.protocol import workers
from tests.client.test_queue import taken
from tests.conftest import Clock


def ask(client: Client, queue: str = "q") -> None:
    """Have a registered worker pop from an empty queue."""
    client.run(workers.register("w", "n", b'{"queues": ["*"]}'))
    client.queues[queue].pause()
    assert client.queues[queue].pop() is None
    client.queues[queue].unpause()


def kinds(explained: Explanation) -> list[type]:
    return [type(reason) for reason in explained.reasons]


def test_a_job_that_is_next(client: Client) -> None:
    queue = client.queues["q"]
    jid = queue.put("k")
    ask(client)

    explained = client.explain(jid)

    assert (explained.jid, explained.state, explained.queue) == (jid, "waiting", "q")
    assert explained.at == client.settings.clock()
    assert explained.reasons == (Behind("q", 0, None, None, 1),)
    assert explained.is_ready
    assert str(explained).splitlines() == [
        f"{jid} waits in queue q:", "- it is the first", "- the next pop of the queue can take it",
    ]  # fmt: skip


def test_a_job_explains_itself(client: Client) -> None:
    client.queues["q"].put("k", jid="j")

    job = client.queues["q"].peek()

    assert job is not None
    assert job.explain() == client.explain("j")


def test_jobs_before_it(client: Client) -> None:
    queue = client.queues["q"]
    queue.put_many([{"klass": "k"}] * 3)
    jid = queue.put("k", priority=-1)
    queue.put("k", priority=-2)
    ask(client)

    explained = client.explain(jid)

    assert explained.reasons == (Behind("q", 3, None, None, 1),)
    assert not explained.is_ready
    assert explained.words == ["3 jobs are before it"]


def test_users_share_the_queue(client: Client) -> None:
    queue = client.queues["q"]
    for user, number in (("alice", 2), ("bob", 5), ("carol", 1)):
        queue.put_many([{"klass": "k", "user": user}] * number)
    queue.put("k")
    jid = queue.put("k", user="alice")
    ask(client)

    explained = client.explain(jid)

    assert explained.reasons == (Behind("q", 2, "alice", None, 4),)
    assert explained.words == ["2 jobs of user alice are before it; 3 other users share the queue"]


def test_one_other_user_shares_the_queue(client: Client) -> None:
    queue = client.queues["q"]
    queue.put("k", user="bob")
    jid = queue.put("k", user="alice")
    ask(client)

    words = client.explain(jid).words

    assert words == ["it is the first job of user alice; 1 other user shares the queue"]


def test_a_paused_queue(client: Client, clock: Clock) -> None:
    queue = client.queues["q"]
    jid = queue.put("k")
    ask(client)
    now = clock.now
    queue.pause("maintenance", until=now + 7200)
    clock.advance(30)

    explained = client.explain(jid)

    by = client.worker_name
    assert explained.of(Paused) == [Paused("q", now, now + 7200, "maintenance", by)]
    assert explained.words[0] == (
        "queue q is paused since 2023-11-14 22:13:20 UTC (30 s ago) "
        f"until 2023-11-15 00:13:20 UTC (in 2 h) by {by}: maintenance"
    )
    clock.advance(7200)
    assert not client.explain(jid).of(Paused)


def test_a_scheduled_job(client: Client, clock: Clock) -> None:
    at = clock.now + 90
    jid = client.queues["q"].put("k", delay=90)

    explained = client.explain(jid)

    assert (explained.state, explained.reasons) == ("scheduled", (Scheduled(at),))
    assert explained.words == ["it is scheduled at 2023-11-14 22:14:50 UTC (in 1.5 min)"]
    assert not explained.is_ready

    clock.advance(95)
    late = client.explain(jid)
    assert kinds(late) == [Scheduled, NoWorker]
    assert late.words[0] == "its time came at 2023-11-14 22:14:50 UTC (5 s ago)"
    ask(client, "other")
    assert client.explain(jid).state == "waiting"


def test_a_job_that_waits_for_others(client: Client, clock: Clock) -> None:
    queue = client.queues["q"]
    for parent in ("a", "b", "c"):
        client.queues["parents"].put("k", jid=parent)
    taken(client, "parents").fail("g", "m")
    taken(client, "parents")
    jid = queue.put("k", depends=["c", "b", "a"], delay=60)

    explained = client.explain(jid)

    parents = (Parent("a", "failed"), Parent("b", "running"), Parent("c", "waiting"))
    assert explained.reasons == (DependsOn(parents, 3, clock.now + 60),)
    assert explained.words == [
        (
            "it waits for 3 jobs: a (failed), b (running), c (waiting); "
            "then until 2023-11-14 22:14:20 UTC (in 1 min)"
        )
    ]


def test_a_parent_that_has_ended_is_not_waited_for(client: Client) -> None:
    client.queues["parents"].put("k", jid="a")
    client.queues["parents"].put("k", jid="b", priority=-1)
    names = [f"d{number:02}" for number in range(60)]
    client.queues["q"].put_many([{"klass": "k", "jid": jid, "depends": ["a"]} for jid in names])
    client.queues["q"].put("k", jid="x", depends=["a"])
    client.queues["q"].put("k", jid="y", depends=["a", "b"])
    taken(client, "parents").complete()

    assert client.explain("x").words == ["the next pop releases it from a (complete)"]
    assert client.explain("y").words == [
        "it waits for 1 job: b (waiting); the next pop releases it from a (complete)"
    ]


def test_at_most_a_hundred_parents_are_named(client: Client) -> None:
    names = [f"p{number:03}" for number in range(100)]
    client.queues["p"].put_many([{"klass": "k", "jid": name} for name in names])
    client.queues["p"].put("k", jid="one-more")
    jid = client.queues["q"].put("k", depends=names)
    job = client.jobs[jid]
    assert job is not None
    job.depend("one-more")  # type: ignore[union-attr]

    explained = client.explain(jid).of(DependsOn)[0]

    assert (explained.number, len(explained.parents)) == (101, 100)
    assert client.explain(jid).words[0].endswith("and 91 more")


def test_a_throttle_whose_slots_are_taken(client: Client) -> None:
    queue = client.queues["q"]
    client.throttles["api"].set(concurrency=1)
    queue.put_many([{"klass": "k", "jid": name, "throttles": ["api"]} for name in ("a", "b", "c")])
    taken(client)
    assert queue.pop() is None

    explained = client.explain("c")

    reason = explained.of(Throttled)[0]
    assert (explained.state, reason.throttle, reason.why) == ("throttled", "api", "concurrency")
    assert (reason.concurrency, reason.holding, reason.holders) == (1, 1, ("a",))
    assert explained.of(Behind) == [Behind("q", 1, None, "api", 0)]
    assert explained.words == [
        "throttle api lets 1 job run at once, and 1 run: a",
        "1 job parked on throttle api is before it",
        "no registered worker takes queue q; a client popped now",
    ]


def test_a_throttle_without_tokens(client: Client, clock: Clock) -> None:
    queue = client.queues["q"]
    client.throttles["api"].set(rate=1, per=10, burst=4)
    queue.put("k", throttles={"api": 3})
    jid = queue.put("k", throttles={"api": 2})
    taken(client)
    assert queue.pop() is None

    explained = client.explain(jid)

    reason = explained.of(Throttled)[0]
    assert (reason.why, reason.rate, reason.per, reason.burst) == ("rate", 1, 10, 4)
    assert (reason.tokens, reason.cost, reason.next_at) == (1, 2, clock.now + 10)
    assert explained.words[0] == (
        "throttle api gives 1 every 10 s and has 1 of the 2 that the job costs; "
        "enough at 2023-11-14 22:13:30 UTC (in 10 s)"
    )


def test_a_blocked_throttle_and_a_cost_that_is_too_high(client: Client, clock: Clock) -> None:
    queue = client.queues["q"]
    client.throttles["api"].set(rate=10)
    jid = queue.put("k", throttles={"api": 5})
    client.throttles["api"].set(rate=1)
    queue.throttle.block(30)
    assert queue.pop() is None

    explained = client.explain(jid)

    assert [(one.throttle, one.why) for one in explained.of(Throttled)] == [
        ("queue:q", "blocked"),
        ("api", "cost"),
    ]
    assert explained.of(Throttled)[0].blocked_until == clock.now + 30
    assert explained.words[:2] == [
        "queue q is blocked until 2023-11-14 22:13:50 UTC (in 30 s)",
        "throttle api never holds the 5 that the job costs, but 1 at most",
    ]


def test_the_throttles_of_queue_and_user(client: Client) -> None:
    queue = client.queues["q"]
    client.users["alice"].set(max_running=1)
    queue.throttle.set(concurrency=1)
    queue.put("k", user="alice", jid="first")
    jid = queue.put("k", user="alice")
    taken(client)
    assert queue.pop() is None

    explained = client.explain(jid)

    assert explained.state == "waiting"
    assert explained.words[:2] == [
        "queue q lets 1 job run at once, and 1 run: first",
        "user alice lets 1 job run at once, and 1 run: first",
    ]


def test_a_throttle_that_is_kept_for_another(client: Client) -> None:
    queue = client.queues["q"]
    x, y = client.throttles["x"], client.throttles["y"]
    x.set(concurrency=1)
    y.set(concurrency=0)
    queue.put("k", jid="both", throttles=["x", "y"])
    assert queue.pop() is None
    for number in range(1, 5):  # others pass it by
        queue.put("k", throttles=["y"], priority=1)
        y.set(concurrency=number)
        assert len(queue.pop(9)) == 1
    queue.put("k", jid="last", throttles=["x"])
    assert queue.pop() is None

    reason = client.explain("last").of(Throttled)[0]

    assert (reason.throttle, reason.why, reason.reserved_for) == ("x", "reserved", "both")
    assert client.throttles["x"].get().reserved_for == "both"
    assert "throttle x keeps its room for both" in str(client.explain("last"))


def test_no_worker_takes_the_queue(client: Client, clock: Clock) -> None:
    jid = client.queues["q"].put("k")
    assert client.queues["other"].pop() is None

    assert client.explain(jid).of(NoWorker) == [NoWorker("q")]
    assert "- no live worker takes queue q" in str(client.explain(jid))

    assert client.pop(["other", "r*"]) is None
    assert client.explain(jid).of(NoWorker)
    client.queues["q"].pause()
    assert client.pop(["other", "*", "!r"]) is None
    client.queues["q"].unpause()
    assert not client.explain(jid).of(NoWorker)
    clock.advance(61)
    assert client.explain(jid).of(NoWorker) == [NoWorker("q")]


def test_a_client_that_popped_is_no_worker_of_the_queue(client: Client, clock: Clock) -> None:
    jid = client.queues["q"].put("k")
    client.queues["q"].put("k", priority=1)
    client.run(workers.register("w", "n", b'{"queues": ["other"]}'))
    taken(client)
    clock.advance(5)

    explained = client.explain(jid)

    assert explained.of(Unregistered) == [Unregistered("q", None)]
    assert "- no registered worker takes queue q; a client popped jobs from it recently" in str(
        explained
    )
    assert client.queues["q"].pop() is not None
    assert client.pop(["q", "p"]) is None
    client.queues["q"].put("k", jid="next")
    clock.advance(5)
    assert client.explain("next").of(Unregistered) == [Unregistered("q", clock.now - 5)]
    assert "q; a client popped 5 s ago" in str(client.explain("next"))
    assert client.explain("next").is_ready
    clock.advance(180)
    assert client.explain("next").of(NoWorker) == [NoWorker("q")]


def test_workers_that_are_quiet_take_no_queue(client: Client) -> None:
    jid = client.queues["q"].put("k")
    client.run(workers.register("w", "n", b'{"queues": ["*"], "state": "quiet"}'))

    assert client.explain(jid).of(NoWorker) == [NoWorker("q", 1)]
    assert "takes queue q; registered for it: 1 quiet worker" in str(client.explain(jid))


def test_a_worker_of_many_queues_is_known_while_one_keeps_it_busy(
    client: Client, clock: Clock
) -> None:
    client.queues["urgent"].put_many([{"klass": "k"}] * 50)
    jid = client.queues["q"].put("k")

    for _ in range(9):
        assert client.pop(["urgent", "q"]) is not None
        clock.advance(10)

    assert not client.explain(jid).of(NoWorker)


def test_a_worker_that_takes_every_queue_counts(client: Client, clock: Clock) -> None:
    client.queues["q"].put_many([{"klass": "k", "jid": f"j{number}"} for number in range(2)])
    taken(client).complete()

    assert not client.explain("j1").of(NoWorker)
    clock.advance(59)
    assert not client.explain("j1").of(NoWorker)
    clock.advance(120)
    assert client.explain("j1").of(NoWorker)


def test_workers_that_are_busy_for_long(client: Client, clock: Clock) -> None:
    jid = client.queues["mail-a"].put("k")
    infos = (b'{"queues": ["mail-*", "!mail-b"]}', b'{"queues": ["*"]}', b'{"queues": ["x"]}', b"?")
    for number, info in enumerate(infos):
        client.run(workers.register(f"w{number}", f"n{number}", info))

    assert client.explain(jid).of(Busy) == [Busy("mail-a", 2)]
    assert "2 workers that take queue mail-a asked for no job" in str(client.explain(jid))
    clock.advance(61)
    client.run(workers.beat("w2"))
    assert client.explain(jid).of(NoWorker) == [NoWorker("mail-a")]


def test_a_running_job(client: Client, clock: Clock) -> None:
    client.queues["q"].put("k", jid="j")
    start = clock.now
    taken(client)
    clock.advance(20)

    explained = client.explain("j")

    name = client.worker_name
    assert explained.reasons == (
        Running(name, start, start + 60, is_lapsed=False, is_in_grace=False, worker_seen_at=start),
    )
    assert explained.words == [
        (
            f"worker {name} has it since 2023-11-14 22:13:20 UTC (20 s ago); "
            "its lease ends at 2023-11-14 22:14:20 UTC (in 40 s)"
        )
    ]
    assert not explained.is_ready

    clock.advance(41)
    lapsed = client.explain("j").of(Running)[0]
    assert (lapsed.is_lapsed, lapsed.is_in_grace) == (True, False)
    assert "its lease lapsed at" in lapsed.words(clock.now)
    assert client.queues["other"].pop() is None
    grace = client.explain("j").of(Running)[0]
    assert (grace.is_lapsed, grace.is_in_grace) == (False, True)
    assert "after a grace until" in grace.words(clock.now)

    clock.advance(60)
    assert client.queues["other"].pop() is None
    assert kinds(client.explain("j")) == [Behind, NoWorker, LastAttempt]


def test_a_job_that_was_taken_from_its_worker(client: Client) -> None:
    client.queues["q"].put("k", jid="j")
    taken(client).timeout()

    explained = client.explain("j")

    assert (explained.state, explained.is_ready) == ("stalled", True)
    assert str(explained).startswith("j was taken from its worker and waits at the front of q")


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("wrong\nin many ways", ": wrong"),
        ("Traceback (most recent call last):\n  line 1\nValueError: 3\n", ": ValueError: 3"),
        ("", ""),
    ],
)
def test_a_failed_job(client: Client, clock: Clock, message: str, why: str) -> None:
    client.queues["q"].put("k", jid="j")
    at = clock.now
    taken(client).fail("ValueError", message)
    clock.advance(60)

    explained = client.explain("j")

    worker = client.worker_name
    assert explained.reasons == (Failed("ValueError", message, at, worker),)
    assert explained.words == [
        f"it failed at 2023-11-14 22:13:20 UTC (1 min ago) as ValueError{why}"
    ]


def test_a_job_whose_last_run_failed(client: Client, clock: Clock) -> None:
    client.queues["q"].put("k", jid="j")
    taken(client).retry(30, "k:ValueError", "no such user: 7\nand more")
    ask(client)

    explained = client.explain("j")

    name, at = client.worker_name, client.settings.clock()
    assert explained.of(LastAttempt) == [
        LastAttempt("retried", at, name, "k:ValueError", "no such user: 7")
    ]
    assert explained.words[-1] == (
        "its last run failed and is retried at 2023-11-14 22:13:20 UTC (now) on worker "
        f"{name} as k:ValueError: no such user: 7"
    )
    clock.advance(30)
    assert client.explain("j").is_ready


def test_a_job_whose_worker_died(client: Client, clock: Clock) -> None:
    client.queues["q"].put("k", jid="j")
    job = taken(client)
    client.run(workers.job_died(job.jid, job.lease, "killed by SIGKILL"))
    ask(client)

    (attempt,) = client.explain("j").of(LastAttempt)

    assert (attempt.what, attempt.error) == ("crashed", "killed by SIGKILL")
    assert "its last run crashed at" in attempt.words(clock.now)


def test_a_complete_job(client: Client, clock: Clock) -> None:
    client.queues["q"].put("k", jid="j")
    taken(client).complete()

    explained = client.explain("j")

    assert (explained.state, explained.queue) == ("complete", "")
    assert explained.reasons == (Complete(clock.now),)
    assert str(explained).startswith("j is complete:\n- it completed at")


def test_a_job_whose_time_is_over(client: Client, clock: Clock) -> None:
    jid = client.queues["q"].put("k", expires=10)
    ask(client)
    assert not client.explain(jid).of(Expired)
    clock.advance(20)

    explained = client.explain(jid)

    assert explained.of(Expired) == [Expired(clock.now - 10)]
    assert not explained.is_ready
    assert "when its turn comes it fails as expired" in explained.words[0]


def test_a_recurring_job(client: Client, clock: Clock) -> None:
    jid = client.queues["q"].recur("k", {}, 60, offset=30)

    explained = client.explain(jid)

    assert (explained.state, explained.queue) == ("recur", "q")
    assert explained.reasons == (
        Recurring(clock.now + 30, is_paused=False, is_over=False, is_dry=False),
    )
    assert explained.words == ["its next job comes at 2023-11-14 22:13:50 UTC (in 30 s)"]
    job = client.jobs[jid]
    assert job is not None
    job.pause()  # type: ignore[union-attr]
    assert client.explain(jid).words == ["it is paused"]


def test_a_recurring_job_that_is_over(client: Client, clock: Clock) -> None:
    jid = client.queues["q"].recur("k", {}, cron="@hourly", limit=1)
    assert client.explain(jid).of(Recurring)[0].next_at == 1_700_002_800.0

    clock.advance(3600)
    assert client.queues["q"].pop() is not None

    assert client.explain(jid).of(Recurring)[0].is_over


def test_a_recurring_job_without_a_next_one() -> None:
    over = Recurring(None, is_paused=False, is_over=True, is_dry=False, ended_by="limit")
    dry = Recurring(None, is_paused=False, is_over=False, is_dry=True)

    assert over.words(0).endswith("puts no more jobs: its limit is reached")
    assert dry.words(0) == "no client has worked out its next ticks yet; any that pops does"


def test_there_is_no_such_job(client: Client) -> None:
    jid = client.queues["q"].put("k")
    client.cancel(jid)

    for name in (jid, "nobody"):
        with pytest.raises(JobNotFoundError, match=name):
            client.explain(name)


def test_an_unrelated_job_changes_nothing(client: Client, clock: Clock) -> None:
    """Explaining is reading: leases that have lapsed and jobs that are due stay as they are."""
    client.queues["q"].put("k", jid="later", delay=10)
    client.queues["q"].put("k", jid="runs")
    taken(client)
    clock.advance(100)
    before = client.redis.dump("{ql}:queue:q:running"), client.redis.dump("{ql}:due")

    client.explain("runs")
    client.explain("later")

    assert (client.redis.dump("{ql}:queue:q:running"), client.redis.dump("{ql}:due")) == before
