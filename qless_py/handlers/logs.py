"""Log lines for people and for programs; those of a job say which job it is.

Nothing is set up by importing: an application that has its own logging adds `JobFilter` to its
handlers, and the command line calls `configure`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import logging.handlers
import sys
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

from qless_py.errors import LostLeaseError, SoftLimitError
from qless_py.handlers.context import current_job
from qless_py.protocol import arguments as options

FORMATS: Final = ("human", "json")
_JOB: Final = ("jid", "queue", "klass")
_NONE: Final[Mapping[str, Any]] = {}
_CONTEXT: Final[ContextVar[Mapping[str, Any]]] = ContextVar("qless_py_log", default=_NONE)
# What every record has by itself; anything else was given as `extra`.
_PLAIN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JobFilter(logging.Filter):
    """Gives each record `jid`, `queue` and `klass` of the job that logs it, else empty ones.

    What `context` holds goes into `context`. It lets every record pass.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add to the record."""
        job = current_job()
        if not hasattr(record, "jid"):
            known = (job.jid, job.queue_name, job.klass_name) if job else ("", "", "")
            vars(record).update(zip(_JOB, known, strict=True))
        record.context = dict(_CONTEXT.get())
        return True


@contextlib.contextmanager
def context(**fields: Any) -> Iterator[None]:
    """Have all lines carry these fields, too, in this thread or task, until the block is left."""
    token = _CONTEXT.set({**_CONTEXT.get(), **fields})
    try:
        yield
    finally:
        _CONTEXT.reset(token)


class HumanFormatter(logging.Formatter):
    """One line for a person, the job in brackets: `… INFO app [jid queue klass] sent`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(process)d %(name)s %(job)s%(message)s")
        self.default_time_format = "%Y-%m-%dT%H:%M:%S"
        self.default_msec_format = "%s.%03dZ"
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        more = [f"{name}={value}" for name, value in getattr(record, "context", _NONE).items()]
        known = [str(getattr(record, name, "")) for name in _JOB]
        words = [word for word in (*known, *more) if word]
        record.job = f"[{' '.join(words)}] " if words else ""
        return super().format(record)


class JsonFormatter(logging.Formatter):
    """One JSON object in a line: at, level, logger, pid, message, jid, queue, klass, and more.

    `error` holds a traceback. What was given as `extra`, or by `context`, has a field of its own
    as far as its name is free.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name, "") for name in _JOB}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        given = {name: value for name, value in vars(record).items() if name not in _PLAIN}
        more = {**given.pop("context", _NONE), **given}
        line = {**more, **line}
        return json.dumps(line, default=str, ensure_ascii=False)


class _Heeding(logging.Handler):
    """Keeps what is told to a job's handler out of the errors of writing a line."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - theirs
        if isinstance(sys.exc_info()[1], (LostLeaseError, SoftLimitError)):
            raise  # noqa: PLE0704 - it is being handled where this is called
        super().handleError(record)


class _ToTerminal(_Heeding, logging.StreamHandler[Any]):
    pass


class _ToFile(_Heeding, logging.handlers.WatchedFileHandler):
    pass


def configure(
    level: int | str = logging.INFO, form: str = "human", file: str | None = None
) -> logging.Handler:
    """Send all lines of this process to the terminal's error stream, or to the end of a file.

    The file may be moved away at any time, as programs that rotate logs do: the next line makes
    it anew. Called again, it replaces what it had set up. Gives the handler.
    """
    options.choice("form", form, FORMATS)
    root = logging.getLogger()
    for before in [one for one in root.handlers if hasattr(one, "made_by_qless_py")]:
        root.removeHandler(before)
        before.close()
    handler: logging.Handler = _ToTerminal()
    if file is not None:
        handler = _ToFile(file, encoding="utf-8")
    vars(handler)["made_by_qless_py"] = True
    handler.addFilter(JobFilter())
    handler.setFormatter(JsonFormatter() if form == "json" else HumanFormatter())
    root.addHandler(handler)
    root.setLevel(level)
    return handler
