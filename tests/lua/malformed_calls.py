"""Calls that must be rejected: for each script a valid call, and invalid values per argument."""

from collections.abc import Iterator, Mapping
from random import Random
from types import MappingProxyType
from typing import Any, Final

import msgpack

Call = tuple[str, list[Any]]
RESTORED: Final = {"jid": "new", "klass": "K", "queue": "work", "put_at": 5}

TRUE: Final = True
NAN, INF = float("nan"), float("inf")
LIMIT = 5000

NUMBERS: Final = ("", "x", "1.5", "nan", "inf", "-inf", "0x10", " 5 ", "5 ", "+5", "1e3", "--1",
                  "5\n", "5\0", "9" * 20, "-" + "9" * 20, b"\xff")  # fmt: skip
NAMES: Final = ("", " ", "a b", "x" * 129, "-a", ":a", "ä", "a\n", "a/b", b"\xff", "a\0b", "a{b")
LINES: Final = ("", "x" * 256, "a\nb", "\0", "a\x7f")
LISTS: Final = (
    b"", b"\xc1", b"\x92\x01", b"\xdd\xff\xff\xff\xff", b"\x91\xa1a\x91", b"\x01", b"\xc0", "text",
    {"a": "b"}, {2: "a"}, [1], [["a"]], [{"a": 1}], [True], ["a b"], ["a", "a"], ["a", None, "b"],
    [NAN], ["x" * 129], [f"a{i}" for i in range(101)], [f"a{i}" for i in range(9000)],
)  # fmt: skip
MAPS: Final = (b"\xc1", b"\x81\xa1a", b"\xdf\xff\xff\xff\xff", b"\x80\x80", b"\x01", b"\xc0",
               "text", [1], ["a"], {"strange": 1}, {1: 2}, {"": 1})  # fmt: skip
INDEXES: Final[tuple[list[Any], ...]] = (
    [], [{"set": "work"}], [{"set": 1}], [{"set": "waiting"}], [{"set": "waiting", "queue": 5}],
    [{"set": "tag", "name": "a b"}], [{"set": "failed", "name": ""}],
    [{"set": "complete", "within": "5"}], [{"set": "complete", "within": -1}],
    [{"set": "complete", "within": NAN}], [{"set": "waiting", "queue": "work", "within": 5}],
)  # fmt: skip
PACKED_INTEGERS: Final = (NAN, INF, -INF, 1.5, "5", "x", True, [1], {"a": 1}, 2.0**53, -(2.0**60))

# Wrong values for each kind of argument.
WRONG: Final[Mapping[str, tuple[Any, ...]]] = MappingProxyType(
    {
        "event": ("-", "1-", "-1", "x", "1-2-3", "1-x", "12345678901234567-1", "1-12345678901234567"),
        "name": NAMES,
        "job": (*NAMES, "nobody", "ends2"),
        "lease": ("", "1.zz", "x" * 201, b"\xff", "nan"),
        "line": LINES,
        "title": ("", "x" * 129, "ä" * 129, "💥" * 129, "a\nb", "\0", "a\x7f"),
        "data": ("d" * (LIMIT + 1),),
        "message": ("m" * 65537,),
        "short": ("r" * 1025,),
        "whole": (*NUMBERS, "-1"),
        "positive": (*NUMBERS, "-1", "0"),
        "most": (*NUMBERS[1:], "-1"),
        "number": ("", "x", "nan", "inf", "-inf", "0x10", " 5 ", "1e999", "1e301", "--", "1..2",
                   "5\n", b"\xff", "e", "1" * 41),
        "leases": (*LISTS, [["runs"]], [["runs", 5]], [["a b", "1.n"]], [["runs", "1.n"]] * 2),
        "names": (*LISTS, []),
        "entries": (*LISTS, [], ["!work"], ["wo*", "wo*"], ["!"], ["wo*", "a b"], ["/*"], ["-*"],
                    ["*" * 129], [f"{number}*" for number in range(21)], ["wo*", 5], {"wo*": 1}),
        "many": LISTS,
        "jids": (*(one for one in LISTS if not isinstance(one, list)), [1], ["a b"], [True],
                 [f"a{i}" for i in range(1001)]),
        "ticks": (*(one for one in LISTS if one != [1]), [5, 5], [6, 5], [-1], [2.0**60],
                  list(range(5, 206))),
        "map": MAPS,
        "now": ("x", "nan", "inf", "-1", "1.5", "1e3", "0x10", " 5", "", "9" * 18),
        "request": ("x", "a:b:c", "a:1", "a:1:1:0", "a:1:1:1:1", ":1:1", "a:-1:0", "a:1.5:0", "a b:1:0",
                    "a:1:nan", "a" * 101 + ":1:0", "a:9999999999999999:0", "a:1:99999"),
        "failures": ("", "dreaming", b"\xff", "FAILED"),
        "state": ("", "dreaming", "failed", b"\xff", "WAITING"),
        "resolution": ("", "hour", b"\xff"),
        "kind": ("", "everything", b"\xff"),
        "started": NAMES[1:],
        "queue": NAMES[1:],
        "throttle": (*NAMES, "queue:", "user:", "queue:a b", "user:" + "x" * 129, "user:a/b"),
        "own": (*NAMES[1:], "queue:", "user:ada", "limit", "queue:other"),
        "command": ("", "dance", b"\xff"),
        "token": ("", " ", "T", "a_b", "a b", "x" * 33, "a\0", b"\xff"),
        "digest": ("", "a" * 63, "a" * 65, "A" * 64, "g" * 64, b"\xff" * 64),
        "sources": (*LISTS, *INDEXES, [{"set": "complete"}] * 26),
        "indexes": (*LISTS, *INDEXES, [{"set": "complete"}] * 251),
        "after": (*(one for one in LISTS if one != b""), [], ["1"], ["1", 2], ["x", "y"],
                  ["nan", "y"], ["1", "y" * 257], ["1" * 41, "y"]),
        "conditions": (
            *LISTS, [{}], [{"field": "jid"}], [{"field": "mood", "op": "has", "value": "x"}],
            [{"field": "jid", "op": "is", "value": "x"}],
            [{"field": "jid", "op": "has", "value": 5}],
            [{"field": "jid", "op": "like", "value": "x" * 1025}],
            [{"field": "state", "op": "in", "value": []}],
            [{"field": "state", "op": "in", "value": [5]}],
            [{"field": "priority", "op": ">", "value": "5"}],
            [{"field": "priority", "op": ">", "value": NAN}],
            [{"field": "jid", "op": "has", "value": "x"}] * 21,
        ),
    }
)  # fmt: skip


def _each(field: str, /, *values: Any) -> Iterator[dict[str, Any]]:
    return ({field: value} for value in values)


def put_options() -> list[dict[str, Any]]:
    """List option maps that no put may accept."""
    unique = {"key": "u", "scope": "queued"}
    return [
        *_each("priority", NAN, INF, -INF, 1e301, "5", "x", TRUE, [1]),
        *_each("retries", *PACKED_INTEGERS, -1, 2**31),
        *_each("delay", *PACKED_INTEGERS, -1),
        *_each("keep", *PACKED_INTEGERS, -1, 0),
        *_of_runs(),
        *_each("expires", *PACKED_INTEGERS, -1, 2**53),
        {"expires": 5, "expires_in": 5},
        *_each("tags", "x", 5, {"a": 1}, [1], ["a b"], ["a", "a"], [["a"]], _hundred_and_one()),
        *_each("depends", "x", 5, {"a": 1}, [1], ["a b"], ["a", "a"], ["new"], _hundred_and_one()),
        *_each("on_parent_failed", "", "dream", 5, TRUE, ["wait"]),
        *_each("adds", 1, "true", [TRUE]),
        *_each("policies", "x", 5, [1], {"a b": "wait"}, {"a": "dream"}, {"a": "wait"}),
        *_each("expects", "x", 5, {"a": 1}, [1], ["a b"], ["nobody"], _hundred_and_one()),
        *_each("on_conflict", "", "dream", 5, TRUE),
        *_each("unique_conflict", "", "dream", 5, TRUE),
        *_each("unique", "u", 5, {"key": "u"}, {"scope": "queued"}, unique | {"scope": "x"}),
        *_each("unique", unique | {"window": 5}, unique | {"key": "a b"}, unique | {"more": 1}),
        *({"unique": unique | {"scope": "window", "window": w}} for w in (*PACKED_INTEGERS, 0, -1)),
        *_each("batch", *NAMES, 5, "nobatch", "closed"),
        *_each("worker", *NAMES, 5),
        *_each("codec", *NAMES, 5),
        *_each("user", *NAMES, 5, TRUE, ["ada"]),
        *_each(
            "throttles",
            "x",
            5,
            {"a": 1},
            [1],
            ["a b"],
            ["a", "a"],
            ["queue:a"],
            ["user:a"],
            [f"a{i}" for i in range(9)],
        ),
        *_each("costs", "x", 5, {"other": 1}, {"a b": 1}, {1: 1}, [1]),
        *(
            {"throttles": ["a"], "costs": {"a": cost}}
            for cost in (NAN, INF, -INF, 0, -1, "5", TRUE, [1])
        ),
        {"throttles": ["a"], "costs": {"a": 1, "b": 1}},
        *_each("parent", "runs", "nobody", *NAMES),
        *_each("lease", "1.n", 5),
        {"parent": "runs", "lease": "1.zz"},
        {"parent": "nobody", "lease": "1.zz"},
        {"parent": "plain", "lease": "1.zz"},
    ]


def _of_runs() -> list[dict[str, Any]]:
    """List options of runs that neither a job nor the children of a recurring one may have."""
    return [
        *_each("expires_in", *PACKED_INTEGERS, -1, 0),
        *_each("soft_limit", *PACKED_INTEGERS, -1, 0),
        *_each("hard_limit", *PACKED_INTEGERS, -1, 0),
        *_each("retry", 5, TRUE, {"on": {}}, "x" * 4001),
        *_each("context", "x", 5, TRUE, ["a"], {"a b": "c"}, {"": "c"}, {"a" * 65: "c"}, {1: "c"}),
        *_each("context", *({"a": one} for one in (5, TRUE, ["b"], "b\n", "\x00", "é", "x" * 1024))),
    ]


def throttle_limits() -> list[dict[str, Any]]:
    """List limits that no throttle can have."""
    rate = {"rate": 1}
    return [
        {},
        {"per": 5},
        {"burst": 5},
        {"concurrency": 1, "burst": 5},
        *_each("concurrency", *PACKED_INTEGERS, -1, 2**31),
        *_each("rate", NAN, INF, -INF, 0, -1, 1e-9, 1e10, "5", TRUE, [1]),
        *(rate | {"per": value} for value in (*PACKED_INTEGERS, 0, -1)),
        *(rate | {"burst": value} for value in (NAN, INF, 0, -1, 1e-9, 1e10, "5", TRUE, [1])),
        *({"concurrency": 1, "rate": value} for value in (NAN, 0, "5")),
    ]


def user_settings() -> list[dict[str, Any]]:
    """List settings that no user can have."""
    return [
        {},
        *_each("weight", NAN, INF, -INF, 0, -1, 1e-4, 1e7, "5", TRUE, [1]),
        *_each("max_running", NAN, INF, 1.5, "5", TRUE, [1], -1, 2**31),
        {"weight": NAN, "max_running": 1},
    ]


_TOKEN: Final[dict[str, Any]] = {"name": "n", "scopes": ["put"]}


def token_options() -> list[dict[str, Any]]:
    """List what no access token can have."""
    wrong: list[dict[str, Any]] = [
        *_each("name", *LINES, 5, TRUE),
        *_each("scopes", "put", 5, [], ["admin"], [5], ["put", "put"], {"put": 1}, ["put"] * 6),
        *_each("queues", "a", 5, [], [5], ["a b"], ["!a"], ["-a"], ["x" * 129], ["a"] * 21),
        *_each("klasses", "a", 5, [], [5], [""], ["a\nb"], ["x" * 256], ["a"] * 21),
        *_each("expires_at", *PACKED_INTEGERS, -1, 2**53),
        *_each("expires_in", *PACKED_INTEGERS, -1, 0, 2**53),
        *_each("created_by", *LINES, 5),
        {"expires_at": 5, "expires_in": 5},
    ]
    return [{}, {"name": "n"}, {"scopes": ["put"]}, *(_TOKEN | one for one in wrong)]


_HOOK: Final[dict[str, Any]] = {"url": "http://h/", "key": "k", "codec": "json"}


AUDITED: Final[dict[str, Any]] = {"who": "ann", "door": "http", "action": "job cancel", "outcome": "done"}


def audit_entries() -> list[dict[str, Any]]:
    """List what no entry of the audit log can have."""
    return [
        {"who": "ann"},
        *(AUDITED | {"who": value} for value in ("", "a\nb", "x" * 129, 5)),
        *(AUDITED | {"door": value} for value in ("", "window", 5)),
        *(AUDITED | {"action": value} for value in ("", "x" * 65, 5)),
        *(AUDITED | {"outcome": value} for value in ("", "perhaps")),
        *(AUDITED | {"count": value} for value in ("-1", "many", 1)),
        *(AUDITED | {name: "x" * 4097} for name in ("targets", "details", "result", "address")),
        AUDITED | {"nonsense": "x"},
    ]


def webhook_options() -> list[dict[str, Any]]:
    """List what no webhook can have."""
    wrong = [
        *_each("url", "", "a b", "a\n", 5, "x" * 2084),
        *_each("types", "a", 5, [5], [""], ["a\nb"], ["x" * 129], ["a"] * 21),
        *_each("queues", "a", 5, [5], [""], ["x" * 129], ["a"] * 21),
        *_each("description", 5, "x" * 256),
        *_each("reason", 5, "x" * 256),
        *_each("disable_after", *PACKED_INTEGERS, -1),
        *_each("keep", *PACKED_INTEGERS, -1),
        *_each("state", "on", 5, TRUE),
        *_each("key", 5, "x" * 1025),
        *_each("codec", *NAMES, 5),
        *_each("other", 1),
    ]
    return [_HOOK | one for one in wrong]


def webhook_outcomes() -> list[dict[str, Any]]:
    """List what no delivery can end with."""
    wrong = [
        *_each("ok", 1, "x"),
        *_each("gone", 1, "x"),
        *_each("status", *PACKED_INTEGERS, -1, 1000),
        *_each("error", 5, "x" * 256),
        *_each("other", 1),
    ]
    return [{"ok": True} | one for one in wrong]


def _hundred_and_one() -> list[str]:
    return [f"a{i}" for i in range(101)]


def recur_options() -> list[dict[str, Any]]:
    """List option maps that no recurring job may have."""
    return [
        *_each("priority", NAN, INF, "5", TRUE),
        *_each("retries", *PACKED_INTEGERS, -1),
        *_each("backlog", *PACKED_INTEGERS, -1),
        *_of_runs(),
        *_each("tags", "x", 5, [1], ["a b"], ["a", "a"], _hundred_and_one()),
        *_each("codec", *NAMES, 5),
        *_each("misfire", "", "two", 5),
        *_each("overlap", "", "one", 5),
        *_each("limit", *PACKED_INTEGERS, 0, -1),
        *_each("start", *PACKED_INTEGERS, -1),
        *_each("end", *PACKED_INTEGERS, -1),
        *_each("zone", "UTC"),
        *_each("ticks", [5]),
        {"cron": "* * * * *", "zone": "UTC", "ticks": [5]},
        *(_cron(zone=zone) for zone in ("", "a b", "../x", "x" * 65, 5)),
        *(_cron(cron=cron) for cron in (*LINES, 5)),
        *(_cron(zone_version=version) for version in ("2025-b", "x" * 33, 5)),
        *(_cron(after=instant) for instant in (*PACKED_INTEGERS, -1, 5)),
        *(_cron(ticks=ticks) for ticks in TICKS),
        *(_cron(final=final) for final in (1, "true")),
    ]


TICKS: Final = (5, "x", {"a": 5}, [5, 5], [6, 5], ["5"], [NAN], [1.5], [-1], [2.0**60],
                list(range(5, 206)))  # fmt: skip


def _cron(**options: Any) -> dict[str, Any]:
    return {"cron": "* * * * *", "zone": "UTC", "after": 1, "ticks": [5], **options}


def recur_new_options() -> list[dict[str, Any]]:
    """List option maps that no new recurring job may have."""
    return [
        *recur_options(),
        _cron(),  # An interval is given as well.
        *_each("group", *NAMES, 5),
        *_each("upsert", 1, "true"),
        *_each("check_only", 1, "true"),
        *_each("paused", 1, "true"),
        {"start": 5, "end": 4},
        {"end": 5},
    ]


def update_options() -> list[dict[str, Any]]:
    """List changes that no recurring job may undergo."""
    return [
        *recur_options(),
        *_each("interval", *PACKED_INTEGERS, 0, -1),
        *_each("klass", "", "a\nb", 5),
        *_each("queue", *NAMES, 5),
        *_each("add_tags", "x", [1], ["a b"]),
        *_each("remove_tags", "x", [1], ["a b"]),
        *_each("paused", 1, "true", [TRUE]),
    ]


def next_options() -> list[dict[str, Any]]:
    """List ways on that no completion may take."""
    good: dict[str, Any] = {"queue": "work"}
    nexts: list[Any] = [
        5, "work", {}, {"delay": 5}, {"queue": "a b"}, {"queue": 5}, good | {"more": 1},
        *(good | {"delay": value} for value in (*PACKED_INTEGERS, -1)),
        *(good | {"depends": value} for value in ("x", [1], ["a b"], ["a", "a"], ["runs"])),
        *(good | {"on_parent_failed": value} for value in ("", 5, "dream")),
    ]  # fmt: skip
    jobs = [5, "x", {"a": 1}, [5], [{}], [{"jid": "a b", "klass": "K", "queue": "work"}],
            [{"jid": "new", "klass": "K"}], [{"jid": "new", "queue": "work"}],
            [{"jid": "new", "klass": "K", "queue": "work", "data": "{}"}],
            [{"jid": "new", "klass": "K", "queue": "work", "strange": 1}],
            [{"jid": "new", "klass": "K", "queue": "work"}] * 2]  # fmt: skip
    return [*_each("next", *nexts), *_each("jobs", *jobs)]


def _raise() -> dict[str, Any]:
    return {"unique_conflict": "raise"}


def batch_conditions() -> list[dict[str, Any]]:
    """List conditions that no list of batches may have."""
    return [
        *_each("name", 5, [], "x" * 1025),
        *_each("phases", 5, [], ["closed"], [5], ["open"] * 6),
        *_each("within", *NAMES, 5),
        *_each("workflows", 1, "yes"),
    ]


def callbacks() -> list[dict[str, Any]]:
    """List call-backs that no batch may have."""
    good: dict[str, Any] = {"queue": "work", "jid": "cb", "klass": "K", "data": 1}
    wrong: list[Any] = [
        5, "x", {}, [1], {k: v for k, v in good.items() if k != "klass"},
        {k: v for k, v in good.items() if k != "data"}, good | {"jid": "a b"}, good | {"data": 3},
        good | {"depends": ["plain"]}, good | {"batch": "batch"}, good | {"strange": 1},
        *(good | {"data": value} for value in (*PACKED_INTEGERS, 0, -1)),
        *(good | {"retries": value} for value in PACKED_INTEGERS),
    ]  # fmt: skip
    return [
        *_each("within", *NAMES, 5, "nobatch", "closed"),
        *_each("data", *PACKED_INTEGERS, 0, -1, 3),
        *({event: one} for event in ("on_success", "on_complete", "on_failure") for one in wrong),
        *_each("owner", "runs", "nobody", "plain", 5, "a b"),
        {"owner": "runs", "lease": "1.zz"},
        {"owner": "nobody", "lease": "1.zz"},
    ]


def jobs_of_many() -> list[Any]:
    """List job lists that no put of many may accept."""
    good = {"jid": "new", "klass": "K"}
    lists: list[Any] = [
        [good, good], [5], ["x"], [{}], [{"jid": "new"}], [{"klass": "K"}], [good | {"data": "{}"}],
        [good | {"strange": 1}], [good, {"jid": "b"}], [{"jid": "a"}, good], {"a": good}, [],
        [good | {"jid": f"n{i}"} for i in range(101)], [good, {"jid": "more", "klass": "K"}],
    ]  # fmt: skip
    return [*lists, *([good | options] for options in put_options())]


def restored() -> list[Any]:
    """List jobs that no restoring call may accept."""
    good = RESTORED
    failed = good | {"state": "failed", "ended_at": 5}
    failure = {"group": "g", "message": "m", "when": 5, "worker": "w"}
    wrong = [
        *_each("put_at", *PACKED_INTEGERS, -1), *_each("eligible_at", *PACKED_INTEGERS, -1),
        *_each("left", *PACKED_INTEGERS, -2, 2**31), *_each("crashes", *PACKED_INTEGERS, -1),
        *_each("stalls", *PACKED_INTEGERS, -1), *_each("tries", 5, "x" * 4001),
        *_each("tags", "a", ["a b"], ["a", "a"]),
        *_each("spawned_from", "a b", 5), *_each("depends", "a", ["a b"], ["a", "a"]),
        *_each("waits", "a", ["a b"]), *_each("policies", [1], {"a": "dream"}, {"a b": "run"}),
        *_each("history", [], 5, [5], [["put"]], [["put", "x"]], [["put", 5, 5]], [["", 5]]),
        *_each("failure", 5, {}, failure | {"when": -1}, failure | {"more": 1}, {"group": "g"}),
        *_each("state", "waiting", 5), *_each("result", *PACKED_INTEGERS, 0, 2),
        *_each("unique", {"key": "a b"}, 5), *_each("delay", 5), *_each("expires_in", 5),
        *_each("on_conflict", "replace"), *_each("expects", ["a"]), {"parent": "a", "lease": "1.n"},
        {"ended_at": 5}, {"state": "complete"},
    ]  # fmt: skip
    return [
        [5], [{}], [good, good], {"a": good}, [], [good | {"data": "{}"}], [failed],
        [failed | {"failure": failure, "at": 5}], [failed | {"failure": failure, "batch": "a b"}],
        [failed | {"state": "complete", "depends": ["plain"]}],
        [{name: value for name, value in good.items() if name != "put_at"}],
        *([good | one] for one in wrong),
    ]  # fmt: skip


def templates(lease: str) -> list[tuple[str, list[tuple[Any, str]], tuple[Any, ...]]]:
    """Name for each script good arguments with their kinds, and wrong values of its last map."""
    held = [("runs", "job"), (lease, "lease")]
    page = [("0", "whole"), ("10", "whole")]
    map_: tuple[Any, str] = ({}, "map")
    many: list[tuple[Any, str]] = [([{"jid": "new", "klass": "K"}], "map"), ("{}", "data")]
    put = [("work", "name"), ("new", "name"), ("K", "line"), ("{}", "data")]
    put_wrong = tuple(put_options())
    return [
        ("put", [*put, map_], put_wrong),
        ("put_many", [("work", "name"), *many], ()),
        ("requeue", [("work", "name"), ("plain", "job"), ("", "-"), ("{}", "data"), map_],
         tuple(option for option in put_wrong
               if "on_conflict" not in option and option.get("depends") != ["new"])),
        ("pop", [(["work"], "entries"), ("worker", "name"), ("1", "positive"), map_],
         (*_each("nonce", *NAMES, 5), *_each("order", "", "backwards", 5, TRUE),
          *_each("turn", *PACKED_INTEGERS, -1, 2**31),
          *_each("weights", 5, "x", ["work"], {"other": 1}, {"work": "1"}, {"work": NAN},
                 {"work": 0}, {"work": -1}, {"work": 1e7}))),
        ("restore", [("5", "whole"), ([RESTORED], "map"), ("{}", "data")], ()),
        ("tick", [], ()),
        ("heartbeat", [*held, ("", "data")], ()),
        ("heartbeat_many", [([["runs", lease]], "leases")], ()),
        ("complete", [*held, ("", "data"), ("", "data"), map_], tuple(next_options())),
        ("complete_many", [([["runs", lease]], "leases"), ("", "data")], ()),
        ("fail", [*held, ("group", "line"), ("m", "message"), ("", "data")], ()),
        ("retry", [*held, ("0", "whole"), map_],
         ({"group": "g"}, {"message": "m"}, {"group": "", "message": "m"}, {"group": 5},
          {"apart": TRUE}, {"tries": 5}, {"tries": "x" * 4001}, {"tries": "", "apart": 1})),
        ("release", held, ()),
        ("snooze", [*held, ("5", "positive")], ()),
        ("hand_off", [*held, ("target", "name"), ("5", "positive")], ()),
        ("bulk", [("cancel", "kind"), (["plain"], "names"), map_],
         ({"states": ["dreaming"]}, {"states": "failed"}, {"states": [1]}, {"by": 5},
          {"reason": "x" * 501}, {"undo": "a b"}, {"undo": 5})),
        ("bulk", [("move", "kind"), (["plain"], "names"), ({"queue": "other"}, "map")],
         ({}, {"queue": "a b"}, {"queue": 5})),
        ("bulk", [("priority", "kind"), (["plain"], "names"), ({"priority": 1}, "map")],
         ({}, {"priority": "5"}, {"priority": NAN}, {"priority": INF})),
        ("bulk", [("tag", "kind"), (["plain"], "names"), ({"tags": ["t"]}, "map")],
         ({}, {"tags": []}, {"tags": ["a b"]}, {"tags": "t"})),
        ("timeout", [(["runs"], "names")], (["nobody"], ["plain"], ["runs", "plain"])),
        ("force_finish", [("plain", "job"), ("", "data")], ()),
        ("cancel", [(["plain"], "names"), map_],
         ({"by": 5}, {"by": "x" * 129}, {"reason": 5}, {"reason": "x" * 501})),
        ("canceled_restore", [(["gone"], "names")], ()),
        ("canceled_delete", [(["gone"], "names")], ()),
        ("undo", [("u", "name"), ("1", "positive")], ()),
        ("discard", held, ()),
        ("unfail", [("work", "name"), ("group", "line"), ("1", "positive")], ()),
        ("depends_on", [("child", "job"), (["plain"], "names"), map_],
         tuple(_each("on_parent_failed", "", "dream", 5))),
        ("depends_off", [("child", "job"), (["parent"], "many")], ()),
        ("tag", [("plain", "job"), (["t"], "names")], ()),
        ("untag", [("plain", "job"), (["x"], "names")], ()),
        ("track", [("plain", "job")], ()),
        ("untrack", [("plain", "job")], ()),
        ("priority", [("plain", "job"), ("1", "number")], ()),
        ("edit", [("plain", "job"), ("", "data"), map_],
         (*_each("priority", NAN, INF, "5", TRUE), *_each("tags", "x", [1], ["a b"], ["a", "a"]),
          *_each("expects", 5, "0" * 41))),
        ("log", [("plain", "job"), ("", "-"), ("what", "line"), ("", "data")], ()),
        ("progress", [*held, ("x", "data")], ()),
        ("pause", [(["work"], "names"), map_],
         ({"until": -1}, *_each("until", *PACKED_INTEGERS), {"reason": 5}, {"reason": "r" * 1025},
          {"by": "b" * 256})),
        ("unpause", [(["work"], "names")], ()),
        ("recur", [("work", "name"), ("often", "name"), ("K", "line"), ("{}", "data"),
                   ("60000", "positive"), ("0", "whole"), map_], tuple(recur_new_options())),
        ("recur_refill", [("cron", "name"), ("5", "whole"), ("5", "whole"), ([6], "ticks"), map_],
         ({"final": 1}, {"zone_version": "a b"}, {"zone_version": 5})),
        ("recur_sync", [("deployed", "name"), (["tick"], "jids")], ()),
        ("recur_update", [("tick", "job"), ("", "data"), map_], tuple(update_options())),
        ("recur_run", [("tick", "job")], ()),
        ("recur_cancel", [("tick", "name")], ()),
        ("audit_add", [(AUDITED, "map")], tuple(audit_entries())),
        ("config_set", [("application", "name"), ("x", "short")], ()),
        ("config_unset", [("application", "name")], ()),
        ("worker_register", [("w", "name"), ("n2", "name"), ("i", "message")], ()),
        ("worker_beat", [("w", "name"), ("i", "message")], ()),
        ("worker_deregister", [(["w"], "names")], ()),
        ("worker_report", [("w", "name"), ("dump", "command"), ("", "-")], ()),
        ("worker_command", [(["w"], "names"), ("quiet", "command")], ()),
        ("job_died", [*held, ("c", "short")], ()),
        ("worker_died", [("w", "name"), ("n3", "name"), ("", "started"), ("c", "short")], ()),
        ("queue_forget", [(["work"], "names")], ()),
        ("batch_open", [("b", "name"), map_], tuple(callbacks())),
        ("batch_restore", [("b", "name"), ({"opened_at": 5}, "map")],
         ({}, {"opened_at": -1}, {"opened_at": "5"},
          *({"opened_at": 5, **one} for one in (
              {"total": 5}, {"failed": -1}, {"failed": 1.5}, {"closed_at": 5}, {"finished_at": 5},
              {"counted": "failed"}, {"counted": "lost", "within": "batch"}, {"within": "a b"},
              {"fired": ["on_failure"]}, {"fired": "on_failure"}, {"data": 1}, {"data": "x"},
              {"on_success": 5}, {"on_success": {"jid": "j"}}, {"within": "closed"})))),
        ("batch_add", [("batch", "name"), (["plain"], "names")],
         (["nobody"], ["fails"], ["plain", "ends"], ["last"])),
        ("batch_close", [("batch", "name")], ()),
        ("throttle_set", [("limit", "throttle"), ({"concurrency": 2}, "map")],
         tuple(throttle_limits())),
        ("throttle_delete", [("limit", "throttle")], ()),
        ("throttle_release", [("limit", "throttle"), (["holder"], "names")], ()),
        ("throttle_block", [("limit", "throttle"), ("5", "whole")], ()),
        ("back_off", [*held, ("5", "positive"), ("queue:busy", "own")], ()),
        ("user_set", [("ada", "name"), ({"weight": 1}, "map")], tuple(user_settings())),
        ("user_unset", [("ada", "name")], ()),
        ("webhook_add", [("new", "name"), (_HOOK, "map")], tuple(webhook_options())),
        ("webhook_change", [("hook", "name"), ({}, "map")], tuple(webhook_options())),
        ("webhook_remove", [("hook", "name")], ()),
        ("webhook_report", [("hook", "name"), ({"ok": True}, "map")], tuple(webhook_outcomes())),
        ("webhook_dispatch", [("0-0", "-"), ("1-1", "-"), ("", "-"), ([], "-")], ()),
        ("token_create", [("t1", "token"), ("a" * 64, "digest"), (_TOKEN, "map")],
         tuple(token_options())),
        ("token_revoke", [("t0", "token")], ()),
        ("token_used", [("t0", "token")], ()),
        ("deploy_mark", [("v2", "title"), map_],
         (*_each("by", *LINES, 5), *_each("once", "yes", 1))),
        ("deploy_remove", [("5", "name")], ()),
        ("repair", [("job", "kind"), ("plain", "-"), ("", "-"), ("", "-")], ()),
        ("read/job", [("plain", "name")], ()),
        ("read/canceled", [("", "after"), page[1], map_],
         ({"tag": 5}, {"jid": "x" * 501}, {"data": "x"})),
        ("read/canceled_job", [("gone", "name")], ()),
        ("read/undo", [("u", "name")], ()),
        ("read/explain", [("plain", "job")], ()),
        ("read/jobs", [(["plain"], "many")], ()),
        ("read/rows", [(["plain"], "many"), ("5", "whole")], ()),
        ("read/results", [(["plain"], "many")], ()),
        ("read/throttle", [("limit", "throttle"), *page], ()),
        ("read/throttles", [("", "after"), page[1]], ()),
        ("read/user", [("ada", "name"), ("fair", "queue")], ()),
        ("read/users", [("fair", "queue"), ("", "after"), page[1]], ()),
        ("read/token", [("t0", "token")], ()),
        ("read/tokens", [], ()),
        ("read/deploys", [], ()),
        ("read/state", [("waiting", "state"), ("work", "name"), *page], ()),
        ("read/tagged", [("x", "name"), *page], ()),
        ("read/tags", [*page, ("1", "whole")], ()),
        ("read/failures", [("failed", "failures"), ("0", "whole"), *page], ()),
        ("read/failure_texts", [("group", "line"), *page], ()),
        ("read/failed", [("group", "line"), *page], ()),
        ("read/groups", page, ()),
        ("read/peek", [("work", "name"), *page], ()),
        ("read/counts", [("work", "name")], ()),
        ("read/queues", page, ()),
        ("read/tracked", [*page, ("5", "most")], ()),
        ("read/workers", page, ()),
        ("read/queue_totals", page, ()),
        ("read/worker", [("worker", "name"), *page, ("10", "whole")], ()),
        ("read/stats", [("work", "name"), ("0", "day")], ()),
        ("read/series", [("work", "name"), ("0", "whole"), ("0", "whole"),
                         ("minute", "resolution")], ()),
        ("read/recurring", [("work", "name"), *page], ()),
        ("read/running", [("work", "name"), *page], ()),
        ("read/blocked", [("work", "name"), *page], ()),
        ("read/search", [([{"set": "waiting", "queue": "work"}], "sources"), ("", "after"),
                         ("0", "whole"), ("100", "positive"), ("100", "positive"),
                         ([], "conditions")],
         ()),
        ("read/sizes", [([{"set": "waiting", "queue": "work"}], "indexes")], ()),
        ("read/recent_events", [("10", "positive")], ()),
        ("read/events", [("0", "event"), ("10", "positive")], ()),
        ("read/queue_sizes", page, ()),
        ("read/parents", [(["child"], "many")], ()),
        ("read/audit", [("", "-"), ("0", "whole"), ("10", "positive"), ({}, "map")],
         ({"who": 5}, {"door": "window"}, {"outcome": ""}, {"target": "x" * 257})),
        ("read/config", [], ()),
        ("read/klasses", [], ()),
        ("read/klass_series", [("app.Send", "line"), ("0", "whole"), ("0", "whole"),
                               ("minute", "resolution")], ()),
        ("read/webhooks", [], ()),
        ("read/length", [("work", "name")], ()),
        ("read/batch", [("batch", "name")], ()),
        ("read/batches", [("", "after"), ("100", "positive"), ("10", "positive"), ({}, "map")],
         tuple(batch_conditions())),
        ("read/batch_pending", [("batch", "name"), ("jobs", "kind"), ("0", "whole")], ()),
        ("read/batch_data", [("batch", "name")], ()),
        ("read/batch_record", [("batch", "name")], ()),
        ("read/outcomes", [("batch", "name"), (["plain"], "many")], ()),
        ("read/meta", [], ()),
        ("read/request", [("series:1:0", "request")], ()),
    ]  # fmt: skip


CONFIG: Final = (
    *(("heartbeat", value) for value in ("", "x", "nan", "inf", "0x10", " 5 ", "-1", "0", "1e3")),
    *(("jobs-history-count", value) for value in ("-1", "1.5", "x", "nan", "")),
    *(("max-data-size", value) for value in ("0", "-5", "1.5", "inf", "999999999999")),
    *(("grace-period", value) for value in ("x", "nan", "inf", "", "1e99")),
    *(("work-heartbeat", value) for value in ("x", "nan", "-1", "0")),
    *(("max-crashes", value) for value in ("0", "-1", "x")),
)


# Good in form, refused for what the namespace holds.
CONFLICTS: Final[tuple[Call, ...]] = (
    ("put", ["work", "plain", "K", "{}", {"on_conflict": "raise"}]),
    ("put", ["work", "new", "K", "{}", {"unique": {"key": "k", "scope": "queued"}, **_raise()}]),
    ("put", ["work", "new", "K", "{}", {"unique": {"key": "w", "scope": "queued"}, **_raise()}]),
    ("put", ["work", "parent", "K", "{}", {"depends": ["child"]}]),
    ("put", ["work", "child", "K", "{}", {"depends": ["child"]}]),
    ("requeue", ["work", "parent", "", "", {"depends": ["heir"]}]),
    ("depends_on", ["child", ["child"], {}]),
    ("depends_on", ["plain", ["parent"], {}]),
    ("depends_off", ["plain", ["parent"]]),
    ("heartbeat", ["ends", "1.n", ""]),
    ("heartbeat", ["plain", "1.n", ""]),
    ("complete", ["ends", "1.n", "", "", {}]),
    ("force_finish", ["ends", ""]),
    ("recur", ["work", "plain", "K", "{}", "1000", "0", {}]),
    ("batch_open", ["batch", {}]),
    ("batch_add", ["closed", ["plain"]]),
    ("batch_add", ["nobatch", ["plain"]]),
    ("batch_close", ["nobatch", ""]),
    ("batch_close", ["batch", "done"]),
    ("track", ["tick"]),
    *(("put_many", ["work", jobs, "{}"]) for jobs in jobs_of_many()),
    *(("restore", ["5", jobs, "{}"]) for jobs in restored()),
    *(("config_set", list(pair)) for pair in CONFIG),
)


def _variants(lease: str, now: str) -> Iterator[tuple[str, list[Any], list[tuple[Any, ...]]]]:
    """Return for each script a good call and, for each of its arguments, the wrong values."""
    for script, arguments, extra in templates(lease):
        is_query = script.startswith("read/")
        values = [now] if is_query else [now, ""]
        # The query of a namespace's clock works whatever clock the caller has.
        wrong = [() if script == "read/meta" else WRONG["now"]]
        wrong += [] if is_query else [WRONG["request"]]
        values += [value for value, _ in arguments]
        wrong += [WRONG.get(kind, ()) for _, kind in arguments]
        wrong[-1] = (*wrong[-1], *extra)
        yield script, values, wrong


def calls(lease: str, now: str) -> Iterator[Call]:
    """Draw up calls with one thing wrong each: any argument, time and request included."""
    for script, values, wrong in _variants(lease, now):
        for position, candidates in enumerate(wrong):
            for value in candidates:
                yield script, [*values[:position], value, *values[position + 1 :]]
        yield from ((script, values[:length]) for length in range(len(values)))
        yield script, [*values, *["more"] * 9000]
    yield from ((script, [now, "", *args]) for script, args in CONFLICTS)


def tangles(lease: str, now: str, number: int) -> Iterator[Call]:
    """Draw calls with several things wrong, the same ones each time."""
    random = Random(number)
    variants = [variant for variant in _variants(lease, now) if any(variant[2])]
    for _ in range(number):
        script, values, wrong = random.choice(variants)
        possible = [position for position, candidates in enumerate(wrong) if candidates]
        args = list(values)
        for position in random.sample(possible, random.randint(1, len(possible))):
            args[position] = random.choice(wrong[position])
        yield script, args


def sendable(value: Any) -> Any:
    """Pack what a client would pack."""
    if isinstance(value, dict | list | tuple):
        return msgpack.packb(value, use_bin_type=False)
    return value
