"""The same in Huey."""

from __future__ import annotations

import jobs
from huey import RedisHuey

huey = RedisHuey("bench", connection_pool=jobs.connection.connection_pool)
nothing = huey.task()(jobs.nothing)
stamp = huey.task()(jobs.stamp)

if __name__ == "__main__":
    # The consumer imports this module by its name, so the tasks must not be called __main__.
    import in_huey

    jobs.main(in_huey.nothing, in_huey.stamp)
