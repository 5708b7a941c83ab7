"""Run functions that were written for another queue with the jobs that were migrated from it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from qless_py.errors import BadArgumentError
from qless_py.protocol.job_state import JobState

Function = TypeVar("Function", bound=Callable[..., Any])


def with_arguments(function: Function) -> Function:
    """Make a handler of a function that takes positional and keyword arguments.

    Called with a job whose data is `{"args": [...], "kwargs": {...}}`, as migrated jobs have it,
    it calls the function with these; called in any other way, it is the function itself.
    """
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run_async(*args: Any, **kwargs: Any) -> Any:
            given, named = _arguments(args, kwargs)
            return await function(*given, **named)

        return run_async  # type: ignore[return-value]

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        given, named = _arguments(args, kwargs)
        return function(*given, **named)

    return run  # type: ignore[return-value]


def _arguments(
    args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    """Return the arguments of a job, or those of a plain call."""
    if len(args) != 1 or kwargs or not isinstance(args[0], JobState):
        return args, kwargs
    data = args[0].data  # type: ignore[attr-defined]
    given = data.get("args") if isinstance(data, Mapping) else None
    named = data.get("kwargs") if isinstance(data, Mapping) else None
    if not isinstance(given, list) or not isinstance(named, Mapping):
        raise BadArgumentError(f"the data of {args[0].jid} does not hold args and kwargs")
    return tuple(given), named
