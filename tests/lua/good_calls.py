"""For every script, one call that succeeds in the namespace of tests/population.py."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from tests.population import lease_of
from tests.script_runner import Scripts

DIGEST: Final = hashlib.sha1(b"{}", usedforsecurity=False).hexdigest()


def good_calls(call: Scripts) -> dict[str, list[Any]]:
    """Return the arguments of each transition, without the request; each changes something."""
    held = ["runs", lease_of(call, "runs")]
    now = round(call.clock() * 1000)
    spec = {"jid": "new", "klass": "K"}
    unique = {"key": "n", "scope": "queued"}
    callback = {"queue": "work", "jid": "cb", "klass": "K", "data": 1}
    follow_up = {**spec, "queue": "after"}
    return {
        "put": ["work", "new", "K", "{}", {"tags": ["x"], "unique": unique}],
        "put_many": ["work", [spec, {"jid": "more", "klass": "K", "depends": ["new"]}], "{}", "{}"],
        "requeue": ["other", "plain", "", "", {"priority": 3}],
        "restore": ["60000", [{**follow_up, "put_at": now, "left": 1}], "{}"],
        "pop": [["work", "stopped"], "worker", "3", {"nonce": "n2"}],
        "tick": [],
        "heartbeat": [*held, "new data"],
        "heartbeat_many": [[held, ["nobody", "1.n"]]],
        "complete": [*held, "", "result", {"jobs": [follow_up]}, "{}"],
        "complete_many": [[held, ["nobody", "1.n"]], "result", ""],
        "fail": [*held, "group", "message", ""],
        "retry": [*held, "1000", {"group": "g", "message": "m", "tries": "{}", "apart": True}],
        "release": held,
        "snooze": [*held, "5000"],
        "hand_off": [*held, "target", "5000"],
        "timeout": [["runs"]],
        "bulk": ["retry", ["fails", "nobody"], {"states": ["failed"]}],
        "force_finish": ["parent", "result"],
        "cancel": [["plain", "tracked"], {"by": "ann", "reason": "r"}],
        "discard": held,
        "canceled_restore": [["gone", "nobody"]],
        "canceled_delete": [["gone", "nobody"]],
        "undo": ["u", "10"],
        "unfail": ["work", "group", "1"],
        "depends_on": ["child", ["plain"], {}],
        "depends_off": ["child", ["parent"]],
        "tag": ["plain", ["t"]],
        "untag": ["plain", ["x"]],
        "track": ["plain"],
        "untrack": ["tracked"],
        "priority": ["plain", "5"],
        "edit": ["plain", "new data", {"priority": 2, "tags": ["z"], "expects": DIGEST}],
        "log": ["plain", "", "noted", "data"],
        "progress": [*held, "more"],
        "pause": [["work"], {"reason": "r"}],
        "unpause": [["stopped"]],
        "recur": ["work", "often", "K", "{}", "60000", "0", {"backlog": 1}],
        "recur_update": ["tick", "[]", {"interval": 5000}],
        "recur_run": ["tick"],
        "recur_refill": ["cron", _generation(call), str(now + 60_000), [now + 90_000], {}],
        "recur_sync": ["deployed", ["tick"]],
        "recur_cancel": ["tick"],
        "audit_add": [{"who": "ann", "door": "http", "action": "job cancel", "outcome": "done"}],
        "config_set": ["heartbeat", "30"],
        "config_unset": ["heartbeat"],
        "worker_register": ["another", "n3", "info"],
        "worker_beat": ["another", "info"],
        "worker_deregister": [["worker"]],
        "worker_command": [["worker"], "quiet"],
        "worker_report": ["worker", "dump", "stacks"],
        "worker_died": ["worker", "n", "runs", "killed"],
        "job_died": [*held, "killed"],
        "queue_forget": [["work"]],
        "batch_open": [
            "b", {"on_complete": callback, "within": "batch", "data": 2}, "{}", "kept",
        ],
        "batch_restore": ["b", {"opened_at": now, "on_failure": callback, "failed": 2}, "{}"],
        "batch_add": ["batch", ["plain"]],
        "batch_close": ["batch", ""],
        "throttle_set": ["limit", {"concurrency": 2, "rate": 0.5}],
        "throttle_delete": ["limit"],
        "throttle_release": ["limit", ["holder"]],
        "throttle_block": ["queue:fair", "5000"],
        "back_off": ["holder", lease_of(call, "holder"), "5000", ""],
        "user_set": ["ada", {"max_running": 1}],
        "user_unset": ["ada"],
        "webhook_add": ["new", {"url": "http://h/", "key": "k", "codec": "json", "queues": ["a*"]}],
        "webhook_change": ["hook", {"key": "k2", "codec": "json", "keep": 1000}],
        "webhook_remove": ["hook"],
        "webhook_report": ["hook", {"ok": False, "status": 500, "error": "e"}],
        "webhook_dispatch": [
            call("read/webhooks")["position"], "99-99", "?", [{"jid": "d", "klass": "webhook"}], "{}",
        ],
        "token_create": ["t1", "a" * 64, {"name": "n", "scopes": ["read"], "expires_in": 5}],
        "token_revoke": ["t0"],
        "token_used": ["t0"],
        "deploy_mark": ["v2", {"by": "bob", "once": True}],
        "deploy_remove": [call("read/deploys")[0]["id"]],
        "repair": ["job", "plain", "", ""],
    }  # fmt: skip


def _generation(call: Scripts) -> str:
    return str(call("read/job", "cron")["generation"])


def good_queries() -> dict[str, list[Any]]:
    """Return the arguments of each query."""
    page = [0, 10]
    return {
        "read/audit": ["", "0", "10", {"who": "a*"}],
        "read/batch": ["batch"],
        "read/batches": ["", 100, 10, {"name": "*a*", "phases": ["open"]}],
        "read/batch_pending": ["batch", "jobs", "0"],
        "read/batch_record": ["batch"],
        "read/batch_data": ["batch"],
        "read/blocked": ["work", *page],
        "read/canceled": ["", "10", {"tag": "x*"}],
        "read/canceled_job": ["gone"],
        "read/config": [],
        "read/counts": ["work"],
        "read/deploys": [],
        "read/events": ["0", "10"],
        "read/recent_events": ["10"],
        "read/explain": ["plain"],
        "read/failures": ["seen", "0", *page],
        "read/failure_texts": ["group", *page],
        "read/failed": ["group", *page],
        "read/groups": page,
        "read/queue_sizes": page,
        "read/parents": [["child", "plain"]],
        "read/job": ["plain"],
        "read/klasses": [],
        "read/klass_series": ["app.Send", 0, 2**50, "minute"],
        "read/jobs": [["plain", "nobody", "tick"]],
        "read/rows": [["plain", "nobody", "tick"], 0],
        "read/results": [["plain", "nobody"]],
        "read/length": ["work"],
        "read/meta": [],
        "read/outcomes": ["batch", ["plain", "nobody"]],
        "read/peek": ["work", *page],
        "read/queues": page,
        "read/queue_totals": page,
        "read/recurring": ["work", *page],
        "read/request": ["series:1:0"],
        "read/running": ["work", *page],
        "read/search": [
            [{"set": "waiting", "queue": "work"}], "", 0, 100, 100,
            [{"field": "text", "op": "has", "value": "x"}],
        ],
        "read/sizes": [[{"set": "waiting", "queue": "work"}, {"set": "complete"}]],
        "read/series": ["work", 0, 2**50, "minute"],
        "read/throttle": ["limit", *page],
        "read/throttles": ["", 10],
        "read/undo": ["u"],
        "read/user": ["ada", "fair"],
        "read/users": ["fair", "", 10],
        "read/token": ["t0"],
        "read/tokens": [],
        "read/state": ["waiting", "work", *page],
        "read/stats": ["work", ""],
        "read/tagged": ["x", *page],
        "read/tags": [*page, 1],
        "read/tracked": [*page, 0],
        "read/webhooks": [],
        "read/worker": ["worker", *page, "100"],
        "read/workers": page,
    }  # fmt: skip
