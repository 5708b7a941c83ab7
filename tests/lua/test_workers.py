"""Workers: registration, and what happens to the jobs of a dead worker."""

from __future__ import annotations

from typing import Any

import pytest

from qless_py.errors import BadArgumentError, DeadWorkerError, LostLeaseError
from tests.conftest import Clock
from tests.lua.conftest import Published
from tests.lua.steps import complete, counts, jids, job, ms, pop, put, state, take, whats
from tests.script_runner import Scripts


def died(call: Scripts, nonce: str, started: str = "", worker: str = "w") -> dict[str, object]:
    report: dict[str, object] = call("worker_died", worker, nonce, started, "signal 9")
    return report


def test_a_worker_is_known_with_what_it_says_of_itself(call: Scripts, clock: Clock) -> None:
    call("worker_register", "w", "n", "first")
    clock.advance(5)
    call("worker_beat", "w", "")
    assert call("read/worker", "w", 0, 10, 100) == {
        "jobs": [], "stalled": [], "seen_at": ms(call), "info": "first",
    }  # fmt: skip
    call("worker_beat", "w", "second")

    assert call("read/worker", "w", 0, 10, 100)["info"] == "second"
    assert call("read/worker", "nobody", 0, 10, 100) == {"jobs": [], "stalled": []}


def test_workers_are_listed_the_one_seen_last_first(call: Scripts, clock: Clock) -> None:
    put(call, "a")
    put(call, "b")
    for name in ("first", "second"):
        take(call, worker=name)
        clock.advance(30)
    call("worker_beat", "third", "")
    clock.advance(5)

    page = call("read/workers", 0, 10)

    rows = [(row["name"], row["jobs"], row["stalled"]) for row in page["workers"]]
    assert (page["total"], rows) == (3, [("third", 0, 0), ("second", 1, 0), ("first", 0, 1)])
    assert [row["name"] for row in call("read/workers", 1, 1)["workers"]] == ["second"]


@pytest.mark.parametrize(
    "way", ["complete", "fail", "retry", "release", "snooze", "timeout", "cancel", "put", "lapse"]
)
def test_a_job_leaves_the_list_of_its_worker_on_every_way_out(
    call: Scripts, clock: Clock, way: str
) -> None:
    put(call, "j")
    view = take(call)
    held = ["j", view["lease"]]
    arguments: dict[str, list[Any]] = {
        "complete": [*held, "", "", {}],
        "fail": [*held, "g", "m", ""],
        "retry": [*held, 0, {}],
        "release": held,
        "snooze": [*held, 5],
        "timeout": [["j"]],
        "cancel": [["j"], ""],
        "put": ["q", "j", "K", "{}", {}],
    }
    assert call("read/worker", "w", 0, 10, 100)["jobs"] == ["j"]

    if way == "lapse":
        clock.advance(60)
    call("tick" if way == "lapse" else way, *arguments.get(way, []))

    shown = call("read/worker", "w", 0, 10, 100)
    assert (shown["jobs"], shown["stalled"]) == ([], [])


def test_a_lapsed_job_is_shown_as_stalled_until_somebody_pops(call: Scripts, clock: Clock) -> None:
    put(call, "j")
    take(call)
    clock.advance(60)

    shown = call("read/worker", "w", 0, 10, 100)
    assert (shown["jobs"], shown["stalled"]) == ([], ["j"])
    call("tick")

    assert call("read/worker", "w", 0, 10, 100)["stalled"] == []


def test_workers_not_seen_for_long_are_not_shown_at_the_very_millisecond(
    call: Scripts, clock: Clock
) -> None:
    call("config_set", "max-worker-age", "3600")
    call("worker_beat", "w", "")
    clock.advance(3599.999)
    assert call("read/workers", 0, 10)["total"] == 1
    clock.advance(0.001)

    assert call("read/workers", 0, 10) == {"total": 0, "workers": []}


def test_deregistering_forgets_workers_and_leaves_their_jobs(call: Scripts, clock: Clock) -> None:
    call("config_set", "grace-period", "0")
    put(call, "j")
    take(call)

    assert call("worker_deregister", ["w", "nobody"]) == 1

    assert call("read/workers", 0, 10)["total"] == 0
    assert state(call, "j") == "running"
    clock.advance(60)
    assert jids(pop(call, worker="other")) == ["j"]


def test_a_dead_process_charges_the_job_it_had_started_and_returns_the_others(
    call: Scripts, clock: Clock, published: Published
) -> None:
    for jid in ("a", "b", "c"):
        put(call, jid)
        clock.advance(1)
    views = pop(call, 3)
    put(call, "urgent", priority=9)
    published()

    report = died(call, "w", "b")

    assert report == {"charged": ["b"], "returned": ["a", "c"], "failed": [], "more": False}
    assert (job(call, "b")["left"], job(call, "b")["crashes"]) == (4, 1)
    assert [job(call, one).get("left") for one in "ac"] == [None, None]
    assert whats(call, "b") == ["put", "popped", "crashed"]
    assert job(call, "b")["history"][-1][2] == {"worker": "w", "cause": "signal 9"}
    assert published()[:2] == [("worker:w", "lock_lost a q w"), ("log", "lock_lost a q w")]
    with pytest.raises(LostLeaseError):
        complete(call, views[0])
    assert jids(pop(call, 9, worker="other")) == ["b", "urgent", "a", "c"]


def test_all_are_charged_when_none_had_started(call: Scripts) -> None:
    for jid in ("a", "b"):
        put(call, jid)
    pop(call, 2)

    assert died(call, "w")["charged"] == ["a", "b"]


def test_a_death_is_of_one_process_of_the_worker(call: Scripts) -> None:
    put(call, "a")
    put(call, "b")
    mine = call("pop", ["q"], "w", 1, {"nonce": "n1"})["jobs"][0]
    call("pop", ["q"], "w", 1, {"nonce": "n11"})

    assert died(call, "n11", "b")["charged"] == ["b"]
    assert died(call, "1")["charged"] == []

    call("pop", ["q"], "w", 1, {"nonce": "x.n11"})
    assert died(call, "n11", "b")["charged"] == []
    assert died(call, "x.n11", "b", "other")["charged"] == []

    complete(call, mine)
    assert died(call, "n1")["charged"] == []


def test_a_job_that_kills_its_workers_is_failed_as_a_poison_pill(
    call: Scripts, published: Published
) -> None:
    put(call, "j", retries=9)
    call("track", "j")
    for number in range(2):
        take(call, worker=f"w{number}")
        assert died(call, f"w{number}", "j", f"w{number}")["charged"] == ["j"]
    take(call, worker="w2")
    published()

    report = died(call, "w2", "j", "w2")

    assert (report["charged"], report["failed"]) == ([], ["j"])
    failure = job(call, "j")["failure"]
    message = "The worker died 3 times while it ran this job: signal 9"
    assert (failure["group"], failure["message"], failure["worker"]) == (
        "poison-pill", message, "w2",
    )  # fmt: skip
    assert published()[2:] == [("log", f"failed j q w2 poison-pill {message}"), ("failed", "j")]


def test_an_unfailed_poison_pill_starts_counting_anew(call: Scripts) -> None:
    call("config_set", "max-crashes", "1")
    put(call, "j")
    take(call)
    assert died(call, "w", "j")["failed"] == ["j"]

    call("unfail", "q", "poison-pill", 1)

    assert "crashes" not in job(call, "j")


def test_a_crash_without_a_retry_left_fails_like_any_other_loss(call: Scripts) -> None:
    put(call, "j", retries=0)
    take(call)

    assert died(call, "w", "j")["failed"] == ["j"]
    failure = job(call, "j")["failure"]
    assert failure["group"] == "failed-retries-q"
    assert failure["message"] == (
        'Job exhausted retries in queue "q": the worker died while it ran this job: signal 9'
    )


def test_a_reported_process_cannot_come_back(call: Scripts, clock: Clock) -> None:
    put(call, "j")
    died(call, "gone")

    with pytest.raises(DeadWorkerError):
        call("pop", ["q"], "w", 1, {"nonce": "gone"})
    with pytest.raises(DeadWorkerError):
        call("worker_register", "w", "gone", "info")

    clock.advance(3500)
    call("tick")
    with pytest.raises(DeadWorkerError):
        call("pop", ["q"], "w", 1, {"nonce": "gone"})


def test_a_death_is_found_among_the_jobs_of_many_siblings(call: Scripts, clock: Clock) -> None:
    for i in range(130):
        put(call, f"j{i}")
    call("pop", ["q"], "w", 100, {"nonce": "sibling"})
    clock.advance(1)
    call("pop", ["q"], "w", 20, {"nonce": "sibling"})
    clock.advance(1)
    call("pop", ["q"], "w", 10, {"nonce": "dead"})

    report = died(call, "dead", "j120")

    assert (report["charged"], report["more"]) == (["j120"], False)
    assert counts(call) == {"running": 120, "waiting": 10}


def test_a_death_is_found_behind_hundreds_of_jobs_of_siblings(call: Scripts, clock: Clock) -> None:
    for start in range(0, 800, 100):
        specs = [{"jid": f"j{start + i:04}", "klass": "K"} for i in range(100)]
        call("put_many", "q", specs, *("{}" for _ in specs))
    for _ in range(7):
        call("pop", ["q"], "w", 100, {"nonce": "sibling"})
    clock.advance(1)
    views = call("pop", ["q"], "w", 5, {"nonce": "dead"})["jobs"]
    put(call, "again", priority=9)
    call("pop", ["q"], "w", 1, {"nonce": "sibling"})

    reports = [died(call, "dead", views[2]["jid"]) for _ in range(3)]

    assert [report["more"] for report in reports] == [True, True, False]
    assert [report["charged"] for report in reports] == [["j0702"], [], []]
    assert reports[2]["returned"] == ["j0700", "j0701", "j0703", "j0704"]
    assert call.redis.keys("{ql}:death:*") == []


@pytest.mark.corrupts
def test_junk_where_a_search_stopped_hides_no_death(call: Scripts) -> None:
    put(call, "j1")
    call("pop", ["q"], "w", 1, {"nonce": "dead"})
    call.redis.set("{ql}:death:dead", "junk")

    report = died(call, "dead", "j1")

    assert (report["charged"], report["more"]) == (["j1"], False)
    assert counts(call) == {"waiting": 1}


def test_more_jobs_than_one_call_can_return_are_returned_by_the_next(call: Scripts) -> None:
    for i in range(150):
        put(call, f"j{i:03}")
    call("pop", ["q"], "w", 100, {"nonce": "dead"})
    call("pop", ["q"], "w", 50, {"nonce": "dead"})

    reports = [call("worker_died", "w", "dead", "j003", "signal 9") for _ in range(3)]

    assert [report["more"] for report in reports] == [True, True, False]
    assert [len(report["returned"]) for report in reports] == [49, 50, 50]
    assert counts(call) == {"waiting": 150}
    assert job(call, "j003")["left"] == 4


def test_more_started_jobs_than_one_call_can_return_are_charged_once_each(call: Scripts) -> None:
    jids = [f"j{i:03}" for i in range(70)]
    for jid in jids:
        put(call, jid)
    call("pop", ["q"], "w", 70, {"nonce": "dead"})

    reports = [call("worker_died", "w", "dead", "j000", "signal 9", *jids[1:]) for _ in range(2)]

    assert [(len(one["charged"]), one["more"]) for one in reports] == [(50, True), (20, False)]
    assert {job(call, jid)["left"] for jid in jids} == {4}


def test_a_job_in_its_grace_period_comes_back_with_the_report_of_the_death(
    call: Scripts, clock: Clock
) -> None:
    put(call, "j")
    take(call)
    clock.advance(60)
    call("tick")

    assert died(call, "w", "j")["charged"] == ["j"]

    view = job(call, "j")
    assert (view["state"], view["left"], view["crashes"]) == ("waiting", 4, 1)
    assert call("read/stats", "q", "")["retries"] == 1


def test_a_job_that_another_process_has_by_now_is_not_charged(call: Scripts) -> None:
    put(call, "j")
    old = take(call)
    call("release", "j", old["lease"])
    call("pop", ["q"], "w", 1, {"nonce": "other"})

    assert died(call, "w", "j") == {"charged": [], "returned": [], "failed": [], "more": False}
    assert died(call, "x", "nobody")["charged"] == []

    assert state(call, "j") == "running"


def test_a_death_needs_names_and_a_short_cause(call: Scripts) -> None:
    for arguments in (["a b", "n", "", ""], ["w", "", "", ""], ["w", "n", "a b", ""],
                      ["w", "n", "", "c" * 1025]):  # fmt: skip
        with pytest.raises(BadArgumentError):
            call("worker_died", *arguments)


def test_of_several_started_jobs_each_pays(call: Scripts) -> None:
    for jid in ("a", "b", "held"):
        put(call, jid)
        take(call)

    report = call("worker_died", "w", "w", "a", "signal 9", "b")

    assert report == {"charged": ["a", "b"], "returned": ["held"], "failed": [], "more": False}


def test_a_job_whose_process_died_pays_alone_and_its_worker_lives_on(call: Scripts) -> None:
    put(call, "died")
    put(call, "other")
    view = take(call)
    take(call)

    assert call("job_died", "died", view["lease"], "signal 9") == "waiting"

    assert (state(call, "died"), state(call, "other")) == ("waiting", "running")
    assert whats(call, "died") == ["put", "popped", "crashed"]
    assert job(call, "died")["crashes"] == 1
    assert pop(call, 1)[0]["jid"] == "died"


def test_a_job_whose_process_died_too_often_is_a_poison_pill(call: Scripts) -> None:
    call("config_set", "max-crashes", "1")
    put(call, "j")

    assert call("job_died", "j", take(call)["lease"], "signal 9") == "failed"

    assert job(call, "j")["failure"]["group"] == "poison-pill"


def test_a_command_is_published_and_waits_for_the_next_beat(
    call: Scripts, published: Published
) -> None:
    call("worker_register", "w", "n", "info")
    published()

    assert call("worker_command", ["w", "nobody"], "quiet") == 1

    assert published() == [("worker:w", "command")]
    assert call("worker_beat", "w", "") == "quiet"
    assert not call("worker_beat", "w", "")


def test_a_later_command_takes_the_place_of_one_that_was_not_heard(call: Scripts) -> None:
    call("worker_register", "w", "n", "info")

    call("worker_command", ["w"], "quiet")
    call("worker_command", ["w"], "stop")

    assert call("worker_beat", "w", "") == "stop"


def test_what_became_of_a_command_is_kept_and_recorded(call: Scripts, clock: Clock) -> None:
    call("worker_register", "w", "n", "info")
    call("worker_command", ["w"], "dump")
    asked_at = round(clock.now * 1000)
    clock.advance(2)

    assert call("worker_report", "w", "dump", "stacks") is True
    assert call("worker_report", "nobody", "dump", "stacks") is False

    flat = call("read/worker", "w", 0, 1, 100)["report"]
    assert dict(zip(flat[::2], flat[1::2], strict=True)) == {
        "asked": "dump", "asked_at": str(asked_at), "done": "dump",
        "done_at": str(asked_at + 2000), "text": "stacks",
    }  # fmt: skip
    (entry,) = call("read/audit", "", "0", "10", {"door": "worker"})["entries"]
    assert (entry["who"], entry["action"]) == ("w", "worker dump")
    call("worker_command", ["w"], "quiet")
    flat = call("read/worker", "w", 0, 1, 100)["report"]
    assert "done" not in flat
    call("worker_deregister", ["w"])
    assert not call("read/worker", "w", 0, 1, 100).get("report")


def test_a_worker_that_left_leaves_no_command_behind(call: Scripts) -> None:
    call("worker_register", "w", "n", "info")
    call("worker_command", ["w"], "quiet")

    call("worker_deregister", ["w"])

    assert not call("worker_beat", "w", "")


def test_a_command_is_given_with_the_next_beat_once(call: Scripts, clock: Clock) -> None:
    call("worker_beat", "w", "")

    assert call("worker_command", ["w", "nobody"], "quiet") == 1
    clock.advance(1800)

    assert call("worker_beat", "w", "") == "quiet"
    assert call("worker_beat", "w", "") == ""


def test_an_old_command_is_forgotten(call: Scripts, clock: Clock) -> None:
    call("worker_beat", "w", "")
    call("worker_command", ["w"], "stop")
    clock.advance(3601)

    assert call("worker_beat", "w", "") == ""
