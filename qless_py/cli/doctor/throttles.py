"""Checks of throttles and users: limits that are reached while jobs wait for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from qless_py import protocol
from qless_py.cli.doctor.report import Check, Examination, first
from qless_py.client.humanize import duration, plural
from qless_py.client.session import answered
from qless_py.protocol.throttles import ThrottleState

_PAGES: Final = 40
_HOLDERS: Final = 3
# Users at their limit whose ready jobs are counted, and queues in which they are.
_USERS: Final = 100
_QUEUES: Final = 20


def throttles(examined: Examination) -> Iterator[Check]:
    """Find throttles, and users with a limit, that hold jobs back."""
    states, total = _read(examined)
    busy = [one for one in _with_waiting(examined, states) if one.waiting]
    found = [_held_back(examined, one) for one in sorted(busy, key=lambda one: -one.waiting)]
    findings = [one for one in found if one is not None]
    yield from first(findings, examined.commands.qless("throttles", "list"))
    if not findings:
        seen = "" if len(states) == total else f", {len(states):,} of them looked at"
        yield Check("throttles", "ok", f"{plural(total, 'limit')}{seen}, none holds jobs back")


def _read(examined: Examination) -> tuple[list[ThrottleState], int]:
    states: list[ThrottleState] = []
    cursor, total = None, 0
    for _ in range(_PAGES):
        page = examined.client.run(protocol.throttles.read_page(cursor))
        states += page.throttles
        cursor, total = page.cursor, page.total
        if cursor is None:
            break
    return states, total


def _with_waiting(examined: Examination, states: list[ThrottleState]) -> list[ThrottleState]:
    """Count the jobs that wait for the throttles of queues and users, which no job is parked on."""
    ready = {row["name"]: row.get("waiting", 0) for row in examined.queues}
    busiest = sorted((name for name in ready if ready[name]), key=lambda name: -ready[name])
    found: list[ThrottleState] = []
    users: list[ThrottleState] = []
    for one in states:
        kind, colon, name = one.id.partition(":")
        is_full = one.concurrency is not None and one.holding >= one.concurrency
        if colon and kind == "queue":
            found.append(replace(one, waiting=one.waiting + ready.get(name, 0)))
        elif colon and is_full and len(users) < _USERS:
            users.append(one)
        else:
            found.append(one)
    for one in users:
        name = one.id.partition(":")[2]
        calls = [protocol.users.waiting(name, queue) for queue in busiest[:_QUEUES]]
        numbers: list[int] = answered(examined.client.run_many(calls))
        found.append(replace(one, waiting=one.waiting + sum(numbers)))
    return found


def _held_back(examined: Examination, one: ThrottleState) -> Check | None:
    commands, waiting = examined.commands, plural(one.waiting, "job")
    kind, colon, name = one.id.partition(":")
    whose = f"{kind} {name}" if colon else f"throttle {one.id}"
    if one.blocked_until is not None and one.blocked_until > examined.now:
        left = duration(one.blocked_until - examined.now)
        command = commands.qless("throttles", "block", one.id, "0")
        detail = f"{whose} is blocked for {left} more: {waiting} held back"
        return Check("throttles", "warn", detail, "unblock it", command)
    if one.concurrency is not None and one.holding >= one.concurrency:
        return _full(examined, one, whose, waiting)
    if one.rate is not None and (one.tokens or 0) < 1:
        limits = {"rate": 2 * one.rate, "per": one.per, "burst": one.burst}
        limits |= {"concurrency": one.concurrency}
        detail = f"{whose} starts {one.rate:g} every {duration(one.per)}: {waiting} held back"
        command = _set(examined, one.id, limits)
        return Check("throttles", "warn", detail, "raise its rate", command)
    return None


def _full(examined: Examination, one: ThrottleState, whose: str, waiting: str) -> Check:
    number = one.concurrency or 0
    limits = {"concurrency": 2 * number or 1, "rate": one.rate, "per": one.per, "burst": one.burst}
    if not number:
        detail = f"{whose} lets no job run: {waiting} held back"
        command = _set(examined, one.id, limits)
        return Check("throttles", "fail", detail, "let some run", command)
    holders = examined.client.run(protocol.throttles.holders(one.id, 0, _HOLDERS))
    held = f" ({', '.join(holders)}{', …' * (one.holding > _HOLDERS)})" if holders else ""
    detail = f"{whose} is at its limit of {number}{held}: {waiting} held back"
    advice = "wait for a job that holds it, or raise the limit"
    return Check("throttles", "warn", detail, advice, _set(examined, one.id, limits))


def _set(examined: Examination, throttle: str, limits: dict[str, float | None]) -> str:
    kind, _, name = throttle.partition(":")
    if kind == "user" and limits["rate"] is None:
        return examined.commands.qless(
            "users", "set", name, "--max-running", f"{limits['concurrency']:.0f}"
        )
    options = [
        word
        for option in ("concurrency", "rate", "per", "burst")
        if (value := limits[option]) is not None
        for word in (f"--{option}", f"{value:g}")
    ]
    return examined.commands.qless("throttles", "set", throttle, *options)
