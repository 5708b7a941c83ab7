"""The jobs in Celery; results are not stored."""

from __future__ import annotations

import jobs
from celery import Celery

app = Celery("bench", broker=f"redis+socket://{jobs.SOCKET}")
app.conf.update(
    task_ignore_result=True,
    task_default_queue="bench",
    worker_prefetch_multiplier=128,
    worker_enable_remote_control=False,
    broker_connection_retry_on_startup=True,
)
no_op = app.task(name="no_op")(jobs.no_op)
record_wait = app.task(name="record_wait")(jobs.record_wait)

if __name__ == "__main__":
    jobs.main(jobs.one_by_one(no_op.delay), record_wait.delay)
