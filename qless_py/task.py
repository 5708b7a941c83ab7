"""Functions as handlers, put with the arguments that they are called with: `@qless_py.job`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final, Generic, ParamSpec, Protocol, Self, TypeVar, Unpack, cast, overload

from qless_py import aio
from qless_py.client.client import Client
from qless_py.client.jid import Jid
from qless_py.client.job import Job
from qless_py.client.session import Session
from qless_py.default_client import checked_client, default_client, replaceable
from qless_py.errors import BadArgumentError
from qless_py.handlers.context import current_job
from qless_py.handlers.retry import RetryPolicy
from qless_py.handlers.typed_call import TypedCall
from qless_py.protocol import Call, arguments, puts, recurring
from qless_py.protocol.options import PutOptions, PutSpec, RecurOptions, Seconds
from qless_py.protocol.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")

# Options that are looked up when a job runs instead of being stored with it.
_AT_RUN: Final = ("retry", "soft_limit", "hard_limit")


def get_current_job() -> Job | None:
    """Return the job whose handler runs in this thread or asyncio task, or None."""
    return cast("Job | None", current_job())


class Task(Generic[P, R]):
    """A function whose `put` enqueues a job that calls it; made by the decorator `job`.

    The data of the job is `{"kwargs": {…}}` with the arguments by name, so programs in any
    language can put one. Arguments are validated and converted by their annotations, when the job
    is put and again when it runs, and the result by the annotation of the function: what pydantic
    can write as JSON travels both ways. `put` raises `BadArgumentError` for arguments that the
    function does not accept, and then nothing is put.
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
        self._call = TypedCall(function, self.name)
        self._client = client
        self._put: dict[str, Any] = {**put}

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function directly."""
        return self._function(*args, **kwargs)

    def data(self, /, *args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        """Return the data of a job with these arguments."""
        return {"kwargs": self._call.to_data(args, kwargs)}

    def spec(self, /, *args: P.args, **kwargs: P.kwargs) -> PutSpec:
        """Return one job for `put_many`, batches and pipelines of either client, with its queue."""
        data = self.data(*args, **kwargs)
        spec: dict[str, Any] = {"klass": self, "data": data, "queue": self.queue, **self._put}
        return cast("PutSpec", spec)

    def put(self, /, *args: P.args, **kwargs: P.kwargs) -> Jid[R]:
        """Put a job that calls the function with these arguments and return its jid.

        `jid.wait()` returns what the function returns. The job goes through the client of the task.
        Without one, it goes to the store of the job that runs here, or else to the store that
        `Client()` finds.
        """
        session = self._session()
        data = self.data(*args, **kwargs)
        jid = session.runner.run(puts.put(session.settings, self.queue, self, data, {}))
        return Jid(jid, session, self._call.result_from_data)

    async def put_async(
        self, client: aio.Client, /, *args: P.args, **kwargs: P.kwargs
    ) -> aio.Jid[R]:
        """Put a job through an asyncio client and return its jid; `await jid.wait()` waits."""
        data = self.data(*args, **kwargs)
        jid = await client.runner.run(puts.put(client.settings, self.queue, self, data, {}))
        return aio.Jid(jid, client, self._call.result_from_data)

    def recur(
        self,
        data: Mapping[str, Any] | None = None,
        interval: Seconds | None = None,
        offset: Seconds = 0,
        **options: Unpack[RecurOptions],
    ) -> str:
        """Put a job every `interval` seconds or by `cron`; returns the recurring jid.

        `data` are the arguments, as `data()` returns them: `report.recur(report.data(to="ann"),
        cron="0 9 * * *", zone="Europe/Berlin")`. The jid is the name of the function unless one is
        given, so each start of a program that says this sets the same schedule again.
        """
        session = self._session()
        call = self._recurrence(session.settings, data, interval, offset, options)
        return session.runner.run(call)

    async def recur_async(
        self,
        client: aio.Client,
        data: Mapping[str, Any] | None = None,
        interval: Seconds | None = None,
        offset: Seconds = 0,
        **options: Unpack[RecurOptions],
    ) -> str:
        """Do the same as `recur` through an asyncio client."""
        call = self._recurrence(client.settings, data, interval, offset, options)
        return await client.runner.run(call)

    def using(
        self, client: Client | None = None, *, queue: str | None = None, **more: Unpack[PutOptions]
    ) -> Self:
        """Return the same task with another client or queue, or with more options of the put.

        `send.using(delay=60, priority=5).put(to="ann")`
        """
        put: Any = arguments.merged(self._put, more)
        chosen = self._client if client is None else checked_client(client)
        task = type(self)(self._function, self.queue if queue is None else queue, chosen, **put)
        for name in ("middleware", *_AT_RUN):
            setattr(task, name, getattr(self, name))
        return task

    def perform(self, job: Any) -> Any:
        """Call the function with the arguments in a job's data, as a worker does."""
        kwargs = _kwargs(job.data, f"data of {job}")
        call = cast("Callable[..., Any]", self._function)
        value = call(**self._call.from_data(kwargs))
        return (
            self._awaited(value) if inspect.iscoroutine(value) else self._call.result_to_data(value)
        )

    async def _awaited(self, value: Coroutine[Any, Any, Any]) -> Any:
        return self._call.result_to_data(await value)

    def check(self) -> None:
        """Raise `BadArgumentError` if an annotation cannot be resolved or travel as data."""
        self._call.check()

    def default_job_options(self, _data: Any) -> dict[str, Any]:
        """Return the options of its jobs, whichever way they are put."""
        return self._put

    def __repr__(self) -> str:
        return f"<Task {self.name} of queue {self.queue}>"

    def _recurrence(
        self,
        settings: Settings,
        data: Mapping[str, Any] | None,
        interval: Seconds | None,
        offset: Seconds,
        options: Mapping[str, Any],
    ) -> Call[str]:
        if data is None:
            data = {"kwargs": self._call.to_data((), {})}
        self._call.from_data(_kwargs(data, f"data of the schedule of {self.name}"))
        named = {**options, "jid": options.get("jid") or self.name}
        return recurring.recur(settings, self.queue, self, data, interval, offset, named)

    def _session(self) -> Session:
        if self._client is not None:
            return self._client() if not isinstance(self._client, Client) else self._client
        job = current_job()
        return job.session if isinstance(job, Job) else default_client()


class AsyncTask(Task[P, R]):
    """A task of an `async def` function: calling it returns a coroutine."""

    def __call__(  # type: ignore[override]
        self, /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, R]:
        """Call the function directly; await what it returns."""
        return cast("Coroutine[Any, Any, R]", self._function(*args, **kwargs))


class TaskDecorator(Protocol):
    """What `job(...)` with options returns: it makes a task of a function."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...


@overload
def job(function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncTask[P, R]: ...
@overload
def job(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def job(
    *,
    queue: str = "default",
    client: Client | Callable[[], Client] | None = None,
    middleware: Sequence[Any] = (),
    **put: Unpack[PutOptions],
) -> TaskDecorator: ...


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
    if isinstance(middleware, str | bytes) or not isinstance(middleware, Iterable):
        raise BadArgumentError(f"middleware must be a list, not {middleware!r}")
    if function is not None and not callable(function):
        raise BadArgumentError(f"{function!r} is not a function; name a queue as job(queue=…)")
    at_run = {name: given.pop(name, None) for name in _AT_RUN}

    def decorate(function: Callable[..., Any]) -> Task[..., Any]:
        kind = AsyncTask if inspect.iscoroutinefunction(function) else Task
        task: Task[..., Any] = kind(function, queue, replaceable(client), **given)
        task.middleware = tuple(middleware)
        vars(task).update(at_run)
        return task

    return decorate if function is None else decorate(function)


def _kwargs(data: Any, what: str) -> Mapping[str, Any]:
    """Return the arguments in the data of a job."""
    kwargs = data.get("kwargs") if isinstance(data, Mapping) else None
    if not isinstance(kwargs, Mapping):
        raise BadArgumentError(
            f"{what} has no map of arguments in data['kwargs']; make it with Task.data(…)"
        )
    return kwargs
