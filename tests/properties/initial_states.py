"""What a namespace holds when the state machine starts: dependencies, batches, unique keys."""

from typing import Any

from hypothesis import strategies as st

from tests.properties.strategies import DAY, JIDS, POLICIES, of, queue, unique

Call = tuple[Any, ...]
Calls = st.SearchStrategy[list[Call]]


def put(queue: str, jid: str, **options: Any) -> Call:
    return "put", queue, jid, "K", "{}", options


def _family(first: str, second: str, delay: int) -> list[Call]:
    """Put a parent, a child, and one that depends on both."""
    return [
        put("a", "j0"),
        put("a", "j1", depends=["j0"], on_parent_failed=first, delay=delay),
        put("b", "j2", depends=["j0", "j1"], on_parent_failed=second),
    ]


def _members(queue: str, *, close: bool) -> list[Call]:
    after = {"jid": "after", "klass": "C", "queue": queue, "data": 1}
    callbacks = {"on_success": after, "on_complete": after | {"jid": "always"}}
    return [
        ("batch_open", "b0", callbacks | {"on_failure": after | {"jid": "sadly"}}, "d"),
        put("a", "j3", batch="b0"),
        put("a", "j4", batch="b0"),
        *([("batch_close", "b0")] if close else []),
    ]


def _claims(claim: dict[str, Any], keep: int) -> list[Call]:
    return [put("a", "j3", unique=claim, keep=keep), put("a", "j2", unique=claim)]


def _remembered(keep: int) -> list[Call]:
    return [put("a", "j3", keep=keep), ("cancel", ["j3"], "")]


def _recurrence(interval: int, backlog: int) -> list[Call]:
    return [("recur", "a", "r", "R", "{}", interval, 500, {"backlog": backlog})]


def _option(name: str, value: str) -> list[Call]:
    return [("config_set", name, value)]


def _some(jids: list[str], number: int) -> list[Call]:
    return [put("a", jid, retries=1) for jid in jids[:number]]


def _crowd(jids: list[str], users: list[str], weight: float) -> list[Call]:
    """Put jobs of users and throttles, of which none is limited."""
    jobs = zip(jids, users, strict=False)
    return [
        ("user_set", users[0], {"weight": weight, "max_running": 1000}),
        ("throttle_set", "s", {"concurrency": 1000}),
        *(put("a", jid, user=user, throttles=["s", "t"]) for jid, user in jobs),
    ]


themes: Calls = st.one_of(
    st.builds(_family, of(*POLICIES), of(*POLICIES), of(0, 1500)),
    st.builds(_members, queue, close=st.booleans()),
    st.builds(_claims, unique, of(50_000, 5_000_000)),
    st.builds(_remembered, of(50_000, 5_000_000)),
    st.builds(_recurrence, of(DAY // 2, DAY), of(0, 1, 2)),
    st.builds(_option, of("max-job-history"), of("1", "4")),
    st.builds(_option, of("grace-period"), of("0")),
    st.builds(_some, st.permutations(JIDS), st.integers(1, 4)),
    st.builds(
        _crowd, st.permutations(JIDS), st.lists(of("u", "v"), min_size=2, max_size=5), of(0.5, 3)
    ),
)
pops: Calls = st.builds(
    lambda queues, count: [("pop", queues, "v", count, {"nonce": "n"})] if count else [],
    of(["a"], ["b", "a"]),
    st.integers(0, 3),
)
beginnings: Calls = st.builds(
    lambda parts, pop: [call for part in parts for call in part] + pop,
    st.lists(themes, min_size=1, max_size=3),
    pops,
)
