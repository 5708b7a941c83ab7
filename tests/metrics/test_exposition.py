"""The metrics of the store: exact values, both formats, few labels, one reading for many."""

from __future__ import annotations

import threading

import pytest

from qless_py import BadArgumentError, Client, protocol
from qless_py.metrics import Limits, expose, families, snapshot
from qless_py.metrics.buckets import BOUNDS, cumulative
from qless_py.metrics.collector import StoreCollector
from qless_py.metrics.exposition import scrapes_of
from tests.conftest import Clock
from tests.metrics.conftest import OPEN_METRICS, Samples, Scrape


def work(client: Client, clock: Clock, queue: str = "mail") -> None:
    """Put five jobs; one completes, one fails, one is retried, one runs, one waits."""
    for number in range(5):
        client.queues[queue].put("app.Send", {}, jid=f"{queue}{number}", retries=3)
    clock.advance(2)
    done, failed, retried, _ = client.queues[queue].pop(4, worker="w")
    clock.advance(3)
    done.complete()
    failed.fail("group", "message")
    retried.retry(delay=600)


@pytest.mark.parametrize("accept", ["", OPEN_METRICS])
def test_values_are_what_was_done(
    client: Client, clock: Clock, scrape: Scrape, accept: str
) -> None:
    work(client, clock)
    clock.advance(4)

    found = scrape(accept)

    states = {state: found("qless_jobs", queue="mail", state=state) for state in (
        "waiting", "running", "scheduled", "stalled", "depends", "throttled",
    )}  # fmt: skip
    assert states == {
        "waiting": 1, "running": 1, "scheduled": 1, "stalled": 0, "depends": 0, "throttled": 0,
    }  # fmt: skip
    counters = ("jobs_put", "jobs_started", "jobs_completed", "jobs_failed", "job_retries",
                "job_leases_lost", "job_crashes")  # fmt: skip
    assert [found(f"qless_{one}_total", queue="mail") for one in counters] == [5, 4, 1, 1, 1, 0, 0]
    assert found("qless_queue_oldest_waiting_seconds", queue="mail") == 9
    assert found("qless_queue_paused", queue="mail") == 0
    assert (found("qless_complete_jobs"), found("qless_failed_jobs")) == (1, 1)
    assert (found("qless_up"), found("qless_scripts_up")) == (1, 1)


def test_histograms_have_exact_sums_and_counts(
    client: Client, clock: Clock, scrape: Scrape
) -> None:
    work(client, clock)

    found = scrape()

    assert found("qless_job_wait_seconds_count", queue="mail") == 4
    assert found("qless_job_wait_seconds_sum", queue="mail") == 8
    assert found("qless_job_run_seconds_sum", queue="mail") == 3
    bucket = "qless_job_wait_seconds_bucket"
    assert found(bucket, queue="mail", le="1.024") == 0
    assert found(bucket, queue="mail", le="2.048") == 4
    assert found(bucket, queue="mail", le="+Inf") == 4


@pytest.mark.parametrize("milliseconds", [0, 1, 7, 8, 9, 1023, 1024, 1025, 67_108_863, 10**9])
def test_a_duration_is_below_a_bound_exactly_if_it_is_shorter(
    client: Client, clock: Clock, scrape: Scrape, milliseconds: int
) -> None:
    client.queues["mail"].put("app.Send", {})
    clock.advance(milliseconds / 1000)
    client.queues["mail"].pop(worker="w")

    found = scrape()

    for bound in BOUNDS:
        number = found("qless_job_wait_seconds_bucket", queue="mail", le=repr(bound))
        assert number == (1 if milliseconds < bound * 1000 else 0)


def test_cumulative_counts_never_fall() -> None:
    rows = cumulative({-1: 2, 11: 1, 12: 5, 40: 7, 300: 3})

    numbers = [number for _, number in rows]
    assert numbers == sorted(numbers)
    assert (rows[0], rows[-1]) == (("0.008", 3), ("+Inf", 18))


def test_counters_never_fall_while_minutes_are_filed(
    client: Client, clock: Clock, scrape: Scrape
) -> None:
    seen = []
    for _ in range(4):
        work(client, clock)
        seen.append(scrape()("qless_jobs_started_total", queue="mail"))
        for jid in ("mail1", "mail4"):
            client.cancel(jid)
        clock.advance(61)
        seen.append(scrape()("qless_jobs_started_total", queue="mail"))

    assert seen == sorted(seen, key=lambda one: one or 0)
    assert seen[0] == seen[1] == 4


def test_workers_and_slots_are_counted_by_state(
    client: Client, clock: Clock, scrape: Scrape
) -> None:
    for name, info in {
        "a": b'{"state":"running","slots":4,"busy":3}',
        "b": b'{"state":"quiet","slots":2,"busy":5}',
        "c": b'{"state":"stopping","slots":1}',
        "d": b'{"slots":"many"}',
    }.items():
        client.run(protocol.workers.beat(name, info))
    clock.advance(61)
    for name in "abcd"[:3]:
        client.run(protocol.workers.beat(name))

    found = scrape()

    states = {state: found("qless_workers", state=state) for state in (
        "running", "quiet", "stopping", "lost",
    )}  # fmt: skip
    assert states == {"running": 1, "quiet": 1, "stopping": 1, "lost": 1}
    assert (found("qless_worker_slots"), found("qless_worker_busy_slots")) == (7, 5)


def test_recurring_jobs_show_how_late_they_are(
    client: Client, clock: Clock, scrape: Scrape
) -> None:
    client.queues["mail"].recur("app.Send", {}, interval=60, jid="r", offset=60)
    clock.advance(75)
    late = scrape()
    client.queues["mail"].pop(worker="w")
    clock.advance(1)

    found = scrape()

    assert late("qless_recurring_overdue_seconds", queue="mail") == 15
    assert late("qless_recurring_ticks_total", queue="mail") == 0
    assert found("qless_recurring_overdue_seconds", queue="mail") == 0
    assert found("qless_recurring_last_late_seconds", queue="mail") == 15
    assert found("qless_recurring_late_seconds_total", queue="mail") == 15
    assert found("qless_recurring_ticks_total", queue="mail") == 1
    assert found("qless_recurring_jobs", queue="mail") == 1


def test_throttles_show_holders_limits_and_parked_jobs(client: Client, scrape: Scrape) -> None:
    client.throttles["api"].set(concurrency=1)
    client.throttles["rate"].set(rate=5)
    client.throttles["rate"].block(60)
    for number in range(3):
        client.queues["mail"].put("app.Send", {}, jid=f"j{number}", throttles=["api"])
    client.queues["mail"].pop(3, worker="w")

    found = scrape()

    assert found("qless_throttle_holders", throttle="api") == 1
    assert found("qless_throttle_limit", throttle="api") == 1
    assert found("qless_throttle_parked_jobs", throttle="api") == 2
    assert found("qless_throttle_blocked", throttle="api") == 0
    assert found("qless_throttle_blocked", throttle="rate") == 1
    assert found("qless_throttle_limit", throttle="rate") is None
    assert found("qless_throttles") == 2


def test_queues_and_throttles_beyond_the_limit_are_summed(
    client: Client, clock: Clock, scrape: Scrape
) -> None:
    for name in "abcde":
        client.queues[name].put("app.Send", {})
        client.throttles[f"t-{name}"].set(concurrency=2)
        clock.advance(1)

    found = scrape(queues=2, throttles=1)

    assert found.labels("qless_jobs", "queue") == {"a", "b", "_other"}
    assert found("qless_jobs_put_total", queue="_other") == 3
    assert found("qless_queue_oldest_waiting_seconds", queue="_other") == 3
    assert (found("qless_queues"), found("qless_queues_other")) == (5, 3)
    assert found.labels("qless_throttle_limit", "throttle") == {"t-a", "_other"}
    assert found("qless_throttle_limit", throttle="_other") == 8
    assert (found("qless_throttles"), found("qless_throttles_other")) == (5, 4)
    assert (found("qless_queues_unread"), found("qless_throttles_unread")) == (0, 0)


def test_a_queue_with_the_name_of_the_rest_is_counted_with_it(
    client: Client, clock: Clock, scrape: Scrape
) -> None:
    for name in ("_other", "b"):
        client.queues[name].put("app.Send", {})
        clock.advance(1)

    assert scrape(queues=1)("qless_jobs_put_total", queue="_other") == 2


def test_queues_beyond_a_page_are_read(
    client: Client, clock: Clock, scrape: Scrape, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "_QUEUE_PAGE", 2)
    monkeypatch.setattr(snapshot, "_MAX_QUEUES", 4)
    for number in range(6):
        client.queues[f"q{number}"].put("app.Send", {})
        clock.advance(1)

    found = scrape()

    assert found.labels("qless_jobs", "queue") == {"q0", "q1", "q2", "q3"}
    assert (found("qless_queues"), found("qless_queues_unread")) == (6, 2)


def test_as_many_classes_are_counted_as_the_option_says(
    client: Client, clock: Clock, scrape: Scrape
) -> None:
    client.config["klass-stats"] = 0
    work(client, clock, "before")
    client.config["klass-stats"] = 1
    work(client, clock)
    for klass in ("app.One", "app.Two"):
        client.queues["more"].put(klass, {})
    for job in client.queues["more"].pop(2, worker="w"):
        clock.advance(1)
        job.complete()

    found = scrape()

    assert found.labels("qless_klass_jobs_total", "klass") == {"app.Send", "_other"}
    events = ("started", "completed", "failed", "retried")
    counted = [found("qless_klass_jobs_total", klass="app.Send", event=one) for one in events]
    assert counted == [4, 1, 1, 1]
    assert found("qless_klass_jobs_total", klass="_other", event="completed") == 2
    assert found("qless_klass_run_seconds_total", klass="app.Send") == 3
    assert found("qless_klass_run_seconds_total", klass="_other") == 3
    client.config["klass-stats"] = 0
    assert not scrape().labels("qless_klass_jobs_total", "klass")
    assert not client.redis.exists("{ql}:klasses")


def test_an_empty_namespace_has_metrics(scrape: Scrape) -> None:
    found = scrape()

    assert (found("qless_up"), found("qless_queues"), found("qless_worker_slots")) == (1, 0, 0)
    assert found("qless_workers", state="running") == 0


def test_every_metric_is_declared_and_every_declared_one_can_appear(
    client: Client, clock: Clock, scrape: Scrape
) -> None:
    client.config["klass-stats"] = 10
    work(client, clock)
    client.queues["mail"].recur("app.Send", {}, interval=60)
    client.queues["mail"].pop(5, worker="w")
    client.throttles["api"].set(concurrency=1)

    found = scrape(OPEN_METRICS)

    declared = {one.name for one in (families.OF_BUILD, *families.OF_STORE)}
    assert set(found.families) == declared
    for one in (families.OF_BUILD, *families.OF_STORE):
        family = found.families[one.name]
        assert family.documentation == one.meaning
        assert family.type == one.kind
        shown = set(family.samples[0].labels) - {"le"}
        assert shown == set(one.labels)


def test_the_format_follows_the_accept_header(live: Client) -> None:
    plain = expose(live)[1]
    wanted = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3"

    assert plain == "text/plain; version=0.0.4; charset=utf-8"
    assert expose(live, "*/*")[1] == plain
    assert expose(live, "application/openmetrics-text;version=x;;=,\x00")[1].startswith(
        "application/openmetrics-text; version=1.0.0"
    )
    body, kind = expose(live, wanted)
    assert kind.startswith("application/openmetrics-text; version=1.0.0")
    assert body.endswith(b"# EOF\n")


def test_many_scrapers_cost_one_reading(live: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    readings: list[Client] = []
    read = snapshot.read

    def counted(client: Client) -> snapshot.Snapshot:
        readings.append(client)
        return read(client)

    def ask() -> None:
        bodies.append(expose(live)[0])

    monkeypatch.setattr(snapshot, "read", counted)
    bodies: list[bytes] = []
    threads = [threading.Thread(target=ask) for _ in range(20)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert len(readings) == 1
    assert len(bodies) == 20
    assert len(set(bodies)) == 1


def test_a_store_that_is_away_is_a_metric_and_no_error(dead_client: Client) -> None:
    found = Samples(*expose(dead_client))

    assert (found("qless_up"), found("qless_scripts_up")) == (0, 0)
    assert found("qless_queues") is None
    assert found("qless_build_info") is None
    assert found.labels("qless_build_info", "version")


def test_a_store_that_stops_keeps_nobody_waiting(
    live: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr(snapshot, "read", lambda _: release.wait(20))
    scrapes = scrapes_of(live)
    monkeypatch.setattr(scrapes._snapshots, "_patience", 0.05)

    found = Samples(*scrapes.body(Limits(), ""))
    release.set()

    assert found("qless_up") == 0


def test_limits_out_of_range_are_named() -> None:
    with pytest.raises(BadArgumentError, match="queues must be from 0 to 1000, not 1001"):
        Limits(queues=1001)
    with pytest.raises(BadArgumentError, match="throttles must be from 0 to 1000, not -1"):
        Limits(throttles=-1)


@pytest.mark.corrupts
def test_refused_scripts_are_a_metric(client: Client) -> None:
    client.redis.hset("{ql}:meta", "schema", "99")

    found = snapshot.read(client)

    assert (found.is_up, found.has_scripts) == (True, False)
    assert "schema" in found.error
    names = {one.name for one in StoreCollector(found, Limits()).collect()}
    assert "qless_jobs" not in names
