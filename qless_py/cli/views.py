"""Jobs as tables and pages of text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from qless_py.cli.output import Output, brief
from qless_py.client.humanize import attempts, duration, exact_duration, local_time

_SHOWN_IN_HEAD = ("what", "when", "queue", "worker")
LISTED_DATA = 4096
"""The most bytes of the data of each job that a table needs."""
_RUN_AGAIN = ("retried", "snoozed")


def job_table(out: Output, jobs: Iterable[Mapping[str, Any]]) -> None:
    """Print jobs, one a line."""
    columns = ("jid", "state", "queue", "klass", "priority", "retries", "tags", "data")
    rows = [
        (
            one["jid"],
            one["state"],
            one["queue"],
            one["klass"],
            one["priority"],
            f"{_left(one)}/{one['retries']}" if "retries_left" in one else one["retries"],
            one["tags"],
            one.get("data_error") or brief(one["data"]),
        )
        for one in jobs
    ]
    out.table(columns, rows, has_text=True)


def _left(job: Mapping[str, Any]) -> int:
    """Return how many retries are left; the store counts below zero once they are used up."""
    return max(int(job["retries_left"]), 0)


def job_page(out: Output, one: Mapping[str, Any]) -> None:
    """Print everything about a job."""
    if one["state"] == "recurring":
        recurring_page(out, one)
        return
    failure = one["failure"] or {}
    out.facts(
        {
            "jid": one["jid"],
            "klass": one["klass"],
            "queue": one["queue"],
            "state": one["state"],
            "priority": one["priority"],
            "attempts": attempts(one["attempts_failed"], one["attempts"]) or None,
            "retries": f"{_left(one)} of {one['retries']} left for lost leases",
            "crashes": one["crashes"] or None,
            "stalls": one["stalls"] or None,
            "tags": one["tags"],
            "tracked": one["tracked"] or None,
            "user": one["user"],
            "throttles": one["throttles"],
            "held by": one["gate"],
            "time limit": exact_duration(one["hard_limit"], ""),
            "expires": local_time(one["expires"]),
            "worker": one["worker"],
            "lease ends": local_time(one["expires_at"]),
            "put": local_time(one["put_at"]),
            "due": local_time(one["due_at"]),
            "popped": local_time(one["popped_at"]),
            "completed": local_time(one["completed_at"]),
            "failed": local_time(one["failed_at"]),
            "depends on": one["depends"],
            "dependents": one["dependents"],
            "batch": one["batch"],
            "spawned from": one["spawned_from"],
            "unique key": one["unique_key"],
            "progress": None if one["progress"] is None else brief(one["progress"], 1000),
            "result": None if one["result"] is None else brief(one["result"], 1000),
            "group": failure.get("group"),
            "message": failure.get("message"),
            "data": one.get("data_error") or brief(one["data"], 4000),
        }
    )
    if one.get("history"):
        out.line()
        history_table(out, one["history"])


def recurring_page(out: Output, one: Mapping[str, Any]) -> None:
    """Print everything about a recurring job."""
    out.facts(
        {
            "jid": one["jid"],
            "klass": one["klass"],
            "queue": one["queue"],
            "when": when(one),
            "in words": one["words"] if one["cron"] else None,
            "next": one["next"],
            "jobs put": one["count"],
            "starts": local_time(one["start"]),
            "ends": local_time(one["end"]),
            "at most": one["limit"],
            "misfire": one["misfire"],
            "overlap": one["overlap"],
            "group": one["group"],
            "priority": one["priority"],
            "retries": f"{one['retries']} for lost leases" if one["retries"] else None,
            "backlog": one["backlog"] or None,
            "tags": one["tags"],
            "user": one["user"],
            "throttles": one["throttles"],
            "data": one.get("data_error") or brief(one["data"], 4000),
        }
    )


def when(one: Mapping[str, Any]) -> str:
    """Return the schedule of a recurring job."""
    return (
        f"{one['cron']} ({one['zone']})"
        if one["cron"]
        else f"every {exact_duration(one['interval'])}"
    )


def _details(entry: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in entry.items() if name not in _SHOWN_IN_HEAD}
    if entry["what"] in _RUN_AGAIN and "due_at" in rest:
        rest["due_at"] = local_time(rest["due_at"])
    return brief(rest, 300) if rest else ""


def history_table(out: Output, history: Iterable[Mapping[str, Any]]) -> None:
    """Print the history of a job."""
    rows = [
        (
            local_time(entry["when"]),
            entry["what"],
            entry.get("queue", entry.get("q", "")),
            entry.get("worker", ""),
            _details(entry),
        )
        for entry in history
    ]
    out.table(("when", "what", "queue", "worker", "details"), rows, has_text=True)


def attempts_table(out: Output, found: Iterable[Mapping[str, Any]]) -> None:
    """Print the attempts of a job."""
    rows = [
        (
            local_time(one["started_at"]),
            duration(one["duration"]),
            one["worker"],
            one["outcome"],
            brief(one["error"], 300) if one["error"] else "",
        )
        for one in found
    ]
    out.table(("started", "duration", "worker", "outcome", "error"), rows, has_text=True)
