"""The jobs in Huey; results are not stored."""

from __future__ import annotations

import jobs
from huey import RedisHuey

huey = RedisHuey("bench", results=False, connection_pool=jobs.connection.connection_pool)
no_op = huey.task()(jobs.no_op)
record_wait = huey.task()(jobs.record_wait)

if __name__ == "__main__":
    # Task names include the module, and the consumer imports this one by name, not as __main__.
    import huey_app

    jobs.main(jobs.one_by_one(huey_app.no_op), huey_app.record_wait)
