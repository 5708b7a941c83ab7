"""Record a change in the audit log, whatever door it came through."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from redis.exceptions import RedisError

from qless_py.client.client import Client
from qless_py.client.redaction import DEFAULT_PATTERN, Redactor, data_line
from qless_py.errors import QlessError
from qless_py.protocol.audit import AuditEntry

logger = logging.getLogger(__name__)

_REDACTOR: Final = Redactor(DEFAULT_PATTERN)
# What users give to jobs and what proves who somebody is: never recorded, only that it was given.
_LEFT_OUT: Final = frozenset(
    {"data", "result", "body", "json_body", "form", "header", "headers", "context", "secret",
     "keys", "jobs", "digest", "data_digest"}
)  # fmt: skip
_LINKS: Final = frozenset({"url", "target", "http_url"})
# Parts of answers that say how many things were changed, the first one present counts.
_COUNTS: Final = ("done", "changed", "moved", "put", "number", "told", "workers", "released",
                  "forgotten", "removed", "paused", "resumed", "retried",
                  "canceled", "deleted", "repaired", "discarded")  # fmt: skip
# What a route is called, where that is not a verb and a noun.
_ACTIONS: Final[Mapping[str, str]] = {
    "change_job": "job edit",
    "mark_deploy": "deploy",
    "time_out_job": "job timeout",
    "promote_job": "job retry",
    "unfail_job": "job retry",
    "add_job_dependencies": "job depend",
    "remove_job_dependency": "job undepend",
    "remove_job_dependencies": "job undepend",
    "untrack_expired": "job untrack",
    "edit_job_now": "job edit",
    "put_job_now": "job put",
    "change_selected": "job change",
    "unfail_into_queue": "queue unfail",
    "resume_queue": "queue unpause",
    "configure_queue": "queue set",
    "set_heartbeat": "queue set",
    "set_config": "option set",
    "retry_group": "failures retry",
    "redeliver": "webhook redeliver",
    "check_webhook": "webhook test",
    "reset_user": "user unset",
    "change_user": "user set",
    "cancel_recurring": "recurring remove",
    "restore_canceled": "canceled restore",
    "restore_canceled_jobs": "canceled restore",
    "delete_canceled": "canceled delete",
    "delete_canceled_job": "canceled delete",
    "undo_selected": "job undo",
}
# The groups of the command line, in the words of the other doors.
_NOUNS: Final[Mapping[str, str]] = {
    "batches": "batch", "config": "option", "deploys": "deploy", "failed": "failures",
    "operations": "operation",
    "recur": "recurring",
    "throttles": "throttle", "users": "user", "workers": "worker", "workflows": "workflow",
}  # fmt: skip


def action_of_route(name: str, what: str | None = None) -> str:
    """Return the action of a route by its name; `what` is the verb, for a route with several."""
    known = _ACTIONS.get(name)
    if known is None:
        verb, _, noun = name.partition("_")
        known = f"{noun.replace('_', ' ')} {verb}".strip()
    if what is None:
        return known
    return f"{known.partition(' ')[0].removesuffix('s')} {what.replace('_', ' ')}"


def action_of_command(words: Sequence[str]) -> str:
    """Return the action of a command line by the words that name the command."""
    first, *rest = words or [""]
    return " ".join([_NOUNS.get(first, first), *rest])


def details_of(parameters: Mapping[str, Any]) -> str:
    """Return parameters as one line, without secrets and without the data of jobs."""
    shown = []
    for name, value in parameters.items():
        if value in (None, "", False, (), [], {}):
            continue
        if name in _LEFT_OUT or _REDACTOR.is_redacted(name):
            text = "…"
        elif name in _LINKS and isinstance(value, str):
            text = urlsplit(value).hostname or "…"
        elif isinstance(value, str):
            text = _REDACTOR.redact_text(value, 200)
        elif isinstance(value, int | float):
            text = f"{value}".lower() if isinstance(value, bool) else f"{value:.15g}"
        elif isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
            text = ", ".join(_REDACTOR.redact_text(one, 200) for one in value)
        else:
            text = data_line(value, _REDACTOR)
        shown.append(f"{name.replace('_', '-')}={text}")
    return "  ".join(shown)


def count_of(answer: Any) -> int | None:
    """Return how many things an answer says were changed; None if it does not say."""
    if not isinstance(answer, Mapping):
        return None
    for name in _COUNTS:
        value = answer.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, list | tuple):
            return len(value)
    return None


def text_of(message: Any) -> str:
    """Return what came of a change as text without secrets."""
    return _REDACTOR.redact_text(str(message), 500)


def names_of(values: Iterable[Any]) -> tuple[str, ...]:
    """Return the names of what is changed, each once, from texts and lists of them."""
    found: dict[str, None] = {}
    for value in values:
        for one in [value] if isinstance(value, str) else value or ():
            if isinstance(one, str) and one:
                found[one] = None
    return tuple(found)


def record(client: Client, entry: AuditEntry) -> None:
    """Add an entry. The change has been made, so a failure to record it is only logged."""
    try:
        client.audit.add(entry)
    except (QlessError, RedisError, OSError) as error:
        logger.warning(
            "audit entry not stored action=%r who=%r outcome=%s: %s",
            entry.action, entry.who, entry.outcome, error,
        )  # fmt: skip
