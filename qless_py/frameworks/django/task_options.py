"""Options of the jobs of one task, which Django has no name for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict, TypeVar, Unpack

from qless_py.errors import BadArgumentError
from qless_py.handlers.retry import RetryPolicy
from qless_py.protocol import arguments
from qless_py.protocol.options import Policy, Seconds, Throttles

F = TypeVar("F", bound=Callable[..., Any])

_ATTRIBUTE: Final = "qless_options"
# Looked up when a job runs instead of being stored with it, as those of `qless_py.job` are.
_AT_RUN: Final = ("retry", "soft_limit", "hard_limit")


class TaskOptions(TypedDict, total=False):
    """Options of a put that make sense for every job of a task; see `PutOptions`."""

    tags: Sequence[str]
    attempts: int
    retry: Policy
    retries: int
    keep: Seconds
    expires: Seconds
    soft_limit: Seconds
    hard_limit: Seconds
    user: str
    throttles: Throttles
    codec: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """What `options` has set: for the put, for the run, and what only this package knows."""

    put: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    middleware: Sequence[Any] = ()
    enqueue_on_commit: bool | str | None = None


_NONE: Final = Chosen()


def options(
    *,
    enqueue_on_commit: bool | str | None = None,
    middleware: Sequence[Any] = (),
    **more: Unpack[TaskOptions],
) -> Callable[[F], F]:
    """Set options of the jobs of a task; write it below the decorator `task`.

    `enqueue_on_commit` replaces the setting ENQUEUE_ON_COMMIT for this task. The others are options
    of a put; the retry policy, the limits and the `middleware` are looked up when a job runs.
    """
    given: dict[str, Any] = {name: value for name, value in more.items() if value is not None}
    unknown = given.keys() - TaskOptions.__annotations__.keys()
    if unknown:
        raise BadArgumentError(f"a task has no option {', '.join(sorted(unknown))}")
    arguments.put_options(given)
    if isinstance(middleware, str | bytes):
        raise BadArgumentError(f"middleware must be a list, not {middleware!r}")
    if not isinstance(enqueue_on_commit, bool | str | None):
        raise BadArgumentError(
            f"enqueue_on_commit is neither a bool nor a database: {enqueue_on_commit!r}"
        )
    if "attempts" in given:
        given["retry"] = RetryPolicy.of(arguments.attempts_policy(given.pop("attempts")))
    run: dict[str, Any] = {name: given.pop(name) for name in _AT_RUN if name in given}

    def decorate(function: F) -> F:
        if not hasattr(function, "__code__"):
            raise BadArgumentError(f"{function!r} is not a function: write options below task")
        chosen = Chosen(given, run, tuple(middleware), enqueue_on_commit)
        # A put or a schedule that names the function has the options, too.
        vars(function).update({_ATTRIBUTE: chosen, "default_job_options": lambda _data: given})
        return function

    return decorate


def of(function: Any) -> Chosen:
    """Return what `options` has set for a function."""
    found = getattr(function, _ATTRIBUTE, _NONE)
    return found if isinstance(found, Chosen) else _NONE
