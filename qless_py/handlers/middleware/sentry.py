"""Middleware that reports failures and durations of jobs to Sentry."""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
from collections.abc import Iterator
from typing import Any, Final

from qless_py.errors import ConfigError, ProcessStop
from qless_py.handlers import exceptions
from qless_py.handlers.job import HandledJob
from qless_py.handlers.outcomes import Outcome, deciding

_FLUSH_TIMEOUT: Final = 1.0  # seconds


class Sentry:
    """Middleware that reports exceptions of handlers to Sentry, and each run as a transaction.

    The application calls `sentry_sdk.init`. The data of jobs may be secret and is sent only
    `with_data`. `Retry`, `Snooze` and `Discard` are not reported as errors.
    """

    def __init__(self, *, with_data: bool = False) -> None:
        try:
            self._sdk: Any = importlib.import_module("sentry_sdk")
        except ImportError as error:
            raise ConfigError(
                "Sentry needs the package sentry-sdk; install qless_py with the extra `sentry`"
            ) from error
        self._with_data = with_data
        self._process = 0  # The one in which the end of the process was provided for.

    @contextlib.contextmanager
    def __call__(self, job: HandledJob) -> Iterator[None]:
        """Report one run."""
        sdk = self._sdk
        if self._process != os.getpid():
            # The SDK sends from a thread, and may have been set up before the fork.
            self._process = os.getpid()
            atexit.register(sdk.flush, timeout=_FLUSH_TIMEOUT)
        with sdk.isolation_scope() as scope:
            scope.set_tag("queue", job.queue_name)
            scope.set_tag("klass", job.klass_name)
            scope.set_context("job", self._describe(job))
            with sdk.start_transaction(op="queue.process", name=job.klass_name):
                try:
                    yield
                except Exception as error:
                    if not exceptions.is_a(deciding(error), (Outcome, ProcessStop)):
                        sdk.capture_exception(error)
                    raise

    def _describe(self, job: HandledJob) -> dict[str, Any]:
        known = {"jid": job.jid, "retries_left": job.retries_left, "tags": job.tags}
        return {**known, "data": job.raw.decode(errors="replace")} if self._with_data else known
