"""The same in Dramatiq."""

from __future__ import annotations

import dramatiq
import jobs
from dramatiq.brokers.redis import RedisBroker

dramatiq.set_broker(RedisBroker(client=jobs.connection))
nothing = dramatiq.actor(jobs.nothing, queue_name="bench")
stamp = dramatiq.actor(jobs.stamp, queue_name="bench")

if __name__ == "__main__":
    jobs.main(nothing.send, stamp.send)
