"""Short scripts that lead straight to what the state machine comes across only now and then.

A step is the time that passes before it, the transition and its arguments; `Lease` stands for the
lease that a job was given last, or for an earlier one.
"""

from dataclasses import dataclass
from typing import Any

from tests.properties.comparison import Bench

Step = tuple[Any, ...]
HOUR, DAY = 3_600_000, 86_400_000


@dataclass(frozen=True, slots=True)
class Lease:
    """Stands for a lease of the job: its last one, or `past` before that."""

    jid: str
    past: int = 0


def put(queue: str, jid: str, **options: Any) -> Step:
    return 0, "put", queue, jid, "K", "{}", options


def pop(count: int = 9, *, after: int = 0, nonce: str = "n") -> Step:
    return after, "pop", ["a", "b"], "v", count, {"nonce": nonce}


def complete(jid: str, past: int = 0, **options: Any) -> Step:
    return 0, "complete", jid, Lease(jid, past), "", "result", options


def fail(jid: str) -> Step:
    return 0, "fail", jid, Lease(jid), "g", "it broke", ""


CALLBACK = {"jid": "after", "klass": "C", "queue": "b", "data": 1}
QUEUED = {"key": "k", "scope": "queued"}

SCENARIOS: dict[str, list[Step]] = {
    "a lease lapses twice": [
        put("a", "j1", retries=1),
        pop(),
        pop(after=60_000),
        (1000, "heartbeat", "j1", Lease("j1"), ""),
        pop(after=60_000),
        pop(after=10_000),
        complete("j1", past=1),
        pop(after=60_000),
        pop(after=10_000),
    ],
    "a follow-up drops an edge": [
        put("a", "j1"),
        put("a", "j2", delay=HOUR),
        put("b", "j3", depends=["j1"]),
        pop(),
        (
            *complete(
                "j1",
                jobs=[
                    {
                        "jid": "j3",
                        "klass": "K",
                        "queue": "b",
                        "depends": ["j2"],
                        "on_conflict": "replace",
                    }
                ],
            ),
            "{}",
        ),
    ],
    "a job puts itself again": [
        put("a", "j1"),
        pop(),
        (*complete("j1", jobs=[{"jid": "j1", "klass": "K", "queue": "b", "delay": 5}]), "{}"),
        pop(after=5),
    ],
    "a holder of a key is replaced": [
        put("a", "j1", unique=QUEUED),
        (5, "put", "a", "j2", "K", "{}", {}),
        (
            5,
            "put",
            "a",
            "j3",
            "L",
            "[3]",
            {"unique": QUEUED, "unique_conflict": "replace", "tags": ["x"]},
        ),
        pop(1),
    ],
    "a batch counts the job that does the work": [
        put("a", "j1", unique=QUEUED),
        (0, "batch_open", "b0", {"on_complete": CALLBACK}, "[1]"),
        put("a", "j2", unique=QUEUED, batch="b0"),
        (0, "batch_close", "b0"),
        pop(),
        complete("j1"),
    ],
    "a callback meets a job of its jid": [
        put("b", "after"),
        (0, "batch_open", "b0", {"on_complete": CALLBACK}, "[1]"),
        (0, "batch_close", "b0"),
        pop(),
        complete("after"),
        (0, "batch_open", "b1", {"on_complete": CALLBACK}, "[1]"),
        (0, "batch_close", "b1"),
        pop(),
    ],
    "a retry, a release, a snooze": [
        put("a", "j1"),
        (5, "put", "a", "j2", "K", "{}", {}),
        pop(1, after=5),
        (5, "release", "j1", Lease("j1")),
        pop(2),
        (0, "retry", "j1", Lease("j1"), 0, {}),
        (0, "snooze", "j2", Lease("j2"), 1000),
        pop(after=2000),
        (0, "progress", "j2", "0.none", "half"),
    ],
    "a job is handed off": [
        put("a", "j1"),
        pop(1, after=5),
        (5, "hand_off", "j1", Lease("j1"), "target", 600_000),
        (0, "heartbeat", "j1", Lease("j1"), ""),
        (0, "worker_died", "v", "n", "", "killed"),
        (120_000, "tick"),
        pop(1, nonce="m"),
        (480_001, "tick"),
        (20_000, "tick"),
        pop(1, nonce="m"),
    ],
    "a lost job is released": [
        put("a", "j1"),
        pop(1),
        (5, "put", "a", "j2", "K", "{}", {"priority": 1}),
        pop(1, after=60_000),
        (10_000, "tick"),
        pop(1),
        (0, "release", "j1", Lease("j1")),
        pop(1),
        (0, "timeout", ["j1"]),
        pop(1),
        (0, "release", "j1", Lease("j1")),
        pop(1),
    ],
    "priorities change": [
        put("a", "j1", priority=1),
        put("a", "j2"),
        (0, "priority", "j2", "3"),
        put("a", "j0", delay=1000),
        (2000, "put", "a", "j3", "K", "{}", {}),
        pop(after=1000),
    ],
    "data is edited": [
        put("a", "j1"),
        (0, "edit", "j1", "[5]", {"tags": ["x"]}),
        (0, "edit", "j1", "[6]", {"expects": "bf21a9e8fbc5a3846fb05b4fa0859e0917b2202f"}),
        pop(1),
        (0, "edit", "j1", "[7]", {"priority": 2}),
    ],
    "a parent completes": [
        put("a", "j0"),
        put("a", "j1", depends=["j0"], delay=1000),
        (0, "put", "a", "j0", "K", "{}", {"depends": ["j1"]}),
        pop(1),
        complete("j0"),
    ],
    "a parent fails": [
        put("a", "j0"),
        put("a", "j1", depends=["j0"], on_parent_failed="cancel"),
        put("a", "j2", depends=["j0"], on_parent_failed="fail"),
        put("a", "j3", depends=["j0"], on_parent_failed="run"),
        pop(1),
        fail("j0"),
        (0, "unfail", "b", "g", 1),
    ],
    "a parent is canceled": [
        put("a", "j0", tags=["x"]),
        put("a", "j1", depends=["j0"], on_parent_failed="run"),
        (0, "cancel", ["j0"], ""),
    ],
    "a batch fails": [
        (0, "batch_open", "b0", {"on_success": CALLBACK}, "d"),
        put("a", "j1", batch="b0"),
        put("a", "j2", batch="b0"),
        (0, "batch_close", "b0"),
        pop(),
        fail("j1"),
        complete("j2"),
    ],
    "a jid is remembered": [
        put("a", "j1", keep=50_000),
        (0, "cancel", ["j1"], ""),
        put("a", "j1", on_conflict="raise"),
    ],
    "a process dies": [
        put("a", "j1"),
        pop(),
        (0, "worker_died", "v", "n", "j1", "killed"),
        pop(),
        pop(nonce="m"),
    ],
    "a key is held": [
        put("a", "j1", unique=QUEUED),
        put("a", "j2", unique=QUEUED),
        pop(),
        put("a", "j2", unique=QUEUED),
    ],
    "ticks are missed": [
        (0, "recur", "a", "r", "R", "{}", DAY, 0, {"backlog": 1}),
        pop(after=5 * DAY),
    ],
    "a history is full": [
        (0, "config_set", "max-job-history", "2"),
        put("a", "j1"),
        (1, "log", "j1", "", "note", ""),
        (1, "log", "j1", "", "note", ""),
    ],
    "data grows and shrinks": [
        (0, "put", "a", "j1", "K", "x" * 1025, {}),
        (0, "put", "a", "j1", "K", "{}", {}),
    ],
    "a context is kept, replaced and removed": [
        put("a", "j1", context={"tenant": "a"}),
        pop(),
        (0, "retry", "j1", Lease("j1"), 0, {}),
        put("a", "j1", priority=1),
        put("a", "j1", context={"tenant": "b"}),
        put("a", "j1", context={}),
    ],
    "a pause ends": [
        (0, "pause", ["a"], {"until": 1_700_000_001_000}),
        put("a", "j1"),
        pop(),
        pop(after=2000),
    ],
    "few completed jobs are kept": [
        (0, "config_set", "jobs-history-count", "1"),
        put("a", "j1", retries=0),
        put("a", "j2"),
        pop(),
        fail("j1"),
        (0, "unfail", "a", "g", 1),
        pop(),
        complete("j1"),
        complete("j2"),
    ],
    "a job comes too late": [
        put("a", "j1", expires_in=1000),
        put("a", "j2"),
        put("b", "j3", depends=["j1"], on_parent_failed="run"),
        pop(1, after=1000),
        pop(),
        (0, "unfail", "a", "expired", 1),
        pop(after=2000),
    ],
    "some of a user come too late": [
        put("a", "j1", user="u", expires_in=1000),
        put("a", "j2", user="u", expires_in=1001),
        put("a", "j3", user="u", throttles=["s"], expires_in=1),
        put("a", "j4", user="v"),
        pop(3, after=1000),
    ],
    "a put takes a job away": [
        put("a", "j1"),
        pop(),
        put("b", "j1", worker="w"),
    ],
}


def play(bench: Bench, scenario: list[Step]) -> None:
    """Run the steps of a scenario on the bench."""
    for wait, name, *args in scenario:
        bench.now += wait
        bench.step(name, *(_lease(bench, one) if isinstance(one, Lease) else one for one in args))


def _lease(bench: Bench, lease: Lease) -> str:
    given = ["0.none", "0.none", *bench.given.get(lease.jid, [])]
    return given[-1 - lease.past]
