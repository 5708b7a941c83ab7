"""The lines that a job logs, kept with the job where everybody can read them."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Any, Final, Self

from redis.exceptions import RedisError

from qless_py.errors import QlessError, SoftLimitError
from qless_py.handlers.context import current_job
from qless_py.protocol import arguments as options
from qless_py.protocol import job_calls as verbs
from qless_py.protocol.job_calls import JobVerbs

logger = logging.getLogger(__name__)

_LONGEST: Final = 1000
# Sending a line must not make another one.
_OWN: Final = ("qless_py", "redis")


class JobLog:
    """Middleware that writes what a handler logs into the history of its job, as entries `log`.

    At most `most` lines of a run, from `level` on, each cut at 1,000 characters. A handler that is
    `async def` has its lines written at its end, any other at once, one call to the store each; so
    it is for jobs that say little. The history keeps its newest entries (`max-job-history`).
    """

    def __init__(self, level: int = logging.INFO, most: int = 50) -> None:
        self._level = level
        self._most = options.whole("most", most, 1, 10000)

    def __call__(self, job: JobVerbs) -> _Lines:
        """Keep the lines of one run."""
        return _Lines(job, self._level, self._most)


class _Lines(logging.Handler):
    """Takes the lines of one job, from whatever logger, and leaves those of others alone."""

    def __init__(self, job: JobVerbs, level: int, most: int) -> None:
        super().__init__(level)
        self._job = job
        self._left = most
        self._waiting: list[dict[str, Any]] | None = None

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *_error: object) -> None:
        logging.getLogger().removeHandler(self)

    async def __aenter__(self) -> Self:
        self._waiting = []
        return self.__enter__()

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.__exit__()
        for line in self._waiting or ():
            try:
                answer = self._send(line)
                if hasattr(answer, "__await__"):
                    await answer
            except (QlessError, RedisError, OSError) as error:
                logger.debug("a line of %s is not kept: %s", self._job.jid, error)
                return

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        own = record.name.partition(".")[0] in _OWN
        if own or self._left <= 0 or current_job() is not self._job:
            return
        self._left -= 1
        try:
            self._take(record)
        except SoftLimitError:
            raise  # The time of the handler is over.
        except (QlessError, RedisError, OSError) as error:
            logger.debug("a line of %s is not kept: %s", self._job.jid, error)
        except Exception:  # noqa: BLE001 - one that cannot be written fails no job
            self.handleError(record)

    def _take(self, record: logging.LogRecord) -> None:
        line = {
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage()[:_LONGEST],
        }
        if self._waiting is None:
            self._send(line)
        else:
            self._waiting.append(line)

    def _send(self, line: dict[str, Any]) -> Any:
        return self._job.reach.run(verbs.log(self._job, "log", line))
