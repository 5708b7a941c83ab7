"""The command lines that do the same as the buttons of a page.

Words in capitals are placeholders.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

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
_WORKER_COMMANDS: Final = ("quiet", "resume", "stop", "restart", "dump")
# The commands of pages that need no more than the name of what they show, which replaces @.
_PAGES: Final[Mapping[str, Sequence[str]]] = {
    "queues": ("queues", "queue pause QUEUE", "queue unpause QUEUE", "stats"),
    "failures": ("failed groups", "job retry --search state:failed --in-background --yes"),
    "failure": (
        "failed list @",
        "failed retry @ --yes",
        "failed retry @ --to QUEUE --yes",
        "failed cancel @ --yes",
    ),
    "statistics": ("stats", "stats --by klass --last 1d"),
    "statistics_queue": ("stats @ --last 1h", "stats @ --series"),
    "statistics_klass": ("stats --klass @ --last 1h", "stats --klass @ --series"),
    "workflow_list": ("workflows list", "workflows show NAME", "workflows retry NAME"),
    "workflow": (
        "workflows show @",
        "workflows retry @",
        "workflows cancel @ --yes",
        "jobs tag:workflow:@",
    ),
    "batch_list": ("batches list", "batches show NAME", "batches retry NAME"),
    "batch": ("batches show @", "batches retry @", "batches cancel @ --yes", "jobs batch:@"),
    "tracked": ("tracked", "listen", "job untrack JID"),
    "tags": ("tags", "jobs --tag TAG"),
    "tag": ("jobs --tag @", "job untag --tag @ --remove @"),
    "canceled": ("canceled list", "canceled restore JID", "canceled delete JID --yes"),
    "canceled_job": ("canceled show @", "canceled restore @", "canceled delete @ --yes"),
    "operations": ("operations list", "job retry --search SEARCH --in-background"),
    "worker": (
        "workers show @",
        *(f"workers {action} @" for action in _WORKER_COMMANDS),
        "workers forget @",
    ),
    "workers": ("workers list", *(f"workers {action} --all" for action in _WORKER_COMMANDS)),
    "recurring": ("recur list",),
    "new_recurring": ("recur add QUEUE KLASS {} --every 1h", "recur preview --every 1h"),
    "recurring_job": (
        "job show @",
        *(f"recur {action} @" for action in ("runs", "run", "pause", "resume", "remove")),
        "recur edit @ --every 1h",
    ),
    "throttle": (
        "throttles show @",
        "throttles set @ --concurrency 5",
        "throttles block @ 60s",
        "throttles block @ 0",
        "throttles release @ JID",
        "throttles delete @",
    ),
    "throttles": (
        "throttles list",
        "throttles set THROTTLE --concurrency 5",
        "throttles set THROTTLE --rate 10 --per 60s --burst 20",
        "users list",
        "users set USER --weight 2 --max-running 5",
        "users unset USER",
    ),
    "config": ("config list", "config set OPTION VALUE", "config unset OPTION"),
}


def command(*words: Any) -> list[str]:
    """Return a command line for the namespace of this dashboard."""
    namespace = client().namespace
    options = [] if namespace == "ql" else ["--namespace", namespace]
    return ["qless-py", *(str(one) for one in words), *options]


def of_page(page: str, name: str = "") -> Commands:
    """Return the commands of a page that shows the named thing, or all of a kind."""
    lines = (line.split() for line in _PAGES[page])
    return [command(*(word.replace("@", name) for word in words)) for words in lines]


def of_job(job: Job) -> Commands:
    """Return the commands for a job."""
    jid = job.jid
    is_complete = job.state == "complete"
    tags, parents = job.tags or ["TAG"], job.dependencies or ["PARENT"]
    return [
        command("job", "show", jid),
        command("job", "explain", jid),
        command("job", "attempts", jid),
        command("job", "log", jid),
        *([command("job", "retry", jid)] if job.state in {"failed", "scheduled"} else []),
        command("job", "requeue", jid),
        command("job", "move", jid, "--to", "QUEUE"),
        command("job", "edit", jid, "--data", "{}", "--priority", f"{job.priority:g}"),
        command("job", "priority", jid, "--to", f"{job.priority:g}"),
        command("job", "tag", jid, "--add", "TAG"),
        command("job", "untag", jid, "--remove", tags[0]),
        command("job", "untrack" if job.is_tracked else "track", jid),
        *([command("job", "timeout", jid)] if job.state == "running" else []),
        *([command("job", "depend", jid, "--on", "PARENT")] if job.state == "depends" else []),
        *([command("job", "undepend", jid, "--on", parents[0])] if job.dependencies else []),
        *([command("job", "undepend", jid, "--all")] if job.dependencies else []),
        *([command("job", "finish", jid, "--result", "null")] if not is_complete else []),
        *([command("job", "cancel", jid)] if not is_complete else []),
    ]


def of_edit(jid: str, texts: Mapping[str, str]) -> list[str]:
    """Return the command that changes a job to the values of a form."""
    words = ["job", "edit", jid, "--priority", texts["priority"] or "0"]
    if texts["data"]:
        words += ["--data", texts["data"]]
    for tag in texts["tags"].replace(",", " ").split():
        words += ["--tag", tag]
    return command(*words)


def to_put(job: Job, data: str) -> list[str]:
    """Return the command that puts a job like this one again, with its data as text."""
    words = ["put", job.last_queue or "QUEUE", job.klass_name, data]
    if job.priority:
        words += ["--priority", f"{job.priority:g}"]
    if job.attempts is not None:
        words += ["--attempts", str(job.attempts)]
    words += ["--retries", str(job.original_retries)]
    for option, values in (("--tag", job.tags), ("--throttle", job.throttles)):
        for value in values:
            words += [option, value]
    return command(*words, *(["--user", job.user] if job.user else []))


def to_put_by_http(job: Job, data: str) -> list[str]:
    """Return the request to the HTTP API that puts a job like this one again, for curl."""
    body: dict[str, Any] = {"klass": job.klass_name}
    body |= {"priority": job.priority} if job.priority else {}
    body |= {"tags": job.tags} if job.tags else {}
    # The data is text already, with its numbers as they are stored.
    text = f'{json.dumps(body, ensure_ascii=False)[:-1]}, "data": {data}}}'
    queue = quote(job.last_queue or "QUEUE", safe="")
    return ["curl", "--json", text, f"http://127.0.0.1:5697/api/v1/queues/{queue}/jobs"]


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


def of_search(text: str) -> Commands:
    """Return the commands for a search, and for bulk actions on all its matches."""
    found = [command("jobs", *([text] if text else []))]
    if text:
        found += [
            command("job", action, "--search", text, *more, "--in-background")
            for action, more in ACTIONS.items()
        ]
    return found


def of_operation(jid: str, *, is_over: bool) -> Commands:
    """Return the commands for an operation."""
    show = command("operations", "show", jid)
    if is_over:
        return [show, command("operations", "undo", jid)]
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


def of_put(texts: dict[str, Any]) -> list[str]:
    """Return the command that puts a job with the values of a form."""
    words = ["put", texts["queue"] or "QUEUE", texts["klass"] or "KLASS", texts["data"] or "{}"]
    for name in ("jid", "priority", "attempts", "retries", "delay", "user"):
        if texts[name]:
            words += [f"--{name}", texts[name]]
    for name, option in (("tags", "--tag"), ("depends", "--depends"), ("throttles", "--throttle")):
        for one in texts[name].replace(",", " ").split():
            words += [option, one]
    return command(*words)
