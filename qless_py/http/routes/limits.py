"""Limits: throttles, and the users that share queues."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Final

from pydantic import Field

from qless_py.client.throttles import Throttle
from qless_py.http.context import caller, client
from qless_py.http.fields import Answer, Count, Model, Name
from qless_py.http.listing import PageQuery, by_cursor, next_offset, offset_of, page
from qless_py.http.problems import Problem
from qless_py.http.route import Reply, Routes

routes = Routes("limits", "Limit how many jobs run at once, how fast they start, and for whom.")

_THROTTLE: Final = ("throttle-not-found",)
_USER: Final = ("user-not-found",)

ThrottleId = Annotated[
    str,
    Field(pattern=r"^((queue|user):)?[A-Za-z0-9_][A-Za-z0-9_.:@~+-]{0,127}$", examples=["smtp"]),
]
"""A name, or `queue:NAME` or `user:NAME`: the throttle of all jobs of a queue or user."""


class ThrottleBody(Model):
    """All limits of a throttle; those that are left out are removed."""

    concurrency: Count | None = Field(None, description="How many jobs may run at once.")
    rate: float | None = Field(
        None, ge=1e-6, le=1e9, description="How many tokens are added every `per` seconds."
    )
    per: float | None = Field(None, ge=0.001, le=31_557_600, description="1 by default.")
    burst: float | None = Field(None, ge=1e-6, le=1e9, description="How many tokens are kept.")


class ThrottleAnswer(Answer):
    """A throttle: its limits, how many jobs hold it, and how many wait for it."""

    id: str
    concurrency: int | None
    rate: float | None
    per: float | None
    burst: float | None
    tokens: float | None
    blocked_until: float | None
    holding: int
    waiting: int


class ThrottlesAnswer(Answer):
    """Throttles with limits, the one set first in front."""

    throttles: list[ThrottleAnswer]
    total: int
    cursor: str | None


class JidsAnswer(Answer):
    """Jids, the oldest first."""

    jids: list[str]
    cursor: str | None


class BlockBody(Model):
    """For how long no job starts; 0 ends a block."""

    seconds: Annotated[float, Field(ge=0, le=31_557_600)]


class ReleaseBody(Model):
    """Running jobs whose slots are freed."""

    jids: list[Name] = Field(min_length=1, max_length=100)


class ReleasedAnswer(Answer):
    """How many of the jobs held a slot."""

    released: int


class UserPatch(Model):
    """Settings of a user; null resets one."""

    weight: float | None = Field(None, ge=0.001, le=1e6, description="Its share of queues.")
    max_running: Count | None = Field(None, description="How many of its jobs may run at once.")


class UserAnswer(Answer):
    """A user, and how many of its jobs run."""

    name: str
    weight: float
    max_running: int | None
    running: int


class UsersAnswer(Answer):
    """Users with settings."""

    users: list[UserAnswer]
    total: int
    cursor: str | None


@routes.get("/throttles", scope="read", returns=ThrottlesAnswer, problems=("bad-cursor",))
def list_throttles(query: PageQuery) -> Reply:
    """List throttles that have limits or are blocked."""
    caller().require_all_queues("the list of throttles")
    found = by_cursor(query, client().throttles.page)
    listed = [asdict(one) for one in found.throttles]
    return page("throttles", listed, found.cursor, total=found.total)


@routes.get("/throttles/<throttle>", scope="read", returns=ThrottleAnswer)
def get_throttle(throttle: ThrottleId) -> Any:
    """Read a throttle; one that was never set has no limits."""
    return asdict(_throttle(throttle).get())


def _throttle(throttle: str) -> Throttle:
    """Return a throttle; a caller that is limited to queues may use those of its queues."""
    kind, _, queue = throttle.partition(":")
    if kind == "queue" and queue:
        caller().require_queue(queue)
    else:
        caller().require_all_queues(f"the throttle {throttle}")
    return client().throttles[throttle]


@routes.put("/throttles/<throttle>", scope="operate", returns=ThrottleAnswer)
def set_throttle(throttle: ThrottleId, body: ThrottleBody) -> Any:
    """Replace all limits of a throttle. Running jobs continue."""
    return asdict(_throttle(throttle).set(**body.model_dump(exclude_none=True)))


@routes.delete("/throttles/<throttle>", scope="operate", problems=_THROTTLE)
def delete_throttle(throttle: ThrottleId) -> None:
    """Remove all limits of a throttle, so that waiting jobs may run."""
    if not _throttle(throttle).delete():
        raise Problem("throttle-not-found", f"throttle {throttle} has no limits")


@routes.post("/throttles/<throttle>/block", scope="operate", returns=ThrottleAnswer)
def block_throttle(throttle: ThrottleId, body: BlockBody) -> Any:
    """Start no job for some seconds. Running jobs continue."""
    found = _throttle(throttle)
    if body.seconds:
        found.block(body.seconds)
    else:
        found.unblock()
    return asdict(found.get())


@routes.post("/throttles/<throttle>/release", scope="operate", returns=ReleasedAnswer)
def release_throttle(throttle: ThrottleId, body: ReleaseBody) -> Any:
    """Free the slots of running jobs, which continue."""
    return {"released": _throttle(throttle).release(*body.jids)}


@routes.get(
    "/throttles/<throttle>/holders", scope="read", returns=JidsAnswer, problems=("bad-cursor",)
)
def list_throttle_holders(throttle: ThrottleId, query: PageQuery) -> Reply:
    """List the running jobs that hold a throttle."""
    return _jids(_throttle(throttle).holders, query)


@routes.get(
    "/throttles/<throttle>/waiting", scope="read", returns=JidsAnswer, problems=("bad-cursor",)
)
def list_throttle_waiting(throttle: ThrottleId, query: PageQuery) -> Reply:
    """List the jobs that are parked on a throttle."""
    return _jids(_throttle(throttle).waiting, query)


def _jids(read: Any, query: PageQuery) -> Reply:
    offset = offset_of(query)
    jids = read(offset, query.limit)
    is_full = len(jids) == query.limit
    return page("jids", jids, next_offset(offset, len(jids), offset + len(jids) + is_full))


@routes.get("/users", scope="read", returns=UsersAnswer, problems=("bad-cursor",))
def list_users(query: PageQuery) -> Reply:
    """List users with settings."""
    caller().require_all_queues("users")
    found = by_cursor(query, client().users.page)
    return page("users", [asdict(one) for one in found.users], found.cursor, total=found.total)


@routes.get("/users/<user>", scope="read", returns=UserAnswer)
def get_user(user: Name) -> Any:
    """Read a user; without settings it has weight 1 and no limit."""
    caller().require_all_queues("users")
    return asdict(client().users[user].get())


@routes.patch("/users/<user>", scope="operate", returns=UserAnswer)
def change_user(user: Name, body: UserPatch) -> Any:
    """Change the weight of a user, or how many of its jobs may run at once."""
    caller().require_all_queues("users")
    given = body.model_fields_set
    if not given:
        raise Problem("invalid", "body: nothing to change; give weight or max_running")
    changes: dict[str, Any] = {
        name: False if value is None else value
        for name, value in body.model_dump().items()
        if name in given
    }
    return asdict(client().users[user].set(**changes))


@routes.delete("/users/<user>", scope="operate", problems=_USER)
def reset_user(user: Name) -> None:
    """Reset a user to weight 1 without a limit."""
    caller().require_all_queues("users")
    if not client().users[user].unset():
        raise Problem("user-not-found", f"user {user} has no settings")
