"""Checks of webhooks: disabled, failing, not dispatched, and events that none of them got."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from qless_py.cli.doctor.report import Check, Examination, first
from qless_py.client.humanize import duration, local_time, plural
from qless_py.protocol import events
from qless_py.protocol.webhooks import QUEUE, Webhook, WebhookStatus

_LATE: Final = 60.0  # Seconds that an event may wait for a dispatcher.
_RECENT: Final = 7 * 86400.0  # Seconds for which a gap is shown.


def webhooks(examined: Examination) -> Iterator[Check]:
    """Find webhooks that do not get their events."""
    status = examined.client.webhooks.status()
    if not status.webhooks:
        return
    found = [_state(examined, one) for one in status.webhooks]
    findings = [one for one in (*found, _behind(examined, status), _gap(examined, status)) if one]
    yield from first(findings, examined.commands.qless("webhook", "list"))
    if not findings:
        number = plural(len(status.webhooks), "webhook")
        yield Check("webhooks", "ok", f"{number}, all enabled, none failing")


def _state(examined: Examination, one: Webhook) -> Check | None:
    commands, name = examined.commands, f"webhook {one.id} to {one.url}"
    if not one.is_enabled:
        since = "" if one.disabled_at is None else f" since {local_time(one.disabled_at)}"
        detail = f"{name} is disabled{since}: {one.reason}"
        command = commands.qless("webhook", "change", one.id, "--enable")
        return Check("webhooks", "warn", detail, "enable it, then webhook redeliver", command)
    if one.failing_since is not None:
        span = duration(examined.now - one.failing_since)
        detail = f"{name} has failed for {span}: {one.last_error}"
        command = commands.qless("webhook", "deliveries", one.id)
        return Check("webhooks", "warn", detail, "look at its deliveries", command)
    return None


def _behind(examined: Examination, status: WebhookStatus) -> Check | None:
    page = examined.client.events.read(status.position, limit=1) if status.behind else None
    late = examined.now - events.time_of(page.events[0].id) if page and page.events else 0.0
    if late < _LATE:
        return None
    number = plural(status.behind, "event")
    detail = f"{number} not dispatched yet, the oldest {duration(late)} old"
    command = examined.commands.qless("work", "--queue", QUEUE, "--http")
    return Check("webhooks", "fail", detail, "start a worker that delivers", command)


def _gap(examined: Examination, status: WebhookStatus) -> Check | None:
    gap = status.gap
    if gap is None or examined.now - gap.at > _RECENT:
        return None
    number = "an unknown number of" if gap.lost is None else f"at least {gap.lost}"
    detail = f"{number} events had left the stream before {local_time(gap.at)} and were not sent"
    command = examined.commands.qless("config", "set", "event-stream", "100000")
    return Check("webhooks", "warn", detail, "keep more events", command)
