"""Middleware that keeps the lines a job logs in its history."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Any, Final, Self

from redis.exceptions import RedisError

from qless_py.errors import QlessError, SoftLimitError
from qless_py.handlers.context import current_job
from qless_py.handlers.job import HandledJob
from qless_py.protocol import arguments, jobs

logger = logging.getLogger(__name__)

_MAX_MESSAGE: Final = 1000
# Sending a line must not log another one.
_NOT_KEPT: Final = ("qless_py", "redis")


class JobLog:
    """Middleware that adds what a handler logs to the history of its job, as entries `log`.

    It keeps up to `most` lines of a run from `level` on, each cut to 1,000 characters. The lines
    of an `async def` handler are sent when it ends, those of other handlers at once; each is one
    call to the store, so use this for jobs that log little. The history keeps its newest entries
    (`max-job-history`).
    """

    def __init__(self, level: int = logging.INFO, most: int = 50) -> None:
        self._level = level
        self._most = arguments.whole("most", most, 1, 10000)

    def __call__(self, job: HandledJob) -> _JobLogHandler:
        """Return the log handler for one run."""
        return _JobLogHandler(job, self._level, self._most)


class _JobLogHandler(logging.Handler):
    """Send the lines of one job, from whichever logger, and ignore those of other jobs."""

    def __init__(self, job: HandledJob, level: int, most: int) -> None:
        super().__init__(level)
        self._job = job
        self._left = most
        self._buffer: list[dict[str, Any]] | None = None

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *_error: object) -> None:
        logging.getLogger().removeHandler(self)

    async def __aenter__(self) -> Self:
        self._buffer = []
        return self.__enter__()

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.__exit__()
        for line in self._buffer or ():
            try:
                answer = self._send(line)
                if hasattr(answer, "__await__"):
                    await answer
            except (QlessError, RedisError, OSError) as error:
                self._note_lost(error)
                return

    def emit(self, record: logging.LogRecord) -> None:
        """Send or buffer a line."""
        is_internal = record.name.partition(".")[0] in _NOT_KEPT
        if is_internal or self._left <= 0 or current_job() is not self._job:
            return
        self._left -= 1
        try:
            line = {
                "level": record.levelname.lower(),
                "logger": record.name,
                "message": record.getMessage()[:_MAX_MESSAGE],
            }
            if self._buffer is None:
                self._send(line)
            else:
                self._buffer.append(line)
        except SoftLimitError:
            raise  # It interrupts the handler, not the logging.
        except (QlessError, RedisError, OSError) as error:
            self._note_lost(error)
        except Exception:  # noqa: BLE001 - a line that cannot be formatted must not fail the job
            self.handleError(record)

    def _note_lost(self, error: Exception) -> None:
        logger.debug("log line of job not stored jid=%s: %s", self._job.jid, error)

    def _send(self, line: dict[str, Any]) -> Any:
        return self._job.session.runner.run(jobs.log(self._job, "log", line))
