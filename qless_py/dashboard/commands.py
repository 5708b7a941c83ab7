"""The command lines that do the same as the buttons of a page.

Words in capitals stand for values to fill in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from qless_py.client.job import Job
from qless_py.dashboard.context import client

Commands = list[list[str]]
# Bulk actions, and the arguments each needs beside the jobs.
ACTIONS: Final = {
    "retry": [],
    "cancel": [],
    "move": ["--to", "QUEUE"],
    "timeout": [],
    "priority": ["--to", "10"],
    "tag": ["--add", "TAG"],
    "untag": ["--remove", "TAG"],
}
# The command for every form, by the rule its form is posted to. Where one rule serves several
# actions, the name of the action follows.
EQUIVALENTS: Final[Mapping[str, Sequence[str]]] = {
    "/put": ("put", "QUEUE", "KLASS", "{}"),
    "/config set": ("config", "set", "OPTION", "VALUE"),
    "/config unset": ("config", "unset", "OPTION"),
    "/failures/retry": ("failed", "retry", "GROUP", "--to", "QUEUE", "--yes"),
    "/jobs/<jid>/cancel": ("job", "cancel", "JID"),
    "/jobs/<jid>/untrack-gone": ("job", "untrack", "JID"),
    "/jobs/<jid>/<what> move": ("job", "move", "JID", "--to", "QUEUE"),
    "/jobs/<jid>/<what> priority": ("job", "priority", "JID", "--to", "10"),
    "/jobs/<jid>/<what> tag": ("job", "tag", "JID", "--add", "TAG"),
    "/jobs/<jid>/<what> untag": ("job", "untag", "JID", "--remove", "TAG"),
    "/jobs/<jid>/<what> retry": ("job", "requeue", "JID", "--to", "QUEUE"),
    "/jobs/<jid>/<what> timeout": ("job", "timeout", "JID"),
    "/jobs/<jid>/<what> track": ("job", "track", "JID"),
    "/jobs/<jid>/<what> untrack": ("job", "untrack", "JID"),
    "/jobs/<jid>/<what> undepend": ("job", "undepend", "JID", "--on", "PARENT"),
    "/jobs/<jid>/<what> undepend_all": ("job", "undepend", "JID", "--all"),
    "/jobs/<jid>/<what> finish": ("job", "finish", "JID", "--result", "null"),
    **{
        f"/jobs/chosen {action}": ("job", action, "JID", *words)
        for action, words in ACTIONS.items()
    },
    **{
        f"/operations {action}": (
            *("job", action, "--search", "SEARCH", *words, "--in-background", "--yes"),
        )
        for action, words in ACTIONS.items()
    },
    "/operations/<jid>/abort": ("operations", "abort", "JID"),
    "/queues/<name>/pause": ("queue", "pause", "QUEUE", "--reason", "WHY", "--for", "30m"),
    "/queues/<name>/unpause": ("queue", "unpause", "QUEUE"),
    "/queues/<name>/heartbeat": ("queue", "set", "QUEUE", "heartbeat=90"),
    "/queues/<name>/forget": ("queue", "forget", "QUEUE", "--yes"),
    "/recur": ("recur", "add", "QUEUE", "KLASS", "{}", "--every", "1h"),
    "/recurring/<jid>/edit": ("recur", "edit", "JID", "--every", "1h"),
    "/recurring/<jid>/cancel": ("recur", "remove", "JID"),
    "/recurring/<jid>/<what> run": ("recur", "run", "JID"),
    "/recurring/<jid>/<what> pause": ("recur", "pause", "JID"),
    "/recurring/<jid>/<what> resume": ("recur", "resume", "JID"),
    "/throttles/set": ("throttles", "set", "THROTTLE", "--concurrency", "5"),
    "/throttles/<name>/delete": ("throttles", "delete", "THROTTLE"),
    "/throttles/<name>/release": ("throttles", "release", "THROTTLE", "JID"),
    "/throttles/<name>/block": ("throttles", "block", "THROTTLE", "60s"),
    "/users/set": ("users", "set", "USER", "--weight", "2", "--max-running", "5"),
    "/users/unset": ("users", "unset", "USER"),
    "/workers/tell/<what> quiet": ("workers", "quiet", "WORKER"),
    "/workers/tell/<what> resume": ("workers", "resume", "WORKER"),
    "/workers/tell/<what> stop": ("workers", "stop", "WORKER"),
    "/workers/tell/<what> restart": ("workers", "restart", "WORKER"),
    "/workers/<name>/forget": ("workers", "forget", "WORKER"),
}


def command(*words: Any) -> list[str]:
    """Return a command line for the namespace of this dashboard."""
    namespace = client().namespace
    options = [] if namespace == "ql" else ["--namespace", namespace]
    return ["qless-py", *(str(one) for one in words), *options]


def of_job(job: Job) -> Commands:
    """Return the commands for a job."""
    jid = job.jid
    tags, parents = job.tags or ["TAG"], job.dependencies or ["PARENT"]
    return [
        command("job", "show", jid),
        command("job", "explain", jid),
        command("job", "log", jid),
        command("job", "retry", jid),
        command("job", "requeue", jid),
        command("job", "move", jid, "--to", "QUEUE"),
        command("job", "priority", jid, "--to", f"{job.priority:g}"),
        command("job", "tag", jid, "--add", "TAG"),
        command("job", "untag", jid, "--remove", tags[0]),
        command("job", "untrack" if job.is_tracked else "track", jid),
        *([command("job", "timeout", jid)] if job.state == "running" else []),
        *([command("job", "depend", jid, "--on", "PARENT")] if job.state == "depends" else []),
        *([command("job", "undepend", jid, "--on", parents[0])] if job.dependencies else []),
        *([command("job", "undepend", jid, "--all")] if job.dependencies else []),
        command("job", "finish", jid, "--result", "null"),
        command("job", "cancel", jid),
    ]


def of_queue(name: str, *, is_paused: bool) -> Commands:
    """Return the commands for a queue."""
    pause = command("queue", "pause", name, "--reason", "WHY", "--for", "30m")
    return [
        command("queue", "show", name),
        command("stats", name),
        command("queue", "unpause", name) if is_paused else pause,
        command("put", name, "KLASS", "{}"),
        command("queue", "set", name, "heartbeat=90"),
        command("queue", "set", name, "heartbeat="),
        command("queue", "purge", name, "--in-background", "--yes"),
        command("queue", "forget", name, "--yes"),
    ]


def of_queues() -> Commands:
    """Return the commands for all queues."""
    return [
        command("queues"),
        command("queue", "pause", "QUEUE"),
        command("queue", "unpause", "QUEUE"),
        command("stats"),
    ]


def of_group(group: str) -> Commands:
    """Return the commands for a failure group."""
    return [
        command("failed", "list", group),
        command("failed", "retry", group, "--yes"),
        command("failed", "retry", group, "--to", "QUEUE", "--yes"),
        command("failed", "cancel", group, "--yes"),
    ]


def of_failures() -> Commands:
    """Return the commands for all failed jobs."""
    return [command("failed", "groups"), in_background("retry", "state:failed", {})]


def of_search(text: str) -> Commands:
    """Return the commands for a search, and for bulk actions on all its matches."""
    found = [command("jobs", *([text] if text else []))]
    if text:
        found += [
            command("job", action, "--search", text, *more, "--in-background")
            for action, more in ACTIONS.items()
        ]
    return found


def of_tracked() -> Commands:
    """Return the commands for tracked jobs."""
    return [command("tracked"), command("listen"), command("job", "untrack", "JID")]


def of_tags() -> Commands:
    """Return the commands for all tags."""
    return [command("tags"), command("jobs", "--tag", "TAG")]


def of_tag(name: str) -> Commands:
    """Return the commands for the jobs with a tag."""
    return [
        command("jobs", "--tag", name),
        command("job", "untag", "--tag", name, "--remove", name),
    ]


def of_completed() -> Commands:
    """Return the commands for complete jobs."""
    return [command("jobs", "--state", "complete"), command("job", "requeue", "JID")]


def of_operations() -> Commands:
    """Return the commands for operations."""
    return [
        command("operations", "list"),
        command("job", "retry", "--search", "SEARCH", "--in-background"),
    ]


def of_operation(jid: str, *, is_over: bool) -> Commands:
    """Return the commands for an operation."""
    show = command("operations", "show", jid)
    if is_over:
        return [show]
    wait = command("operations", "show", jid, "--wait", "10m")
    return [show, wait, command("operations", "abort", jid)]


def in_background(action: str, search: str, params: Mapping[str, Any]) -> list[str]:
    """Return the command that starts the same operation."""
    selection = ["--search", search] if search else ["--everything"]
    return bulk(action, [*selection, "--in-background"], params)


def bulk(action: str, selection: Sequence[str], params: Mapping[str, Any]) -> list[str]:
    """Return the command that performs a bulk action."""
    words: list[str] = []
    for name, value in params.items():
        option = {"tag": "--add", "untag": "--remove"}.get(action, "--to")
        for one in value if name == "tags" else [value]:
            words += [option, f"{one:.15g}" if isinstance(one, float) else str(one)]
    return command("job", action, *selection, *words, "--yes")


def of_worker(name: str) -> Commands:
    """Return the commands for a worker."""
    actions = [
        command("workers", action, name) for action in ("quiet", "resume", "stop", "restart")
    ]
    return [command("workers", "show", name), *actions, command("workers", "forget", name)]


def of_workers() -> Commands:
    """Return the commands for all workers."""
    actions = [
        command("workers", action, "--all") for action in ("quiet", "resume", "stop", "restart")
    ]
    return [command("workers", "list"), *actions]


def of_recurring(jid: str) -> Commands:
    """Return the commands for a recurring job."""
    actions = [command("recur", action, jid) for action in ("run", "pause", "resume", "remove")]
    return [command("job", "show", jid), *actions, command("recur", "edit", jid, "--every", "1h")]


def of_throttle(name: str) -> Commands:
    """Return the commands for a throttle."""
    return [
        command("throttles", "show", name),
        command("throttles", "set", name, "--concurrency", "5"),
        command("throttles", "block", name, "60s"),
        command("throttles", "block", name, "0"),
        command("throttles", "release", name, "JID"),
        command("throttles", "delete", name),
    ]


def of_limits() -> Commands:
    """Return the commands for throttles and users."""
    return [
        command("throttles", "list"),
        command("throttles", "set", "THROTTLE", "--concurrency", "5"),
        command("throttles", "set", "THROTTLE", "--rate", "10", "--per", "60s", "--burst", "20"),
        command("users", "list"),
        command("users", "set", "USER", "--weight", "2", "--max-running", "5"),
        command("users", "unset", "USER"),
    ]


def of_config() -> Commands:
    """Return the commands for the options of the namespace."""
    return [
        command("config", "list"),
        command("config", "set", "OPTION", "VALUE"),
        command("config", "unset", "OPTION"),
    ]


def of_put(texts: dict[str, Any]) -> list[str]:
    """Return the command that puts a job with the values of a form."""
    words = ["put", texts["queue"] or "QUEUE", texts["klass"] or "KLASS", texts["data"] or "{}"]
    for name in ("jid", "priority", "retries", "delay", "user"):
        if texts[name]:
            words += [f"--{name}", texts[name]]
    for name, option in (("tags", "--tag"), ("depends", "--depends"), ("throttles", "--throttle")):
        for one in texts[name].replace(",", " ").split():
            words += [option, one]
    return command(*words)
