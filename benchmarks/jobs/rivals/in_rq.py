"""The same in RQ."""

from __future__ import annotations

import jobs
from rq import Queue

if __name__ == "__main__":
    queue = Queue("bench", connection=jobs.connection)
    jobs.main(
        lambda data: queue.enqueue(jobs.nothing, data),
        lambda sent: queue.enqueue(jobs.stamp, sent),
    )
