"""What one types on the command line instead of pressing the buttons of a page.

Words in capitals are to be replaced.
"""

from __future__ import annotations

import json
from typing import Any, Final

from qless_py.dashboard.actions import command
from qless_py.job import Job

Commands = list[list[str]]
ACTIONS: Final = {
    "retry": [],
    "cancel": [],
    "move": ["--to", "QUEUE"],
    "priority": ["--to", "10"],
    "tag": ["--add", "TAG"],
    "untag": ["--remove", "TAG"],
}


def of_job(job: Job) -> Commands:
    """Give the commands for a job."""
    jid = job.jid
    tags = job.tags or ["TAG"]
    return [
        command("job", "show", jid),
        command("job", "explain", jid),
        command("job", "retry", jid),
        command("job", "requeue", jid),
        command("job", "move", jid, "--to", "QUEUE"),
        command("job", "priority", jid, "--to", f"{job.priority:g}"),
        command("job", "tag", jid, "--add", "TAG"),
        command("job", "untag", jid, "--remove", tags[0]),
        command("job", "untrack" if job.is_tracked else "track", jid),
        command("job", "finish", jid, "--result", "null"),
        command("job", "cancel", jid, "--yes"),
    ]


def of_queue(name: str, *, is_paused: bool) -> Commands:
    """Give the commands for a queue."""
    pause = command("queue", "pause", name, "--reason", "WHY", "--for", "30m")
    return [
        command("queue", "show", name),
        command("stats", name),
        command("queue", "unpause", name) if is_paused else pause,
        command("put", name, "KLASS", "{}"),
        command("config", "set", f"{name}-heartbeat", "90"),
        command("config", "unset", f"{name}-heartbeat"),
        command("queue", "forget", name, "--yes"),
    ]


def of_queues() -> Commands:
    """Give the commands for all queues."""
    return [command("queues"), command("queue", "pause", "QUEUE"), command("stats")]


def of_group(group: str) -> Commands:
    """Give the commands for a group of failures."""
    return [
        command("failed", "list", group),
        command("failed", "retry", group, "--yes"),
        command("failed", "retry", group, "--to", "QUEUE", "--yes"),
        command("failed", "cancel", group, "--yes"),
    ]


def of_search(text: str) -> Commands:
    """Give the commands for a search, and for what can be done to all that it finds."""
    found = [command("jobs", *([text] if text else []))]
    if text:
        found += [
            command("job", action, "--search", text, *more) for action, more in ACTIONS.items()
        ]
    return found


def of_worker(name: str) -> Commands:
    """Give the commands for a worker."""
    told = [command("workers", what, name) for what in ("quiet", "resume", "stop", "restart")]
    return [command("workers", "show", name), *told, command("workers", "forget", name)]


def of_workers() -> Commands:
    """Give the commands for all workers."""
    told = [command("workers", what, "--all") for what in ("quiet", "resume", "stop", "restart")]
    return [command("workers", "list"), *told]


def of_recurring(jid: str) -> Commands:
    """Give the commands for a recurring job."""
    return [command("recur", what, jid) for what in ("run", "pause", "resume", "remove")]


def of_throttle(name: str) -> Commands:
    """Give the commands for a throttle."""
    return [
        command("throttles", "show", name),
        command("throttles", "block", name, "60s"),
        command("throttles", "release", name, "JID"),
        command("throttles", "delete", name),
    ]


def of_limits() -> Commands:
    """Give the commands for throttles and users."""
    return [
        command("throttles", "list"),
        command("throttles", "set", "THROTTLE", "--concurrency", "5"),
        command("throttles", "set", "THROTTLE", "--rate", "10", "--per", "60s", "--burst", "20"),
        command("users", "list"),
        command("users", "set", "USER", "--weight", "2", "--max-running", "5"),
    ]


def of_config() -> Commands:
    """Give the commands for the options of the namespace."""
    return [
        command("config", "list"),
        command("config", "set", "OPTION", "VALUE"),
        command("config", "unset", "OPTION"),
    ]


def of_put(given: dict[str, Any]) -> list[str]:
    """Give the command for what a form of a put says."""
    words = ["put", given["queue"] or "QUEUE", given["klass"] or "KLASS", given["data"] or "{}"]
    for name in ("jid", "priority", "retries", "delay", "user"):
        if given[name]:
            words += [f"--{name}", given[name]]
    for name, option in (("tags", "--tag"), ("depends", "--depends"), ("throttles", "--throttle")):
        for one in given[name].replace(",", " ").split():
            words += [option, one]
    return command(*words)


def data_of(job: Job) -> str:
    """Write the data of a job so that a form can put it again; raises `ValueError` if JSON cannot
    say it.
    """  # noqa: D205 - one sentence, too long for a line
    try:
        return json.dumps(job.data, indent=2, ensure_ascii=False)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"the data is not JSON: {error}") from error
