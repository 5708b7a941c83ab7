"""Webhooks: URLs that get events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from qless_py.client.job import Job
from qless_py.errors import JobNotFoundError
from qless_py.http import shapes
from qless_py.http.context import caller, client
from qless_py.http.fields import Answer, Instant, Model, Name, Seconds
from qless_py.http.problems import Problem
from qless_py.http.route import Reply, Routes
from qless_py.protocol.webhooks import DISABLE_AFTER, KEEP_KEY, NewWebhook

routes = Routes("webhooks", "Send events to URLs.")

_MISSING = ("webhook-not-found",)


class ChangeBody(Model):
    """What to change of a webhook."""

    url: str | None = Field(None, min_length=1, max_length=2083)
    types: list[str] | None = Field(None, max_length=20, description="Patterns of event types.")
    queues: list[str] | None = Field(None, max_length=20, description="Patterns of queues.")
    description: str | None = Field(None, max_length=255)
    disable_after: Seconds | None = Field(
        None, description="Seconds of failures after which it is disabled."
    )
    enabled: bool | None = None


class AddBody(Model):
    """A webhook: where events go, and which."""

    url: str = Field(min_length=1, max_length=2083, examples=["https://example.org/hooks"])
    types: list[str] = Field([], max_length=20, description="Patterns of event types.")
    queues: list[str] = Field([], max_length=20, description="Patterns of queues.")
    description: str = Field("", max_length=255)
    disable_after: Seconds = Field(
        DISABLE_AFTER, description="Seconds of failures after which it is disabled."
    )


class RotateBody(Model):
    """For how long the old key signs too."""

    keep: Seconds = KEEP_KEY


class ReplayBody(Model):
    """Since when to deliver what was missed."""

    since: Instant


class PageQuery(Model):
    """A page of deliveries, oldest first."""

    offset: int = Field(0, ge=0, le=2**31)
    count: int = Field(25, ge=1, le=100)


class WebhookAnswer(Answer):
    """A webhook and how its deliveries fare."""

    id: str
    url: str
    state: str


class NewWebhookAnswer(WebhookAnswer):
    """A webhook with its secret, which is shown only now."""

    secret: str


class WebhooksAnswer(Answer):
    """All webhooks, how many events are still to be dispatched, and the last gap."""

    webhooks: list[dict[str, Any]]
    behind: int


class DeliveriesAnswer(Answer):
    """Deliveries, which are jobs of the queue `webhooks`."""

    total: int
    deliveries: list[dict[str, Any]]


class PutsAnswer(Answer):
    """How many deliveries were put."""

    put: int


class DeliveryAnswer(Answer):
    """The jid of a delivery."""

    jid: str


@routes.get("/webhooks", scope="operate", returns=WebhooksAnswer)
def list_webhooks() -> Any:
    """List webhooks; a token of some queues sees those of its queues only."""
    status = client().webhooks.status()
    gap = status.gap
    return {
        "webhooks": [one.as_dict() for one in status.webhooks if _may_use(one.queues)],
        "behind": status.behind,
        "gap": None if gap is None else {"at": gap.at, "after": gap.after, "lost": gap.lost},
    }


@routes.post(
    "/webhooks", scope="operate", returns={201: NewWebhookAnswer}, problems=("already-exists",)
)
def add_webhook(body: AddBody) -> Reply:
    """Add a webhook. Its secret is in this answer only."""
    _check_queues(body.queues)
    return Reply(_with_secret(client().webhooks.add(**body.model_dump())), 201)


@routes.get("/webhooks/<webhook>", scope="operate", returns=WebhookAnswer, problems=_MISSING)
def get_webhook(webhook: Name) -> Any:
    """Read a webhook."""
    _check_owned(webhook)
    return client().webhooks.get(webhook).as_dict()


@routes.patch("/webhooks/<webhook>", scope="operate", returns=WebhookAnswer, problems=_MISSING)
def change_webhook(webhook: Name, body: ChangeBody) -> Any:
    """Change what is given of a webhook."""
    _check_owned(webhook)
    given = body.model_dump(exclude_none=True)
    if "queues" in given:
        _check_queues(given["queues"])
    enabled = given.pop("enabled", None)
    if given:
        client().webhooks.change(webhook, **given)
    if enabled is not None:
        (client().webhooks.enable if enabled else client().webhooks.disable)(webhook)
    return client().webhooks.get(webhook).as_dict()


@routes.delete("/webhooks/<webhook>", scope="operate", problems=_MISSING)
def remove_webhook(webhook: Name) -> Any:
    """Remove a webhook. Deliveries that wait are discarded when they are due."""
    _check_owned(webhook)
    client().webhooks.remove(webhook)


@routes.post(
    "/webhooks/<webhook>/rotate", scope="operate", returns=NewWebhookAnswer, problems=_MISSING
)
def rotate_webhook(webhook: Name, body: RotateBody) -> Any:
    """Replace the secret; both sign for a while. The new one is in this answer only."""
    _check_owned(webhook)
    return _with_secret(client().webhooks.rotate(webhook, keep=body.keep))


@routes.post(
    "/webhooks/<webhook>/test", scope="operate", returns={202: DeliveryAnswer}, problems=_MISSING
)
def check_webhook(webhook: Name) -> Any:
    """Put a delivery of the type `webhook.test`."""
    _check_owned(webhook)
    return {"jid": client().webhooks.test(webhook)}


@routes.post(
    "/webhooks/<webhook>/replay", scope="operate", returns={202: PutsAnswer}, problems=_MISSING
)
def replay_webhook(webhook: Name, body: ReplayBody) -> Any:
    """Deliver what the webhook has missed since a time."""
    _check_owned(webhook)
    put, gap = client().webhooks.replay(webhook, body.since)
    return {"put": put, "gap": None if gap is None else gap.as_dict()}


@routes.get(
    "/webhooks/<webhook>/deliveries",
    scope="operate",
    returns=DeliveriesAnswer,
    problems=_MISSING,
)
def list_deliveries(webhook: Name, query: PageQuery) -> Any:
    """List the deliveries of a webhook that are kept."""
    _check_owned(webhook)
    page = client().webhooks.deliveries(webhook, query.offset, query.count)
    jobs = client().jobs.get(page.jids) if page.jids else []
    found = [shapes.job(one) for one in jobs if isinstance(one, Job)]
    return {"total": page.total, "deliveries": found}


@routes.post(
    "/webhooks/<webhook>/deliveries/<jid>/redeliver",
    scope="operate",
    returns={202: DeliveryAnswer},
    problems=(*_MISSING, "job-not-found"),
)
def redeliver(webhook: Name, jid: Name) -> Any:
    """Send one delivery again, with the same message id."""
    _check_owned(webhook)
    if not jid.startswith(f"{webhook}-"):
        raise JobNotFoundError(f"Delivery {jid} does not exist")
    client().webhooks.redeliver(jid)
    return {"jid": jid}


def _with_secret(made: NewWebhook) -> dict[str, Any]:
    return {**made.webhook.as_dict(), "secret": made.secret}


def _check_owned(webhook: str) -> None:
    """Refuse a webhook of queues that are not the caller's."""
    if caller().queues:
        _check_queues(client().webhooks.get(webhook).queues)


def _check_queues(queues: Sequence[str]) -> None:
    """Refuse patterns that reach beyond the caller's queues; none would mean all."""
    if not caller().queues:
        return
    if not queues:
        raise Problem("forbidden", f"{caller().name} must name queues of its own")
    caller().require_entries(queues)


def _may_use(queues: Sequence[str]) -> bool:
    """Return whether the caller may use a webhook of these queues."""
    try:
        _check_queues(queues)
    except Problem:
        return False
    return True
