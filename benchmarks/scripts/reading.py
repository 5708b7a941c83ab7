"""How every query is called: the largest page, from the middle of the largest list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from benchmarks.scripts.space import GROUP, PAGE, PARENT, TAG, Space, finished
from benchmarks.scripts.timing import Case
from qless_py import protocol
from qless_py.protocol import Call, batches, config, search

_ROWS: Final = 1000
_UNFIT: Final = ({"field": "text", "op": "has", "value": "is nowhere"},)
_STATES: Final = (
    ("running", "mail"),
    ("stalled", "lapsed"),
    ("scheduled", "later"),
    ("depends", "family"),
    ("recurring", "steady"),
    ("throttled", "mail"),
    ("complete", ""),
)


def _again(make: Callable[[Space], Call[Any]]) -> Callable[[Space, int], Sequence[Call[Any]]]:
    return lambda space, count: [make(space)] * count


def _batch(space: Space, count: int) -> Sequence[Call[Any]]:
    space.run(batches.open_encoded("shown", {}))
    return [protocol.batches.read("shown")] * count


def _series(space: Space) -> Call[Any]:
    now = round(space.clock.now * 1000)
    return protocol.stats.series_rows("steady", now - 86_400_000, now, "minute")


def _of_state(state: str, queue: str) -> Case:
    def calls(space: Space, count: int) -> Sequence[Call[Any]]:
        if state == "running":
            space.held(_ROWS)
        size = space.run(protocol.jobs.in_state(state, queue, 0, 0)).total
        return [protocol.jobs.in_state(state, queue, max(size - _ROWS, 0) // 2, _ROWS)] * count

    return Case("read/state", f"read/state, 1,000 {state}", calls, large=True)


def _waiting(space: Space) -> Call[Any]:
    return protocol.jobs.in_state("waiting", "mail", space.scale.waiting // 2, _ROWS)


CASES: Final = (
    Case(
        "read/job",
        "read/job",
        lambda space, n: [protocol.jobs.read(jid) for jid in space.waiting(n)],
    ),
    Case(
        "read/explain",
        "read/explain, waiting",
        lambda space, n: [protocol.jobs.explain(jid) for jid in space.waiting(n)],
    ),
    Case(
        "read/job",
        "read/job, with dependents",
        _again(lambda _: protocol.jobs.read(PARENT)),
        large=True,
    ),
    Case(
        "read/jobs",
        "read/jobs of 100",
        lambda space, n: [protocol.jobs.read_many(space.waiting(PAGE)) for _ in range(n)],
        large=True,
    ),
    Case("read/state", "read/state, 1,000 waiting", _again(_waiting), large=True),
    *(_of_state(state, queue) for state, queue in _STATES),
    Case(
        "read/results",
        "read/results of 100",
        _again(lambda _: protocol.jobs.results([finished(number) for number in range(PAGE)])),
        large=True,
    ),
    Case(
        "read/tagged",
        "read/tagged, 1,000",
        _again(lambda space: protocol.jobs.tagged(TAG, space.scale.others // 2, _ROWS)),
        large=True,
    ),
    Case(
        "read/tags",
        "read/tags, 1,000",
        _again(lambda _: protocol.jobs.tags(0, _ROWS, 1)),
        large=True,
    ),
    Case(
        "read/failed",
        "read/failed, 1,000",
        _again(lambda space: protocol.jobs.failed(GROUP, space.scale.others // 2, _ROWS)),
        large=True,
    ),
    Case("read/groups", "read/groups", _again(lambda _: protocol.jobs.groups(0, _ROWS))),
    Case(
        "read/peek",
        "read/peek, 100",
        _again(lambda space: protocol.queues.peek_records("mail", space.scale.waiting // 2, PAGE)),
        large=True,
    ),
    Case(
        "read/peek",
        "read/peek, 100 due",
        _again(lambda _: protocol.queues.peek_records("later", 0, PAGE)),
        large=True,
    ),
    Case("read/counts", "read/counts", _again(lambda _: protocol.queues.counts("lapsed"))),
    Case(
        "read/queues",
        "read/queues, 100",
        _again(lambda _: protocol.queues.all_counts(0, PAGE)),
        large=True,
    ),
    Case(
        "read/tracked",
        "read/tracked, 100",
        _again(lambda _: protocol.jobs.tracked(0, PAGE)),
        large=True,
    ),
    Case(
        "read/workers",
        "read/workers, 1,000",
        _again(lambda _: protocol.workers.read_all(0, _ROWS)),
        large=True,
    ),
    Case(
        "read/worker",
        "read/worker, 1,000",
        _again(lambda _: protocol.workers.read("worker-1", 0, _ROWS)),
    ),
    Case("read/stats", "read/stats", _again(lambda _: protocol.stats.day("steady"))),
    Case("read/series", "read/series, a day", _again(_series), large=True),
    Case(
        "read/recurring",
        "read/recurring, 100",
        _again(lambda _: protocol.recurring.in_queue("steady", 0, PAGE)),
        large=True,
    ),
    Case("read/heads", "read/heads", _again(lambda _: protocol.queues.heads(["mail", "later"]))),
    Case(
        "read/search",
        "read/search, 100 that do not fit",
        _again(lambda _: search.search([{"set": "waiting", "queue": "mail"}], _UNFIT)),
        large=True,
    ),
    Case(
        "read/sizes",
        "read/sizes",
        _again(lambda _: search.sizes([{"set": "waiting", "queue": "mail"}])),
    ),
    Case("read/config", "read/config", _again(lambda _: config.read())),
    Case("read/length", "read/length", _again(lambda _: protocol.queues.length("mail"))),
    Case("read/batch", "read/batch", _batch),
    Case(
        "read/batch_data", "read/batch_data", _again(lambda _: protocol.batches.read_data("large"))
    ),
    Case(
        "read/outcomes",
        "read/outcomes of 100",
        _again(
            lambda _: protocol.batches.outcomes("large", [f"j{number}" for number in range(PAGE)])
        ),
    ),
    Case("read/meta", "read/meta", _again(lambda _: protocol.namespace.meta())),
    Case("read/request", "read/request", _again(lambda _: protocol.namespace.request("abc:1:0"))),
)
