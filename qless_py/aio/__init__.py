"""The client for asyncio, over the same protocol: `qless_py.aio.Client`."""

from qless_py.aio.batch import AsyncBatch as Batch
from qless_py.aio.client import AsyncClient as Client
from qless_py.aio.jid import AsyncJid as Jid
from qless_py.aio.job import AsyncJob as Job
from qless_py.aio.queue import AsyncQueue as Queue
from qless_py.aio.recurring import AsyncRecurringJob as RecurringJob
from qless_py.aio.throttles import AsyncThrottle as Throttle
from qless_py.aio.users import AsyncUser as User
from qless_py.aio.workflow import AsyncWorkflowRun as WorkflowRun
from qless_py.aio.workflow import parent_results

__all__ = [
    "Batch",
    "Client",
    "Jid",
    "Job",
    "Queue",
    "RecurringJob",
    "Throttle",
    "User",
    "WorkflowRun",
    "parent_results",
]
