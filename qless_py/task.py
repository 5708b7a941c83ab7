"""Functions as handlers, put with the arguments that they are called with: `@qless_py.job`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, ParamSpec, TypeVar, Unpack, cast, overload

from qless_py import aio
from qless_py.client.client import Client
from qless_py.client.job import Job
from qless_py.client.session import Session
from qless_py.default_client import default_client, replaceable
from qless_py.errors import BadArgumentError
from qless_py.handlers.context import current_job
from qless_py.handlers.retry import RetryPolicy
from qless_py.protocol import Call, arguments, puts
from qless_py.protocol.options import PutOptions, PutSpec, Seconds

P = ParamSpec("P")
R = TypeVar("R")

# Options that are looked up when a job runs instead of being stored with it.
_AT_RUN: Final = ("retry", "soft_limit", "hard_limit")
_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL)


def get_current_job() -> Job | None:
    """Return the job whose handler runs in this thread or asyncio task, or None."""
    return cast("Job | None", current_job())


class Task(Generic[P, R]):
    """A function whose `put` enqueues a job that calls it; made by the decorator `job`.

    The data of the job is `{"kwargs": {…}}` with the arguments by name, so programs in any
    language can put one. `put` raises `BadArgumentError` for arguments that the function does not
    accept.
    """

    def __init__(
        self,
        function: Callable[P, R],
        queue: str,
        client: Client | Callable[[], Client] | None = None,
        **put: Unpack[PutOptions],
    ) -> None:
        functools.update_wrapper(self, function)
        self.name = arguments.klass_name(function)
        self.queue = arguments.name("queue", queue)
        self.is_async = inspect.iscoroutinefunction(function)
        self.middleware: Sequence[Any] = ()
        self.retry: RetryPolicy | None = None
        self.soft_limit: Seconds | None = None
        self.hard_limit: Seconds | None = None
        self._function = function
        self._signature = _signature(function)
        self._client = client
        self._put: dict[str, Any] = {**put}

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function directly."""
        return self._function(*args, **kwargs)

    def data(self, *args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        """Return the data of a job with these arguments, for `recur` for example."""
        try:
            bound = dict(self._signature.bind(*args, **kwargs).arguments)
        except TypeError as error:
            raise BadArgumentError(f"{self.name}: {error}") from None
        for name, parameter in self._signature.parameters.items():
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                bound |= bound.pop(name, {})
        return {"kwargs": bound}

    def spec(self, *args: P.args, **kwargs: P.kwargs) -> PutSpec:
        """Return one job for `put_many`, batches and pipelines of either client."""
        spec: dict[str, Any] = {"klass": self, "data": self.data(*args, **kwargs), **self._put}
        return cast("PutSpec", spec)

    def put(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Put a job that calls the function with these arguments and return its jid.

        It goes through the client of the task. Without one, it goes to the store of the job that
        runs here, or else to the store that `Client()` finds.
        """
        session = self._session()
        return session.runner.run(self._call(session.settings, self.data(*args, **kwargs)))

    async def put_async(self, client: aio.Client, *args: P.args, **kwargs: P.kwargs) -> str:
        """Put a job through an asyncio client and return its jid."""
        return await client.run(self._call(client.settings, self.data(*args, **kwargs)))

    def using(
        self, client: Client | None = None, *, queue: str | None = None, **more: Unpack[PutOptions]
    ) -> Task[P, R]:
        """Return the same task with another client or queue, or with more options of the put.

        `send.using(delay=60, priority=5).put(to="ann")`
        """
        put: dict[str, Any] = {**self._put, **more}
        task = Task(self._function, queue or self.queue, client or self._client, **put)
        for name in ("middleware", *_AT_RUN):
            setattr(task, name, getattr(self, name))
        return task

    def perform(self, job: Any) -> Any:
        """Call the function with the arguments in a job's data, as a worker does."""
        kwargs = job.data.get("kwargs") if isinstance(job.data, dict) else None
        if not isinstance(kwargs, dict):
            raise BadArgumentError(f"data['kwargs'] of {job} is not a map of arguments")
        try:
            self._signature.bind(**kwargs)
        except TypeError as error:
            raise BadArgumentError(f"{self.name}: {error}") from None
        call = cast("Callable[..., Any]", self._function)
        return call(**kwargs)

    def default_job_options(self, _data: Any) -> dict[str, Any]:
        """Return the options of its jobs, whichever way they are put."""
        return self._put

    def __repr__(self) -> str:
        return f"<Task {self.name} of queue {self.queue}>"

    def _call(self, settings: Any, data: dict[str, Any]) -> Call[str]:
        return puts.put(settings, self.queue, self, data, {})

    def _session(self) -> Session:
        if self._client is not None:
            return self._client() if not isinstance(self._client, Client) else self._client
        job = current_job()
        return job.session if isinstance(job, Job) else default_client()


@overload
def job(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def job(
    *,
    queue: str = "default",
    client: Client | Callable[[], Client] | None = None,
    middleware: Sequence[Any] = (),
    **put: Unpack[PutOptions],
) -> Callable[[Callable[P, R]], Task[P, R]]: ...


def job(
    function: Callable[..., Any] | None = None,
    /,
    *,
    queue: str = "default",
    client: Client | Callable[[], Client] | None = None,
    middleware: Sequence[Any] = (),
    **put: Unpack[PutOptions],
) -> Any:
    """Decorate a function as a `Task`: `send.put(to="ann")` puts a job, `send(to="ann")` calls it.

    `queue` and the options of a put apply to all its jobs. The limits, the retry policy and the
    `middleware` are looked up when a job runs, so a change in the code also applies to jobs that
    were put before. The function may be `async def`.
    """
    given: dict[str, Any] = {name: value for name, value in put.items() if value is not None}
    arguments.put_options(given)
    if "attempts" in given:
        given["retry"] = RetryPolicy.of(arguments.attempts_policy(given.pop("attempts")))
    at_run = {name: given.pop(name, None) for name in _AT_RUN}

    def decorate(function: Callable[..., Any]) -> Task[..., Any]:
        task: Task[..., Any] = Task(function, queue, replaceable(client), **given)
        task.middleware = tuple(middleware)
        vars(task).update(at_run)
        return task

    return decorate if function is None else decorate(function)


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    signature = inspect.signature(function)
    wrong = [name for name, one in signature.parameters.items() if one.kind in _POSITIONAL]
    if wrong:
        raise BadArgumentError(
            f"{function.__qualname__}: arguments are stored by name, so {', '.join(wrong)} "
            "cannot be positional"
        )
    return signature
