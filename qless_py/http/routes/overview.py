"""The namespace as a whole: counts, tags, tracked jobs, and options."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Annotated, Any, Final

from pydantic import Field

from qless_py.client import serialize
from qless_py.http import shapes
from qless_py.http.context import caller, client
from qless_py.http.fields import Answer, Model, Name, Number, QueueEntry
from qless_py.http.listing import PageQuery, offset_of, page
from qless_py.http.problems import Problem
from qless_py.http.route import Reply, Routes
from qless_py.metrics import Target, demand
from qless_py.protocol import arguments, jobs, queues, workers
from qless_py.protocol.config_options import option_of
from qless_py.protocol.jobs import SMALL_PAGE

routes = Routes("overview", "Read counts, tags and tracked jobs; read and change options.")

_MOST_QUEUES: Final = 1000
_OF_QUEUES: Final = ("-heartbeat", "-retry-policy")


class CountsAnswer(Answer):
    """How many jobs there are in each state, over all queues that the token may use.

    `failed`, `complete` and `workers` are null for a token that is limited to queues. `whole` is
    false if there are more than 1,000 queues, of which the first were counted.
    """

    at: float
    queues: int
    states: dict[str, int]
    paused: list[str]
    failed: int | None
    complete: int | None
    workers: int | None
    whole: bool


class AutoscaleQuery(Model):
    """For which queues, and what is wanted; as in `qless-py autoscale`."""

    queue: list[QueueEntry] = Field(
        default=[], max_length=100, description="Names and patterns; by default all queues."
    )
    max_wait: float = Field(60.0, ge=1, le=604_800, description="Seconds a job may wait.")
    slots: int | None = Field(
        None, ge=1, le=100_000, description="Jobs that one worker runs at once."
    )
    min: int = Field(0, ge=0, le=100_000)
    max: int = Field(100, ge=1, le=100_000)
    utilization: float = Field(
        0.8, ge=0.1, le=1, description="The share of slots that may be busy when nothing waits."
    )


class DemandAnswer(Answer):
    """How many workers are wanted (`desired`), and the numbers that this follows from."""

    desired: int
    current: int
    slots: float
    slots_per_worker: int
    backlog: int
    oldest: float
    running: int
    arrivals: float
    run_time: float
    reason: str


class TagsPageAnswer(Answer):
    """Tags with their numbers of jobs, the most used first."""

    tags: list[dict[str, Any]]
    cursor: str | None


class TrackedAnswer(Answer):
    """Tracked jobs, without their data, and the jids of those that are gone."""

    jobs: list[dict[str, Any]]
    expired: list[str]
    cursor: str | None


class OptionsAnswer(Answer):
    """Every option of the namespace, defaults included, and what each is for."""

    options: dict[str, Any]
    described: list[dict[str, Any]]


class OptionBody(Model):
    """The value of an option."""

    value: Number | Annotated[str, Field(max_length=4000)]


class OptionAnswer(Answer):
    """An option and its value now, null if it has none."""

    option: str
    value: Any


@routes.get("/counts", scope="read", returns=CountsAnswer)
def get_counts() -> Any:
    """Count the jobs of all queues by state."""
    total, rows = 0, list[queues.Counts]()
    while True:
        total, more = client().run(queues.all_counts(len(rows), SMALL_PAGE))
        rows += more
        if not more or len(rows) >= min(total, _MOST_QUEUES):
            break
    own = [serialize.queue(row) for row in rows if caller().may_use(str(row["name"]))]
    states: Counter[str] = Counter()
    for row in own:
        states.update({name: row[name] for name in serialize.COUNTS})
    return {
        "at": client().settings.clock(),
        "queues": len(own),
        "states": {name: states[name] for name in serialize.COUNTS},
        "paused": [row["name"] for row in own if row["paused"]],
        **_ended(),
        "whole": len(rows) >= total,
    }


def _ended() -> dict[str, int | None]:
    if caller().queues:
        return {"failed": None, "complete": None, "workers": None}
    _, groups = client().run(jobs.groups(0, 1000))
    return {
        "failed": sum(group.number for group in groups),
        "complete": client().run(jobs.in_state("complete", "", 0, 0)).total,
        "workers": client().run(workers.counts(0, 0))[0],
    }


@routes.get("/autoscale", scope="read", returns=DemandAnswer)
def get_demand(query: AutoscaleQuery) -> Any:
    """Read how many workers the queues need."""
    caller().require_entries(query.queue)
    entries = query.queue or caller().queues
    target = Target(query.max_wait, query.slots, query.min, query.max, query.utilization)
    found = demand(client(), entries, target)
    return {**asdict(found), "reason": found.reason}


@routes.get("/tags", scope="read", returns=TagsPageAnswer, problems=("bad-cursor",))
def list_tags(query: PageQuery) -> Reply:
    """List tags."""
    caller().require_all_queues("tags")
    offset = offset_of(query)
    rows = client().tag_counts(offset, query.limit)
    following = str(offset + len(rows)) if len(rows) == query.limit else None
    return page("tags", [{"tag": tag, "number": number} for tag, number in rows], following)


@routes.get("/tracked", scope="read", returns=TrackedAnswer, problems=("bad-cursor",))
def list_tracked(query: PageQuery) -> Reply:
    """List tracked jobs, whose every step is published."""
    caller().require_all_queues("tracked jobs")
    offset = offset_of(query)
    found = client().run(jobs.tracked(offset, query.limit, 0))
    number = len(found.jobs) + len(found.expired)
    following = str(offset + number) if offset + number < found.total and number else None
    listed = shapes.records(found.jobs)
    return page("jobs", listed, following, expired=found.expired)


@routes.get("/config", scope="read", returns=OptionsAnswer)
def list_options() -> Any:
    """List the options of the namespace."""
    caller().require_all_queues("options")
    values = dict(sorted(client().config.all.items()))
    return {"options": values, "described": [asdict(option_of(name)) for name in values]}


@routes.put("/config/<option>", scope="operate", returns=OptionAnswer, problems=("bad-config",))
def set_option(option: Name, body: OptionBody) -> Any:
    """Set an option of the namespace, for all clients at once."""
    caller().require_all_queues("options")
    known = client().config.all
    if option not in known and not option.endswith(_OF_QUEUES):
        near = arguments.nearest(option, known)
        hint = f", did you mean {near}?" if near else ""
        raise Problem("bad-config", f"unknown option {option}{hint}")
    client().config.set(option, body.value)
    return {"option": option, "value": client().config.all.get(option)}


@routes.delete("/config/<option>", scope="operate", returns=OptionAnswer, problems=("bad-config",))
def unset_option(option: Name) -> Any:
    """Reset an option to its default."""
    caller().require_all_queues("options")
    client().config.unset(option)
    return {"option": option, "value": client().config.all.get(option)}
