"""Validate, encode and pack the arguments of each script in `lua/`, and decode its reply.

Nothing here talks to a server: each function returns a `Call`, which a runner sends, so both
clients and their pipelines share all of it. One module per subject.
"""

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
from qless_py.protocol.call import Arg, Call
from qless_py.protocol.records import JobRecord, Record, RecurringRecord

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
