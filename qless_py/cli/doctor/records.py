"""Checks of what is stored: records that nobody can read, and counts and lists that drifted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, cast

from qless_py import fsck
from qless_py.cli.doctor.report import SHOWN, Check, Examination, first
from qless_py.client.humanize import plural

_SECONDS: Final = 5.0


def records(examined: Examination) -> Iterator[Check]:
    """Check the keys of the namespace, for a few seconds; those set aside as unreadable too."""
    redis, namespace = examined.client.redis, examined.client.namespace
    sample = fsck.sample(redis, namespace, _SECONDS)
    repair = examined.commands.qless("fsck", "--repair")
    findings = [
        Check("records", "fail", str(one), "repair it, or set it aside", repair)
        for one in sample.findings
        if one.kind != "quarantined"
    ]
    aside = _set_aside(examined)
    yield from first([*findings, *aside], examined.commands.qless("fsck"))
    if not findings and not aside:
        part = "" if sample.is_whole else f" in {_SECONDS:.0f} s; qless-py fsck checks the rest"
        yield Check("records", "ok", f"{plural(sample.keys, 'key')} checked{part}")


def _set_aside(examined: Examination) -> list[Check]:
    """Report the keys that nobody could read and that were renamed, so that no call meets them."""
    redis = examined.client.redis
    prefix = f"{{{examined.client.namespace}}}"
    number = redis.zcard(f"{prefix}:quarantined")
    if not number:
        return []
    entries = cast("list[bytes]", redis.zrange(f"{prefix}:quarantined", 0, SHOWN - 1))
    names = [one.decode(errors="replace") for one in entries]
    more = f" and {number - SHOWN:,} more" if number > SHOWN else ""
    detail = f"{plural(number, 'unreadable key')} set aside: {', '.join(names)}{more}"
    advice = f"look at the copy, such as {prefix}:quarantine:{names[0]}, then discard it"
    command = examined.commands.qless("fsck", "--discard")
    return [Check("records", "fail", detail, advice, command)]
