"""The jobs in RQ; results are not stored."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jobs
from rq import Queue


def put_page(queue: Queue, page: Sequence[jobs.Data]) -> None:
    """Put jobs in one pipeline."""
    queue.enqueue_many([Queue.prepare_data(jobs.no_op, (data,), result_ttl=0) for data in page])


if __name__ == "__main__":
    queue = Queue("bench", connection=jobs.connection)
    jobs.main(
        jobs.one_by_one(lambda data: queue.enqueue(jobs.no_op, data, result_ttl=0)),
        lambda sent: queue.enqueue(jobs.record_wait, sent, result_ttl=0),
        functools.partial(put_page, queue),
    )
