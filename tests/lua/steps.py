"""The calls that most tests of scripts are made of."""

from __future__ import annotations

from typing import Any

from tests.script_runner import Scripts

View = dict[str, Any]


def put(call: Scripts, jid: str, queue: str = "q", data: str = "{}", **options: Any) -> Any:
    """Put one job; gives [jid, whether the put took effect]."""
    return call("put", queue, jid, "K", data, options)


def pop(call: Scripts, count: int = 1, queue: str = "q", worker: str = "w") -> list[View]:
    """Pop up to `count` jobs for a process whose nonce is its worker's name."""
    views: list[View] = call("pop", [queue], worker, count, {"nonce": worker})["jobs"]
    return views


def take(call: Scripts, queue: str = "q", worker: str = "w") -> View:
    """Pop one job; an empty queue is an error."""
    (view,) = pop(call, 1, queue, worker)
    return view


def jids(views: list[View]) -> list[str]:
    return [str(view["jid"]) for view in views]


def job(call: Scripts, jid: str) -> View:
    """Read a job that must exist."""
    view: View = call("read/job", jid)
    assert view, f"there is no job {jid}"
    return view


def state(call: Scripts, jid: str) -> str:
    return str(job(call, jid)["state"])


def whats(call: Scripts, jid: str) -> list[str]:
    """Return what happened to a job, oldest first."""
    return [str(entry[0]) for entry in job(call, jid)["history"]]


def counts(call: Scripts, queue: str = "q") -> dict[str, int]:
    """Return how many jobs a queue has in each state in which it has some."""
    found = call("read/counts", queue)
    del found["head_age"]
    return {name: number for name, number in found.items() if type(number) is int and number}


def complete(call: Scripts, view: View, result: str = "", **options: Any) -> Any:
    """Complete a job that was taken, with follow-ups in `jobs` whose data is `{}`."""
    data = ["{}" for _ in options.get("jobs", ())]
    return call("complete", view["jid"], view["lease"], "", result, options, *data)


def fail(call: Scripts, view: View, group: str = "g", message: str = "m") -> Any:
    return call("fail", view["jid"], view["lease"], group, message, "")


def ms(call: Scripts) -> int:
    """Return the time as the scripts have it."""
    return round(call.clock() * 1000)
