"""What the routes need of the API that serves the current request."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, cast

from flask import g, request

from qless_py.app import App
from qless_py.auth.login_limiter import LoginLimiter
from qless_py.client.client import Client
from qless_py.client.job import Job
from qless_py.client.redaction import Redactor
from qless_py.errors import JobNotFoundError
from qless_py.handlers.retry import QueuePolicies
from qless_py.http import callers
from qless_py.http.authentication import identify
from qless_py.http.callers import Caller
from qless_py.http.config import HttpConfig
from qless_py.http.event_fanout import EventFanout
from qless_py.protocol import instrumentation
from qless_py.protocol.canceled import CanceledJob
from qless_py.tracing import context_from_headers

_STORE_TIMEOUT: Final = 3.0  # Seconds a request waits for a store that does not respond.
_CONTEXT: Final = "qless_py.job_context"  # A key of the WSGI environment.
_ATTEMPTS: Final = 10  # Wrong tokens of one address in a minute.


@dataclass(slots=True)
class Api:
    """A client, the settings, and what all requests of this process share."""

    client: Client
    config: HttpConfig
    # How many requests may still begin to wait.
    waiting: threading.Semaphore = field(init=False)
    limiter: LoginLimiter = field(init=False)
    # The event streams of this process.
    events: EventFanout = field(init=False)
    policies: QueuePolicies = field(default_factory=QueuePolicies, init=False)

    def __post_init__(self) -> None:
        self.client = self.client.with_patience(_STORE_TIMEOUT)
        self.waiting = threading.Semaphore(self.config.long_polls)
        self.limiter = LoginLimiter(_ATTEMPTS)
        self.events = EventFanout(self.client, self.config.event_streams)

    @classmethod
    def of(cls, client: Client | App, config: HttpConfig | None) -> Api:
        """Return the API of a client or an App, which also hides what the App's `redact` says."""
        config = config or HttpConfig()
        if isinstance(client, App):
            return cls(client.client, config.with_redaction(client.redact))
        return cls(client, config)

    @contextlib.contextmanager
    def may_wait(self, seconds: float) -> Iterator[float]:
        """Yield for how long a request may wait, 0 if too many requests wait already."""
        is_waiting = seconds > 0 and self.waiting.acquire(blocking=False)
        try:
            yield min(seconds, self.config.longest_wait) if is_waiting else 0.0
        finally:
            if is_waiting:
                self.waiting.release()

    def verify(self, text: str) -> Caller | None:
        """Return the caller that a token of the store belongs to."""
        token = self.client.tokens.verify(text)
        return None if token is None else callers.of_token(token)


def api() -> Api:
    """Return the API that serves this request."""
    return cast("Api", g.qless_py_api)


def client() -> Client:
    """Return the client of this API."""
    return api().client


def caller() -> Caller:
    """Return the sender of this request; raise a `Problem` if it is not authenticated."""
    if "qless_py_caller" not in g:
        g.qless_py_caller = identify(api().config, api().limiter, api().verify)
    return cast("Caller", g.qless_py_caller)


def traced(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a put, with the trace context of the request unless they have one.

    If a span of this process continues the trace of the request, that of the put will do so.
    """
    if "context" in options or (instrumentation.current and instrumentation.current.ids()):
        return options
    known = request.environ.get(_CONTEXT)
    if known is None:
        known = request.environ[_CONTEXT] = context_from_headers(request.headers)
    return {**options, "context": known} if known else options


def find_job(jid: str) -> Job:
    """Return a job; raises `JobNotFoundError`, also if the caller may not use its queue."""
    found = client().jobs[jid]
    if not isinstance(found, Job) or not may_see(found):
        raise JobNotFoundError(f"Job {jid} does not exist")
    return found


def may_see(job: Job | CanceledJob) -> bool:
    """Return whether the job is in a queue of the caller; the last queue counts once it ended."""
    return caller().may_use(job.queue_name or job.last_queue)


def redactor() -> Redactor | None:
    """Return what redacts data for the sender of this request, None if it may see all of it."""
    return None if caller().shows_data else api().config.redactor
