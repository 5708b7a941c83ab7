"""Transitions of recurring jobs."""

from collections.abc import Mapping
from typing import Any

from qless_py.protocol.call import Call, boolean, done, pack, text


def recur(  # noqa: PLR0913 - the arguments of the script
    queue: str,
    jid: str,
    klass: str,
    data: bytes,
    *,
    interval: int,
    offset: int,
    options: Mapping[str, Any],
) -> Call[str]:
    """Make or replace a recurring job; the options are those of the script, times in ms."""
    args = (queue, jid, klass, data, interval, offset, pack(options))
    return Call("recur", args, text)


def update(jid: str, options: Mapping[str, Any], data: bytes = b"") -> Call[None]:
    """Change what future children will be, all of it or nothing."""
    return Call("recur_update", (jid, data, pack(options)), done)


def run(jid: str) -> Call[str]:
    """Put a child now, beside the schedule; gives its jid."""
    return Call("recur_run", (jid,), text)


def cancel(jid: str) -> Call[bool]:
    """Make no more children; tells whether there was such a recurring job."""
    return Call("recur_cancel", (jid,), boolean)
