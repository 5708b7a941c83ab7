from collections.abc import Callable

import pytest

from tests.scripts import Scripts

Fill = Callable[[], None]


@pytest.fixture
def lease(call: Scripts) -> Callable[[str], str]:
    """Tell the present lease of a job."""
    return lambda jid: str(call("read/job", jid)["lease"])


@pytest.fixture
def populated(call: Scripts, lease: Callable[[str], str]) -> Scripts:
    """Give a namespace with jobs in every state, and with everything that can hang on a job."""
    call("config_set", "grace-period", "10")
    call("put", "work", "tracked", "K", "{}", {"tags": ["x", "y"], "priority": 3})
    call("track", "tracked")
    call("put", "work", "plain", "K", "{}", {"tags": ["x"]})
    call("put", "work", "apart", "K", "d" * 3000, {})
    call("put", "work", "later", "K", "{}", {"delay": 60_000})
    call("put", "work", "parent", "K", "{}", {"delay": 90_000})
    call("put", "work", "child", "K", "{}", {"depends": ["parent", "later"]})
    call("put", "work", "keyed", "K", "{}", {"unique": {"key": "k", "scope": "queued"}})
    call("put", "work", "window", "K", "{}", _window())
    call("batch_open", "batch", {"on_complete": _callback()}, "{}")
    call("put", "work", "member", "K", "{}", {"batch": "batch"})
    call("recur", "work", "tick", "K", "{}", 60_000, 30_000, {})
    call("put", "busy", "runs", "K", "{}", {})
    call("put", "busy", "fails", "K", "{}", {})
    call("put", "busy", "ends", "K", "{}", {})
    call("put", "work", "heir", "K", "{}", {"depends": ["ends", "parent"]})
    call("pop", ["busy"], "worker", 3, {"nonce": "n"})
    call("fail", "fails", lease("fails"), "group", "message", "")
    call("complete", "ends", lease("ends"), "", "result", "")
    call("progress", "runs", lease("runs"), "half")
    call("worker_register", "worker", "n", "info")
    call("pause", ["stopped"], {"until": round(call.clock() * 1000) + 5000, "reason": "r"})
    return call


def _window() -> dict[str, object]:
    return {"unique": {"key": "w", "scope": "window", "window": 50_000}, "delay": 70_000}


def _callback() -> dict[str, object]:
    return {"queue": "work", "jid": "after", "klass": "K", "data": 1}
