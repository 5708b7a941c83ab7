"""Validate, encode and pack the arguments of each script in `lua/`, and decode its reply.

Nothing here talks to a server: each function returns a `Call`, which a runner sends, so both
clients and their pipelines share all of it. One module per subject, imported when it is used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from qless_py.protocol.call import Arg, Call
from qless_py.protocol.records import JobRecord, Record, RecurringRecord

if TYPE_CHECKING:
    from qless_py.protocol import (
        audit,
        batches,
        config,
        deploys,
        events,
        failures,
        jobs,
        namespace,
        puts,
        queues,
        recurring,
        recurring_runs,
        search,
        stats,
        throttles,
        tokens,
        transfers,
        users,
        webhooks,
        workers,
    )

__all__ = [
    "Arg",
    "Call",
    "JobRecord",
    "Record",
    "RecurringRecord",
    "audit",
    "batches",
    "config",
    "deploys",
    "events",
    "failures",
    "jobs",
    "namespace",
    "puts",
    "queues",
    "recurring",
    "recurring_runs",
    "search",
    "stats",
    "throttles",
    "tokens",
    "transfers",
    "users",
    "webhooks",
    "workers",
]

if not TYPE_CHECKING:  # Type checkers would find any name.

    def __getattr__(name: str) -> Any:
        """Import the module of a subject."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return importlib.import_module(f"{__name__}.{name}")
