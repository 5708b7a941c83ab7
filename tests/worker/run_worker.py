"""Run a worker with any options, given as JSON.

Example: `python -m tests.worker.run_worker '{"queues": ["work"]}'`.
"""

import json
import logging
import os
import sys

from qless_py.worker import Worker, WorkerOptions, daemonize


def main() -> int:
    options = json.loads(sys.argv[1])
    # Changed code must be seen by a program that is started right afterwards.
    sys.dont_write_bytecode = True
    sys.path[:0] = options.pop("path", [])
    log = options.pop("daemon", None)
    if log is not None:
        daemonize(log)
    form = "%(asctime)s %(process)d %(levelname)s %(message)s"
    logging.basicConfig(level=logging.INFO, format=form)
    return Worker(WorkerOptions(**options)).run()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
