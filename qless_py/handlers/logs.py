"""Formatters and filters that add the current job to log lines.

Importing this module configures nothing: `qless-py work` calls `configure`; an application with
logging of its own adds `JobFilter` to its log handlers.
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
from qless_py.protocol import arguments

FORMATS: Final = ("human", "json")
_JOB: Final = ("jid", "queue", "klass")
_MAX_LINE: Final = 1000  # Characters of an exception in a line.
_NONE: Final[Mapping[str, Any]] = {}
_CONTEXT: Final[ContextVar[Mapping[str, Any]]] = ContextVar("qless_py_log", default=_NONE)
# The attributes of every record; any other was passed as `extra`.
_PLAIN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JobFilter(logging.Filter):
    """Add `jid`, `queue` and `klass` of the current job to each record; empty without a job.

    The fields of `context` are added as the attribute `context`. No record is filtered out.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the attributes to the record."""
        job = current_job()
        if not hasattr(record, "jid"):
            known = (job.jid, job.queue_name, job.klass_name) if job else ("", "", "")
            vars(record).update(zip(_JOB, known, strict=True))
        record.context = dict(_CONTEXT.get())
        return True


@contextlib.contextmanager
def context(**fields: Any) -> Iterator[None]:
    """Add these fields to all lines logged in this thread or task within the block."""
    token = _CONTEXT.set({**_CONTEXT.get(), **fields})
    try:
        yield
    finally:
        _CONTEXT.reset(token)


class HumanFormatter(logging.Formatter):
    """Format lines for people, with the job in brackets: `… INFO app [jid queue klass] sent`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(process)d %(name)s %(job)s%(message)s")
        self.default_time_format = "%Y-%m-%dT%H:%M:%S"
        self.default_msec_format = "%s.%03dZ"
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        more = [f"{name}={value}" for name, value in getattr(record, "context", _NONE).items()]
        known = [str(getattr(record, name, "")) for name in _JOB]
        words = [word for word in (*known, *more) if word]
        record.job = f"[{' '.join(words)}] " if words else ""
        return super().format(record)


class JsonFormatter(logging.Formatter):
    """Format each line as one JSON object: at, level, logger, pid, message, jid, queue, klass.

    A traceback goes into `error`, stack information into `stack`. What `extra` and `context` add
    become fields, unless a field of that name exists already.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
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
        extra = {name: value for name, value in vars(record).items() if name not in _PLAIN}
        line = {**extra.pop("context", _NONE), **extra, **line}
        return json.dumps(line, default=str, ensure_ascii=False)


def one_line(error: BaseException) -> str:
    """Return the type and the start of the message of an exception in one bounded line."""
    kind = type(error).__name__
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - an exception whose own methods raise
        text = "(its message cannot be read)"
    line = f"{kind}: {text}" if text else kind
    return line if len(line) <= _MAX_LINE else f"{line[:_MAX_LINE]}…"


class _LetInterruptsPass(logging.Handler):
    """Do not swallow an interrupt of the job as if it were an error of writing a line."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - of the base class
        if isinstance(sys.exc_info()[1], (LostLeaseError, SoftLimitError)):
            raise  # noqa: PLE0704 - called while the exception is handled
        super().handleError(record)


class _StreamHandler(_LetInterruptsPass, logging.StreamHandler[Any]):
    pass


class _FileHandler(_LetInterruptsPass, logging.handlers.WatchedFileHandler):
    pass


def configure(
    level: int | str = logging.INFO, form: str = "human", file: str | None = None
) -> logging.Handler:
    """Log to standard error, or append to a file, and return the log handler.

    The file may be moved at any time, as log rotation does: the next line creates it again. A
    second call replaces the log handler of the first.
    """
    arguments.choice("form", form, FORMATS)
    root = logging.getLogger()
    for before in [one for one in root.handlers if hasattr(one, "made_by_qless_py")]:
        root.removeHandler(before)
        before.close()
    handler: logging.Handler = _StreamHandler()
    if file is not None:
        handler = _FileHandler(file, encoding="utf-8")
    vars(handler)["made_by_qless_py"] = True
    handler.addFilter(JobFilter())
    handler.setFormatter(JsonFormatter() if form == "json" else HumanFormatter())
    root.addHandler(handler)
    root.setLevel(level)
    return handler
