"""The typed face of `lua/`: one function per script that packs arguments and reads replies.

Nothing here talks to a server: each function gives a `Call`, which a runner sends, so that the
synchronous client, the asyncio client and pipelines share all of it. Times are integer ms.
"""

from qless_py.protocol import (
    batches,
    config,
    jobs,
    queues,
    reads,
    recurring,
    search,
    throttles,
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
    "batches",
    "config",
    "jobs",
    "queues",
    "reads",
    "recurring",
    "search",
    "throttles",
    "workers",
]
