"""What the cells of a list of jobs show."""

from __future__ import annotations

from typing import Any, Final

from qless_py.client import humanize, redaction
from qless_py.client.job import Job
from qless_py.dashboard.context import redactor
from qless_py.errors import UndecodableDataError

_MAX_ERROR: Final = 160  # Characters.
_LARGEST: Final = 1e300
_MAX_PREVIEW: Final = 80


def preview(job: Any, field: str = "data") -> str:
    """Return data, result or progress as one line, redacted if needed; "" for nothing."""
    if job.is_cut(field):
        return _beginning(job, field)
    try:
        value = getattr(job, field)
    except UndecodableDataError as error:
        return f"cannot be decoded: {error}"
    return "" if value in (None, {}) else redaction.data_line(value, redactor(), _MAX_PREVIEW)


def _beginning(job: Job, field: str) -> str:
    """Return the first characters and the size of a text of which no more was read.

    It cannot be parsed, so those who may not see secrets see only its size.
    """
    size = humanize.size(job.size_of(field))
    if redactor() is not None or job.codec_name != "json":
        return size
    text = job.beginning(field).decode(errors="replace")[:_MAX_PREVIEW]
    return redaction.encodable(f"{text}… {size}")


def error_line(job: Job) -> str:
    """Return the line of an error that says what went wrong, redacted if needed."""
    message, hidden = str(job.failure.get("message", "")), redactor()
    if hidden is not None:
        message = hidden.redact_text(message)
    return redaction.truncate(humanize.error_line(message), _MAX_ERROR)


def progress_share(job: Job) -> float | None:
    """Return how much of a job is done, from 0 to 1, if its progress says so."""
    try:
        value = job.progress
    except UndecodableDataError:
        return None
    if isinstance(value, dict):
        done, total = _number(value.get("done")), _number(value.get("total"))
        share = done / total if done is not None and total else None
    else:
        share = _number(value)
    return share if share is not None and 0 <= share <= 1 else None


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < _LARGEST else None


def stalled_at(job: Job) -> float | None:
    """Return when a stalled job lost its worker."""
    if job.state != "stalled":
        return job.expires_at or None
    lost = (one["when"] for one in reversed(job.history) if one["what"] == "timed-out")
    return next(lost, None)
