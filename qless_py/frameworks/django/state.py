"""What Django resets around a request, reset around each job: connections, language, URLs."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.conf import settings
from django.core.cache import close_caches
from django.db import close_old_connections, connections, reset_queries
from django.urls import set_script_prefix, set_urlconf
from django.utils import timezone, translation


class JobState:
    """Middleware that begins each job as Django begins a request, and ends it like one.

    Connections that broke or grew too old are closed before and after. An `async def` handler gets
    a thread of its own for synchronous code, as a request under ASGI does, and no connection of
    that thread outlives the job.
    """

    def __init__(self, _job: Any) -> None:
        self._threads: Any = ThreadSensitiveContext()

    def __enter__(self) -> None:
        """Begin in a thread."""
        _reset()
        close_old_connections()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End in the same thread."""
        close()
        _reset()

    async def __aenter__(self) -> None:
        """Begin in an event loop."""
        _reset()
        await self._threads.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End in the same event loop."""
        try:
            await sync_to_async(close_all)()
        finally:
            await self._threads.__aexit__(kind, error, trace)
            _reset()


def close() -> None:
    """Close the connections of this thread that a request would close at its end."""
    close_old_connections()
    close_caches()


def close_all() -> None:
    """Close all connections of this thread, which ends, or whose children must not inherit them."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()
    close_caches()


def _reset() -> None:
    reset_queries()
    translation.deactivate()
    timezone.deactivate()
    set_urlconf(None)
    prefix = settings.FORCE_SCRIPT_NAME
    set_script_prefix("/" if prefix is None else prefix)
