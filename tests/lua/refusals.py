"""For every error that a script's header names, a call that gets it.

The calls are made in the namespace of tests/population.py with a limit on the size of data.
"""

from __future__ import annotations

from typing import Any

LIMIT = 2000
LARGE = "d" * (LIMIT + 1)
LOST = "1.lost"
UNIQUE = {"unique": {"key": "k", "scope": "queued"}, "unique_conflict": "raise"}

Refusals = dict[str, dict[str, list[Any]]]


def of_puts() -> Refusals:
    """Return the refusals of what takes the options of a put."""
    options: dict[str, dict[str, Any]] = {
        "BADARG": {"priority": "high"},
        "EXISTS": UNIQUE,
        "CYCLE": {"depends": ["heir"]},
        "NOBATCH": {"batch": "nobatch"},
        "BATCHCLOSED": {"batch": "closed"},
        "NOJOB": {"parent": "nobody", "lease": LOST},
        "LOSTLEASE": {"parent": "runs", "lease": LOST},
        "FINISHED": {"parent": "ends", "lease": LOST},
    }

    def put(given: dict[str, Any], data: str = "{}") -> list[Any]:
        return ["work", "parent", "K", data, given]

    def put_many(given: dict[str, Any], data: str = "{}") -> list[Any]:
        return ["work", [{"jid": "parent", "klass": "K", **given}], data]

    def restore(given: dict[str, Any], data: str = "{}") -> list[Any]:
        job = {"queue": "work", "jid": "new", "klass": "K", "put_at": 1}
        return ["0", [{**job, **given}], data]

    requeue: dict[str, list[Any]] = {code: put(given) for code, given in options.items()}
    requeue["NOJOB"] = ["work", "nobody", "K", "{}", {}]
    return {
        "put": {code: put(given) for code, given in options.items()} | {"TOOLARGE": put({}, LARGE)},
        "put_many": {code: put_many(given) for code, given in options.items()}
        | {"TOOLARGE": put_many({}, LARGE)},
        "requeue": requeue | {"TOOLARGE": put({}, LARGE)},
        "restore": {
            "BADARG": restore({"put_at": "yesterday"}),
            "TOOLARGE": restore({}, LARGE),
            "EXISTS": restore({"jid": "last", "batch": "batch"}),
            "CYCLE": restore({"depends": ["new"]}),
            "NOBATCH": restore({"batch": "nobatch"}),
            "BATCHCLOSED": restore({"batch": "closed"}),
        },
    }


def of_holders(lease: str) -> Refusals:
    """Return the refusals of what a worker does with its job."""
    more: dict[str, list[Any]] = {
        "heartbeat": [""],
        "complete": ["", "", {}],
        "fail": ["g", "m", ""],
        "retry": ["0", {}],
        "release": [],
        "discard": [],
        "snooze": ["5"],
        "hand_off": ["target", "5"],
        "job_died": ["killed"],
        "back_off": ["5", ""],
        "progress": ["half"],
        "log": ["note", ""],
    }
    found: Refusals = {
        verb: {
            "NOJOB": ["nobody", LOST, *rest],
            "LOSTLEASE": ["runs", LOST, *rest],
            "FINISHED": ["ends", LOST, *rest],
            "BADARG": ["a b", LOST, *rest],
        }
        for verb, rest in more.items()
    }
    runs = ["runs", lease]
    job = {"jid": "new", "klass": "K", "queue": "work"}
    found["complete"] |= {
        "TOOLARGE": [*runs, "", LARGE, {}],
        "CYCLE": [*runs, "", "", {"next": {"queue": "work", "depends": ["runs"]}}],
        "NOBATCH": [*runs, "", "", {"jobs": [{**job, "batch": "nobatch"}]}, "{}"],
        "BATCHCLOSED": [*runs, "", "", {"jobs": [{**job, "batch": "closed"}]}, "{}"],
        "EXISTS": [*runs, "", "", {"jobs": [{**job, "jid": "plain", "on_conflict": "raise"}]}, "{}"],
    }
    found["discard"]["HASDEPENDENTS"] = runs
    found["heartbeat"]["TOOLARGE"] = [*runs, LARGE]
    found["fail"]["TOOLARGE"] = [*runs, "g", "m", LARGE]
    found["progress"]["TOOLARGE"] = [*runs, LARGE]
    found["log"]["TOOLARGE"] = [*runs, "note", LARGE]
    found["complete_many"] = {"BADARG": [[["runs"]], ""], "TOOLARGE": [[runs], LARGE]}
    found["heartbeat_many"] = {"BADARG": [[["runs"]]]}
    return found


def of_jobs() -> Refusals:
    """Return the refusals of what anybody may do with jobs."""
    return {
        "bulk": {"BADARG": ["dream", ["plain"], {}]},
        "timeout": {"BADARG": [[]], "NOJOB": [["nobody"]], "WRONGSTATE": [["plain"]]},
        "force_finish": {
            "BADARG": ["a b", ""],
            "TOOLARGE": ["plain", LARGE],
            "NOJOB": ["nobody", ""],
            "FINISHED": ["ends", ""],
        },
        "cancel": {"BADARG": [[], ""], "HASDEPENDENTS": [["parent"], ""]},
        "canceled_restore": {"BADARG": [["a b"]]},
        "canceled_delete": {"BADARG": [[]]},
        "undo": {"BADARG": ["u", "0"]},
        "unfail": {"BADARG": ["work", "group", "0"]},
        "depends_on": {
            "BADARG": ["child", [], {}],
            "NOJOB": ["nobody", ["plain"], {}],
            "WRONGSTATE": ["plain", ["parent"], {}],
            "CYCLE": ["child", ["child"], {}],
        },
        "depends_off": {
            "BADARG": ["child", [1]],
            "NOJOB": ["nobody", []],
            "WRONGSTATE": ["plain", []],
        },
        "tag": {"BADARG": ["plain", ["a b"]], "NOJOB": ["nobody", ["t"]]},
        "untag": {"BADARG": ["plain", ["a b"]], "NOJOB": ["nobody", ["t"]]},
        "track": {"BADARG": ["a b"], "NOJOB": ["nobody"]},
        "untrack": {"BADARG": ["a b"], "NOJOB": ["nobody"]},
        "priority": {"BADARG": ["plain", "high"], "NOJOB": ["nobody", "1"]},
        "edit": {
            "BADARG": ["plain", "", {"priority": "high"}],
            "TOOLARGE": ["plain", LARGE, {}],
            "NOJOB": ["nobody", "", {}],
            "WRONGSTATE": ["runs", "{}", {}],
            "CHANGED": ["plain", "{}", {"expects": "0" * 40}],
        },
    }


def of_the_rest() -> Refusals:
    """Return the refusals of queues, workers, batches, settings and recurring jobs."""
    callback = {"queue": "work", "jid": "cb", "klass": "K", "data": 1}
    return {
        "pop": {"BADARG": [["work"], "w", "0", {}], "DEADWORKER": [["work"], "w", "1", _DEAD]},
        "tick": {"BADARG": []},
        "pause": {"BADARG": [["work"], {"until": -1}]},
        "unpause": {"BADARG": [[]]},
        "queue_forget": {"BADARG": [["a b"]]},
        "audit_add": {"BADARG": [{"who": "ann"}]},
        "config_set": {"BADARG": ["a b", "x"], "BADCONFIG": ["heartbeat", "never"]},
        "config_unset": {"BADARG": ["a b"], "BADCONFIG": ["event-stream"]},
        "webhook_add": {"BADARG": ["new", {}], "EXISTS": ["hook", _HOOK]},
        "webhook_change": {"BADARG": ["hook", {"state": "on"}], "NOWEBHOOK": ["nobody", {}]},
        "webhook_remove": {"BADARG": ["a b"], "NOWEBHOOK": ["nobody"]},
        "webhook_report": {"BADARG": ["hook", {}], "NOWEBHOOK": ["nobody", {"ok": True}]},
        "webhook_dispatch": {
            "BADARG": ["1", "2-2", "", []],
            "TOOLARGE": ["0-0", "2-2", "", [{"jid": "d", "klass": "K"}], "d" * (2**20 + 1)],
        },
        "worker_register": {"BADARG": ["a b", "n", ""], "DEADWORKER": ["w", "dead", ""]},
        "worker_beat": {"BADARG": ["a b", ""]},
        "worker_deregister": {"BADARG": [["a b"]]},
        "worker_report": {"BADARG": ["worker", "dance", ""]},
        "worker_command": {"BADARG": [["w"], "dance"]},
        "worker_died": {"BADARG": ["w", "", "", ""]},
        "recur": {
            "BADARG": ["work", "often", "K", "{}", "0", "0", {}],
            "TOOLARGE": ["work", "often", "K", LARGE, "1000", "0", {}],
            "EXISTS": ["work", "plain", "K", "{}", "1000", "0", {}],
        },
        "recur_update": {
            "BADARG": ["tick", "", {"interval": 0}],
            "TOOLARGE": ["tick", LARGE, {}],
            "NOJOB": ["plain", "", {}],
        },
        "recur_run": {"BADARG": ["a b"], "NOJOB": ["plain"]},
        "recur_refill": {"BADARG": ["cron", "1", "1", [2, 2], {}]},
        "recur_sync": {"BADARG": ["a b", []]},
        "recur_cancel": {"BADARG": ["a b"]},
        "batch_open": {
            "BADARG": ["b", {"on_success": 5}],
            "TOOLARGE": ["b", {"on_success": callback}, LARGE],
            "EXISTS": ["batch", {}],
            "NOJOB": ["b", {"owner": "nobody", "lease": LOST}],
            "LOSTLEASE": ["b", {"owner": "runs", "lease": LOST}],
            "FINISHED": ["b", {"owner": "ends", "lease": LOST}],
            "NOBATCH": ["b", {"within": "nobatch"}],
            "BATCHCLOSED": ["b", {"within": "closed"}],
        },
        "batch_restore": {
            "BADARG": ["b", {"opened_at": -1}],
            "TOOLARGE": ["b", {"opened_at": 1, "data": 1}, LARGE],
            "NOBATCH": ["b", {"opened_at": 1, "within": "nobatch"}],
            "BATCHCLOSED": ["b", {"opened_at": 1, "within": "closed"}],
        },
        "batch_add": {
            "BADARG": ["batch", []],
            "NOBATCH": ["nobatch", ["plain"]],
            "BATCHCLOSED": ["closed", ["plain"]],
            "NOJOB": ["batch", ["nobody"]],
            "WRONGSTATE": ["batch", ["fails"]],
        },
        "batch_close": {"BADARG": ["a b", ""], "NOBATCH": ["nobatch", ""]},
        "throttle_set": {"BADARG": ["limit", {}]},
        "throttle_delete": {"BADARG": ["a b"]},
        "throttle_release": {"BADARG": ["limit", []]},
        "throttle_block": {"BADARG": ["limit", "-1"]},
        "user_set": {"BADARG": ["ada", {}]},
        "user_unset": {"BADARG": ["a b"]},
        "token_create": {
            "BADARG": ["t1", "", {"name": "n", "scopes": ["put"]}],
            "EXISTS": ["t0", "a" * 64, {"name": "n", "scopes": ["put"]}],
        },
        "token_revoke": {"BADARG": ["a b"]},
        "token_used": {"BADARG": ["a b"]},
        "deploy_mark": {"BADARG": ["", {}]},
        "deploy_remove": {"BADARG": ["a b"]},
        "repair": {"BADARG": ["everything", "plain", "", ""]},
    }


_HOOK = {"url": "http://h/", "key": "k", "codec": "json"}
_DEAD = {"nonce": "dead"}


def of_queries() -> Refusals:
    """Return the refusals of queries: a page that is none, a name that is none."""
    wrong: dict[str, list[Any]] = {
        "audit": ["1-", 0, 1, {}],
        "job": ["a b"], "jobs": [["a b"]], "rows": [["a b"], 0], "state": ["dreaming", "work", 0, 1],
        "tagged": ["a b", 0, 1], "tags": [-1, 1, 1], "failed": ["", 0, 1], "failures": ["all", 0, 0, 1],
        "failure_texts": ["", 0, 1], "groups": [0, 1001],
        "peek": ["work", 0, 101], "counts": ["a b"], "queues": [0, 1001], "queue_totals": [0, 101],
        "tracked": [0, 101, 0],
        "workers": [0, 1001], "worker": ["a b", 0, 1], "stats": ["work", "x"],
        "series": ["work", 0, 1, "hour"], "klass_series": ["K", 0, 1, "hour"], "recurring": ["work", 0, 101], "config": [], "meta": [],
        "klasses": [], "canceled": ["", 251, ""], "canceled_job": ["a b"], "undo": ["a b"],
        "length": ["a b"], "webhooks": [], "batch": ["a b"], "batch_data": ["a b"],
        "batch_record": ["a b"], "batches": ["", 251, 1, {}], "batch_pending": ["batch", "x", "0"],
        "outcomes": ["a b", []], "request": ["x"], "results": [["a b"]],
        "throttle": ["queue:", 0, 1], "throttles": ["", 251], "user": ["a b", ""],
        "users": ["a b", "", 1], "token": ["a b"], "tokens": [], "deploys": [],
        "running": ["a b", 0, 1], "blocked": ["work", 0, 101],
        "queue_sizes": [0, 251], "parents": [["a b"]], "sizes": [[{"set": "dreams"}]],
        "search": [[{"set": "dreams"}], "", 0, 1, 1, []],
    }  # fmt: skip
    found: Refusals = {f"read/{name}": {"BADARG": args} for name, args in wrong.items()}
    found["read/events"] = {"BADARG": ["1-", 1], "STREAMOFF": ["0", 1]}
    found["read/recent_events"] = {"BADARG": [0], "STREAMOFF": [1]}
    found["read/explain"] = {"BADARG": ["a b"], "NOJOB": ["nobody"]}
    return found


def refusals(lease: str) -> Refusals:
    """Return them all; `lease` holds the job `runs`."""
    return of_puts() | of_holders(lease) | of_jobs() | of_the_rest() | of_queries()
