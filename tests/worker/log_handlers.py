"""Handlers for tests of what a worker logs."""

import logging.config
import threading
import warnings

from qless_py import Job, Retry


def fails(_job: Job) -> None:
    raise ValueError("no stock")


def retries(_job: Job) -> None:
    raise Retry(3600) from ValueError("no stock")


def fails_hugely(_job: Job) -> None:
    raise ValueError("x" * 5_000_000)


def fails_itself(job: Job) -> None:
    job.fail("my-group", "my message")


def configures_logging(_job: Job) -> None:
    logging.config.dictConfig({"version": 1, "root": {"level": "ERROR", "handlers": []}})


def warns(_job: Job) -> None:
    warnings.warn("careful", UserWarning, stacklevel=1)
    thread = threading.Thread(target=_raises)
    thread.start()
    thread.join()


def _raises() -> None:
    raise ValueError("in the thread")


def logs_a_surrogate(_job: Job) -> None:
    logging.getLogger("shop").warning("file \udcff.txt")
