"""Cases for all queries: the largest page, from the middle of the largest list."""

from __future__ import annotations

from typing import Any, Final

from benchmarks.namespace import PAGE
from benchmarks.scripts.keyspace import GROUP, PARENT, TAG, Keyspace, finished
from benchmarks.scripts.timing import Calls, Case, of_waiting, repeated
from qless_py.protocol import (
    Call,
    batches,
    config,
    failures,
    jobs,
    namespace,
    queues,
    recurring,
    search,
    stats,
    workers,
)

_ROWS: Final = 1000
_NO_MATCH: Final = ({"field": "text", "op": "has", "value": "is nowhere"},)
_STATES: Final = (
    ("running", "mail"),
    ("stalled", "expired"),
    ("scheduled", "later"),
    ("depends", "dependents"),
    ("recurring", "steady"),
    ("throttled", "mail"),
    ("complete", ""),
)


def _batch(keyspace: Keyspace, count: int) -> Calls:
    keyspace.run(batches.open_encoded("shown", {}))
    return [batches.read("shown")] * count


def _series(keyspace: Keyspace) -> Call[Any]:
    now = round(keyspace.clock.now * 1000)
    return stats.series_rows("steady", now - 86_400_000, now, "minute")


def _of_state(state: str, queue: str) -> Case:
    def calls(keyspace: Keyspace, count: int) -> Calls:
        if state == "running":
            keyspace.held(_ROWS)
        size = keyspace.run(jobs.in_state(state, queue, 0, 0)).total
        return [jobs.in_state(state, queue, max(size - _ROWS, 0) // 2, _ROWS)] * count

    return Case("read/state", f"read/state, 1,000 {state}", calls, large=True)


def _waiting(keyspace: Keyspace) -> Call[Any]:
    return jobs.in_state("waiting", "mail", keyspace.scale.waiting // 2, _ROWS)


CASES: Final = (
    Case("read/job", "read/job", of_waiting(jobs.read)),
    Case(
        "read/explain",
        "read/explain, waiting",
        of_waiting(jobs.explain),
    ),
    Case(
        "read/job", "read/job, with dependents", repeated(lambda _: jobs.read(PARENT)), large=True
    ),
    Case(
        "read/jobs",
        "read/jobs of 100",
        lambda keyspace, n: [jobs.read_many(keyspace.waiting(PAGE)) for _ in range(n)],
        large=True,
    ),
    Case("read/state", "read/state, 1,000 waiting", repeated(_waiting), large=True),
    *(_of_state(state, queue) for state, queue in _STATES),
    Case(
        "read/results",
        "read/results of 100",
        repeated(lambda _: jobs.results([finished(number) for number in range(PAGE)])),
        large=True,
    ),
    Case(
        "read/tagged",
        "read/tagged, 1,000",
        repeated(lambda keyspace: jobs.tagged(TAG, keyspace.scale.others // 2, _ROWS)),
        large=True,
    ),
    Case("read/tags", "read/tags, 1,000", repeated(lambda _: jobs.tags(0, _ROWS, 1)), large=True),
    Case(
        "read/failed",
        "read/failed, 1,000",
        repeated(lambda keyspace: jobs.failed(GROUP, keyspace.scale.others // 2, _ROWS)),
        large=True,
    ),
    Case("read/failures", "read/failures, 250", repeated(lambda _: failures.groups())),
    Case(
        "read/failure_texts",
        "read/failure_texts, 250",
        repeated(lambda _: failures.texts(GROUP)),
        large=True,
    ),
    Case("read/groups", "read/groups", repeated(lambda _: jobs.groups(0, _ROWS))),
    Case(
        "read/peek",
        "read/peek, 100",
        repeated(lambda keyspace: queues.peek_records("mail", keyspace.scale.waiting // 2, PAGE)),
        large=True,
    ),
    Case(
        "read/peek",
        "read/peek, 100 due",
        repeated(lambda _: queues.peek_records("later", 0, PAGE)),
        large=True,
    ),
    Case("read/running", "read/running", repeated(lambda _: queues.running("expired")), large=True),
    Case("read/blocked", "read/blocked", repeated(lambda _: queues.blocked("depends")), large=True),
    Case("read/counts", "read/counts", repeated(lambda _: queues.counts("expired"))),
    Case(
        "read/queues",
        "read/queues, 100",
        repeated(lambda _: queues.all_counts(0, PAGE)),
        large=True,
    ),
    Case(
        "read/tracked", "read/tracked, 100", repeated(lambda _: jobs.tracked(0, PAGE)), large=True
    ),
    Case(
        "read/workers",
        "read/workers, 250",
        repeated(lambda _: workers.read_all(0, 250)),
        large=True,
    ),
    Case(
        "read/worker", "read/worker, 1,000", repeated(lambda _: workers.read("worker-1", 0, _ROWS))
    ),
    Case("read/stats", "read/stats", repeated(lambda _: stats.day("steady"))),
    Case("read/series", "read/series, a day", repeated(_series), large=True),
    Case(
        "read/recurring",
        "read/recurring, 100",
        repeated(lambda _: recurring.in_queue("steady", 0, PAGE)),
        large=True,
    ),
    Case("read/queue_totals", "read/queue_totals", repeated(lambda _: stats.queue_totals(0, PAGE))),
    Case("read/queue_sizes", "read/queue_sizes", repeated(lambda _: search.queue_sizes(0, PAGE))),
    Case(
        "read/search",
        "read/search, 100 without a match",
        repeated(lambda _: search.search([{"set": "waiting", "queue": "mail"}], _NO_MATCH)),
        large=True,
    ),
    Case(
        "read/sizes",
        "read/sizes",
        repeated(lambda _: search.sizes([{"set": "waiting", "queue": "mail"}])),
    ),
    Case("read/config", "read/config", repeated(lambda _: config.read())),
    Case("read/length", "read/length", repeated(lambda _: queues.length("mail"))),
    Case("read/batch", "read/batch", _batch),
    Case("read/batch_data", "read/batch_data", repeated(lambda _: batches.read_data("large"))),
    Case(
        "read/outcomes",
        "read/outcomes of 100",
        repeated(lambda _: batches.outcomes("large", [f"j{number}" for number in range(PAGE)])),
    ),
    Case("read/meta", "read/meta", repeated(lambda _: namespace.meta())),
    Case("read/request", "read/request", repeated(lambda _: namespace.request("abc:1:0"))),
)
