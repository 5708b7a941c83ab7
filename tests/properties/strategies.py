"""Arguments of every transition, drawn from few names, so that calls meet each other.

Nothing here is malformed: what a script makes of nonsense is tested elsewhere. The sizes are kept
small so that no call has more to do than one call may (50 items, ten duties abreast).
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

Args = st.SearchStrategy[tuple[Any, ...]]

QUEUES = ["a", "b"]
JIDS = ["j0", "j1", "j2", "j3", "j4", "r-1"]
RECURRING = ["r", "j0"]
WORKERS = ["v", "w"]
NONCES = ["m", "n", "o"]
BATCHES = ["b0", "b1"]
KEYS = ["k", "l"]
GROUPS = ["g", "a group", "parent-failed", "parent-canceled", "failed-retries-a"]
GROUPS += ["poison-pill", "expired"]
POLICIES = ["wait", "cancel", "fail", "run"]
MINUTE, DAY = 60_000, 86_400_000

WAITS = [
    *([0] * 16),
    *(1, 1, 500, 999, 1500, 3000, 5000, 10_000, 10_001, 30_000),
    *(-1, -500, -30_000),
    *(59_999, MINUTE, 61_000, 600_000, DAY // 2, 3 * DAY),
]


@dataclass(frozen=True, slots=True)
class Known:
    """Stands for the jid of a job that exists, if there is one in this state (or any)."""

    pick: int
    state: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """Stands for a jid and its lease: of a running job, as it is or as it was."""

    pick: int
    past: int


def of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


def some(names: list[str], least: int = 1, most: int = 3) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(names), min_size=least, max_size=most, unique=True)


queue = st.sampled_from(QUEUES)
jid = st.sampled_from(JIDS)
known = st.one_of(jid, st.builds(Known, st.integers(0, 9)))
depending = st.one_of(st.builds(Known, st.integers(0, 5), of("depends")), jid)
worker = st.sampled_from(WORKERS)
data = st.sampled_from(["{}", "[1]", "x" * 1024, "y" * 1025])
maybe_data = of("", "", "new", "z" * 1100)
held = st.builds(Held, st.integers(0, 5), of(0, 0, 0, 0, 0, 0, 1, 2))
delay = of(0, 1, 1500, 70_000)
tags = some(["x", "y", "z"], 0)

unique = st.one_of(
    st.fixed_dictionaries({"key": of(*KEYS), "scope": of("queued", "running")}),
    st.fixed_dictionaries({"key": of(*KEYS), "scope": of("window"), "window": of(5000)}),
)
CLAIMS = {
    "unique": unique,
    "unique_conflict": of("ignore", "raise", "replace"),
    "batch": st.sampled_from(BATCHES),
    "keep": of(50_000, 5_000_000),
}
EDGES = {"depends": some(JIDS, 0), "on_parent_failed": st.sampled_from(POLICIES)}
# Limits that hold jobs back are judged elsewhere; these never do, but jobs lie in lanes by them.
SHARING = {"user": st.sampled_from(["u", "v", False]), "throttles": some(["s", "t"], 0)}
PLAIN = {
    "priority": of(0, 1, -1, 2.5),
    "retries": of(0, 1, 3),
    "tags": tags,
    "delay": delay,
    "codec": of("msgpack", "json"),
    "soft_limit": of(5000),
    "context": of({"tenant": "a"}, {"tenant": "b", "region": ""}, {}),
    "expires_in": of(1, 1500, 70_000),
    "worker": worker,
}


def options(*kinds: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw few of the options at a time: a put with all of them is seldom one that takes effect."""
    fields = {name: strategy for kind in kinds for name, strategy in kind.items()}
    names = st.lists(st.sampled_from(sorted(fields)), max_size=3, unique=True)
    return names.flatmap(lambda drawn: st.fixed_dictionaries({one: fields[one] for one in drawn}))


CONFLICT = {"on_conflict": of("replace", "ignore", "raise", "revive")}
put_options = st.one_of(
    options(PLAIN),
    options(EDGES),
    options(PLAIN, SHARING),
    st.fixed_dictionaries(CONFLICT),
    options(PLAIN, EDGES, CLAIMS, CONFLICT),
    st.tuples(options(PLAIN), st.fixed_dictionaries(EDGES)).map(lambda two: two[0] | two[1]),
    st.fixed_dictionaries({"behalf": held}),
)


def jobs(least: int, *, with_queue: bool) -> st.SearchStrategy[list[dict[str, Any]]]:
    named = {"jid": jid, "klass": of("K", "L")} | ({"queue": queue} if with_queue else {})
    one = st.tuples(st.fixed_dictionaries(named), put_options).map(lambda two: two[0] | two[1])
    return st.lists(one, min_size=least, max_size=3)


def with_data(args: tuple[Any, ...], listed: list[Any]) -> tuple[Any, ...]:
    """Return each job of a list its data, after the arguments."""
    return *args, *("d" * (number + 2) for number in range(len(listed)))


onward = st.fixed_dictionaries(
    {"queue": queue},
    optional={"delay": delay, **EDGES},
)
complete_options = st.fixed_dictionaries(
    {}, optional={"next": onward, "jobs": jobs(0, with_queue=True)}
)
callbacks = st.dictionaries(
    of("on_success", "on_complete", "on_failure"),
    st.fixed_dictionaries(
        {"jid": jid, "klass": of("C"), "queue": queue, "data": of(1)},
        optional={"delay": delay, "tags": tags, "unique": unique},
    ),
    max_size=2,
)
failure: st.SearchStrategy[dict[str, Any]] = of(
    {},
    {"group": "g", "message": "it broke"},
    {"tries": "1"},
    {"tries": "2", "apart": True, "group": "g", "message": "it broke"},
)
recur_options = {
    "priority": of(0, 2),
    "retries": of(0, 2),
    "tags": tags,
    "backlog": of(0, 1, 2),
    "codec": of("msgpack"),
}
recur_changes = recur_options | {
    "interval": of(DAY // 4, DAY),
    "klass": of("R2"),
    "queue": queue,
    "add_tags": tags,
    "remove_tags": tags,
    "paused": st.booleans(),
}
SETTINGS = [
    *(("heartbeat", value) for value in ("60", "1", "100")),
    *(("a-heartbeat", value) for value in ("30", "0.5")),
    *(("grace-period", value) for value in ("0", "10", "-1")),
    *(("jobs-history", value) for value in ("-1", "0", "60", "2592000")),
    *(("jobs-history-count", value) for value in ("0", "2", "50000")),
    *(("max-job-history", value) for value in ("1", "4", "100", "0")),
    *(("max-crashes", value) for value in ("1", "2")),
    *(("max-worker-age", value) for value in ("60", "86400")),
    *(("event-stream", value) for value in ("0", "20")),
    *(("klass-stats", value) for value in ("0", "2")),
    ("max-data-size", "1048576"),
    ("max-data-size", "1024"),
    ("application", "mine"),
]


def tuples(*parts: st.SearchStrategy[Any]) -> Args:
    return st.tuples(*parts)


TRANSITIONS: dict[str, Args] = {
    "put": tuples(queue, jid, of("K", "L"), data, put_options),
    "put_many": tuples(queue, jobs(1, with_queue=False)).map(lambda two: with_data(two, two[1])),
    "requeue": tuples(queue, known, of("", "K2"), maybe_data, put_options),
    "pop": tuples(
        some(QUEUES), worker, st.integers(1, 4), options({"nonce": st.sampled_from(NONCES)})
    ),
    "tick": st.just(()),
    "heartbeat": tuples(held, maybe_data),
    "heartbeat_many": tuples(st.lists(held, max_size=3)),
    "complete": tuples(held, maybe_data, of("", "result"), complete_options).map(
        lambda four: with_data(four, four[3].get("jobs", []))
    ),
    "complete_many": tuples(st.lists(held, min_size=1, max_size=3)),
    "fail": tuples(held, of("g", "a group"), of("it broke", ""), maybe_data),
    "retry": tuples(held, delay, failure),
    "release": tuples(held),
    "discard": tuples(held),
    "snooze": tuples(held, of(1, 3000, 600_000)),
    "hand_off": tuples(held, worker, of(1, 3000, 600_000)),
    "timeout": tuples(some(JIDS, 1, 2)),
    "timeout_held": tuples(st.lists(held, min_size=1, max_size=2)),
    "force_finish": tuples(known, of("", "forced")),
    "cancel": tuples(some(JIDS, 1, 4), st.just("")),
    "unfail": tuples(queue, st.sampled_from(GROUPS), st.integers(1, 3)),
    "depends_on": tuples(depending, some(JIDS, 1, 2), options({"on_parent_failed": of(*POLICIES)})),
    "depends_off": tuples(depending, some(JIDS, 0, 2)),
    "tag": tuples(known, some(["x", "y", "z"])),
    "untag": tuples(known, some(["x", "y", "z"])),
    "track": tuples(known),
    "untrack": tuples(known),
    "priority": tuples(known, of("0", "3", "-1.5")),
    "edit": tuples(
        known,
        maybe_data,
        options(
            {
                "priority": of(0, 3, -1.5),
                "tags": tags,
                "expects": of(hashlib.sha1(b"{}", usedforsecurity=False).hexdigest()),
            }
        ),
    ),
    "log": tuples(known, of("note", "so"), of("", "data")),
    "log_held": tuples(held, of("note", "so"), of("", "data")),
    "progress": tuples(held, of("half", "")),
    "pause": tuples(
        some(QUEUES), st.fixed_dictionaries({}, optional={"reason": of("r"), "by": of("me")})
    ),
    "pause_for": tuples(some(QUEUES), of(-5, 0, 3000, 90_000)),
    "unpause": tuples(some(QUEUES)),
    "recur": tuples(
        queue,
        st.sampled_from(RECURRING),
        of("R"),
        of("{}", "[2]"),
        of(DAY // 2, DAY),
        of(0, 500, MINUTE),
        options(recur_options),
    ),
    "recur_update": tuples(st.sampled_from(RECURRING), of("", "[3]"), options(recur_changes)),
    "recur_run": tuples(st.sampled_from(RECURRING)),
    "recur_cancel": tuples(st.sampled_from(RECURRING)),
    "config_set": st.sampled_from(SETTINGS),
    "config_unset": tuples(st.sampled_from(sorted({name for name, _ in SETTINGS}))),
    "worker_register": tuples(worker, st.sampled_from(NONCES), of("info")),
    "worker_beat": tuples(worker, of("", "more")),
    "worker_deregister": tuples(some(WORKERS)),
    "worker_died": tuples(worker, st.sampled_from(NONCES), st.one_of(of(""), jid), of("killed")),
    "worker_died_running": tuples(held),
    "worker_died_several": tuples(
        worker, st.sampled_from(NONCES), some(JIDS, 1, 3), of("killed")
    ).map(lambda four: (four[0], four[1], four[2][0], four[3], *four[2][1:])),
    "worker_command": tuples(some(WORKERS), of("quiet", "stop")),
    "job_died": tuples(held, of("killed")),
    "queue_forget": tuples(some(QUEUES)),
    "batch_open": tuples(st.sampled_from(BATCHES), callbacks).map(lambda two: (*two, "c" * 5)),
    "batch_open_owned": tuples(st.sampled_from(BATCHES), callbacks, held),
    "batch_add": tuples(st.sampled_from(BATCHES), some(JIDS, 1, 2)),
    "batch_close": tuples(st.sampled_from(BATCHES)),
}

OFTEN = {
    "put": 4,
    "put_many": 2,
    "pop": 8,
    "complete": 6,
    "fail": 4,
    "retry": 4,
    "release": 2,
    "snooze": 2,
    "hand_off": 2,
    "discard": 1,
    "timeout_held": 1,
    "worker_died_running": 2,
    "cancel": 1,
    "unfail": 2,
    "depends_on": 3,
    "depends_off": 2,
    "batch_add": 1,
    "batch_open_owned": 1,
    "recur_update": 1,
}
"""The number of further rules of a transition: what moves jobs is drawn more often."""
