"""The jobs in RQ."""

from __future__ import annotations

import jobs
from rq import Queue

if __name__ == "__main__":
    queue = Queue("bench", connection=jobs.connection)
    jobs.main(
        lambda data: queue.enqueue(jobs.no_op, data),
        lambda sent: queue.enqueue(jobs.record_wait, sent),
    )
