"""The jobs in Dramatiq."""

from __future__ import annotations

import dramatiq
import jobs
from dramatiq.brokers.redis import RedisBroker

dramatiq.set_broker(RedisBroker(client=jobs.connection))
no_op = dramatiq.actor(jobs.no_op, queue_name="bench")
record_wait = dramatiq.actor(jobs.record_wait, queue_name="bench")

if __name__ == "__main__":
    jobs.main(jobs.one_by_one(no_op.send), record_wait.send)
