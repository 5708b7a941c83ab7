"""Formatters and filters that add the current job to log lines.

Importing this module configures nothing: `qless-py work` calls `configure`; an application with
logging of its own adds `JobFilter` to its log handlers.
"""

from __future__ import annotations

import contextlib
import json
import logging
import logging.handlers
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final

from qless_py.errors import LostLeaseError, SoftLimitError
from qless_py.handlers import exceptions
from qless_py.handlers.context import current_job
from qless_py.handlers.job import HandledJob
from qless_py.protocol import arguments, instrumentation

FORMATS: Final = ("human", "json")
_JOB: Final = ("jid", "queue", "klass")
_JOB_AND_RUN: Final = (*_JOB, "worker", "attempt")
_MAX_TEXT: Final = 16_000  # Characters of a message, and of a traceback.
_QUOTED: Final = re.compile(r'[\s"]').search
_NONE: Final[Mapping[str, Any]] = {}
_CONTEXT: Final[ContextVar[Mapping[str, Any]]] = ContextVar("qless_py_log", default=_NONE)
# The attributes of every record; any other was passed as `extra`.
_PLAIN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Event:
    """A log message with fields: `text key=value …` for people, fields of their own in JSON.

    `details`, a traceback for example, follows on lines of its own.
    """

    __slots__ = ("details", "fields", "text")

    def __init__(self, text: str, /, *, details: str = "", **fields: object) -> None:
        self.text = text
        self.details = details
        self.fields = fields

    def __str__(self) -> str:
        line = " ".join([self.text, *(f"{key}={_word(self.fields[key])}" for key in self.fields)])
        return f"{line}\n{self.details}" if self.details else line


def _word(value: object) -> str:
    """Return a value as one word; text with spaces or quotes in JSON's quotes."""
    if isinstance(value, float):
        return f"{value:.3f}"
    text = str(value)
    if not text or _QUOTED(text):
        return json.dumps(text, ensure_ascii=False)
    return text


class JobFilter(logging.Filter):
    """Add `jid`, `queue` and `klass` of the current job to each record; empty without a job.

    `worker` and `attempt` are added if there is a job, `trace_id` and `span_id` if it is traced.

    The fields of `context` are added as the attribute `context`. No record is filtered out.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the attributes to the record."""
        job = current_job()
        if not hasattr(record, "jid"):
            if job is None:
                vars(record).update(dict.fromkeys(_JOB, ""))
            else:
                vars(record).update(fields_of(job))
        record.context = dict(_CONTEXT.get())
        if instrumentation.current is not None:
            vars(record).update(instrumentation.current.ids())
        return True


@contextlib.contextmanager
def context(**fields: Any) -> Iterator[None]:
    """Add these fields to all lines logged in this thread or task within the block."""
    token = _CONTEXT.set({**_CONTEXT.get(), **fields})
    try:
        yield
    finally:
        _CONTEXT.reset(token)


def fields_of(job: HandledJob) -> dict[str, Any]:
    """Return what every line about a job names: jid, queue, klass, worker, attempt."""
    known = (job.jid, job.queue_name, job.klass_name, job.worker_name, attempt(job))
    return dict(zip(_JOB_AND_RUN, known, strict=True))


def attempt(job: HandledJob) -> int:
    """Return the number of this run: 1, and one more for each run that failed or was lost."""
    tries = job.tries.total if "tries" in job.fields else 0
    return max(1, 1 + job.original_retries - job.retries_left + tries)


class _Formatter(logging.Formatter):
    def formatException(self, ei: Any) -> str:  # noqa: N802 - of the base class
        """Return a traceback; that of an exception that resists has what can be read of it."""
        return exceptions.describe(ei[1], ei[2]).removesuffix("\n")


class HumanFormatter(_Formatter):
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
        return _cut(super().format(record), 2 * _MAX_TEXT)


class JsonFormatter(_Formatter):
    """Format each line as one JSON object: at, level, logger, pid, message, jid, queue, klass.

    Lines about a run have worker and attempt, too, and with tracing trace_id and span_id. A
    traceback goes into `error`, stack information into `stack`. What `extra` and `context` add
    become fields, unless a field of that name exists already.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        event = record.msg if isinstance(record.msg, Event) else None
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "message": _cut(event.text if event else record.getMessage()),
        }
        line |= {name: getattr(record, name, "") for name in _JOB}
        if event is not None:
            line |= {name: _rounded(value) for name, value in event.fields.items()}
            if event.details:
                line["error"] = _cut(event.details)
        if record.exc_info:
            line["error"] = _cut(self.formatException(record.exc_info))
        if record.stack_info:
            line["stack"] = record.stack_info
        extra = {name: value for name, value in vars(record).items() if name not in _PLAIN}
        added = {**extra.pop("context", _NONE), **extra}
        line |= {name: value for name, value in added.items() if name not in line}
        return json.dumps(line, default=_text, ensure_ascii=False)


def _rounded(value: object) -> object:
    return round(value, 6) if isinstance(value, float) else value


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - an object whose own methods raise
        return f"<{type(value).__name__}>"


def _cut(text: str, most: int = _MAX_TEXT) -> str:
    """Return a text without its middle if it is too long: a traceback ends with the exception."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n… {len(text) - 2 * half:,} characters …\n{text[-half:]}"


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
    level: int | str = logging.INFO,
    form: str = "human",
    file: str | None = None,
    *,
    owns_process: bool = False,
) -> logging.Handler:
    """Log to standard error, or append to a file, and return the log handler.

    With `owns_process` warnings and, as JSON, uncaught exceptions are logged as well, and
    `keep` keeps the lines of the worker whatever the application configures.

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
        handler = _FileHandler(file, encoding="utf-8", errors="backslashreplace")
    vars(handler)["made_by_qless_py"] = True
    handler.addFilter(JobFilter())
    handler.setFormatter(JsonFormatter() if form == "json" else HumanFormatter())
    root.addHandler(handler)
    root.setLevel(level)
    _Ours.handler = None
    if owns_process:
        _Ours.handler, _Ours.level = handler, level
        logging.captureWarnings(capture=True)
        if form == "json":
            _log_uncaught()
    return handler


class _Ours:
    """The log handler and the level that `configure` has set, for `keep`."""

    handler: logging.Handler | None = None
    level: int | str = logging.INFO


_root: Final = logging.getLogger()
_own: Final = logging.getLogger("qless_py")
_jobs: Final = logging.getLogger("qless_py.jobs")


def keep() -> None:
    """Keep the lines of the worker if the application has configured logging after `configure`.

    `dictConfig` disables all loggers that it does not name, and removes the handlers of the root.
    Loggers of `qless_py` are enabled again. Their lines are written as before, unless the
    application has configured the logger `qless_py` itself.
    """
    handler = _Ours.handler
    if handler is None or (not _jobs.disabled and handler in _root.handlers):
        return
    for name, logger in list(logging.Logger.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and f"{name}.".startswith("qless_py."):
            logger.disabled = False
    if handler not in _root.handlers and not _own.handlers:
        _own.addHandler(handler)
        _own.setLevel(_Ours.level)
        _own.propagate = False


def _log_uncaught() -> None:
    """Log what Python would otherwise print in a format of its own."""
    logger = logging.getLogger("python")

    def uncaught(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        logger.critical("uncaught exception", exc_info=(kind, error, trace))

    def in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
            details = (args.exc_type, args.exc_value, args.exc_traceback)
            logger.error("uncaught exception in a thread", exc_info=details)

    def unraisable(args: sys.UnraisableHookArgs) -> None:
        details = None
        if args.exc_value is not None:
            details = (args.exc_type, args.exc_value, args.exc_traceback)
        logger.error("%s", args.err_msg or "exception ignored", exc_info=details)

    sys.excepthook = uncaught
    threading.excepthook = in_thread
    sys.unraisablehook = unraisable
