"""The backend that TASKS names: it puts tasks as jobs and reads their results."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping
from typing import Any

from asgiref.sync import sync_to_async
from django.core import checks
from django.db import DEFAULT_DB_ALIAS, transaction
from django.utils import timezone

from qless_py.errors import BadArgumentError, HandlerNotFoundError
from qless_py.frameworks.django import application, conf, results, task_options
from qless_py.frameworks.django.application import DjangoApp
from qless_py.frameworks.django.handler import TaskHandler
from qless_py.frameworks.django.interface import (
    BaseTaskBackend,
    InvalidTask,
    TaskResultDoesNotExist,
    signals,
)
from qless_py.handlers import resolve
from qless_py.handlers.job import HandledJob
from qless_py.protocol import Call, arguments, puts
from qless_py.protocol.settings import Settings


class QlessBackend(BaseTaskBackend):  # type: ignore[misc] # its class is found at run time
    """A backend of `django.tasks` that keeps each task as a job of its App.

    The klass of the job is the dotted name of the task, its data `{"args": […], "kwargs": {…}}`.
    """

    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        # What is wrong with the settings is for `check`: an exception here, where tasks are
        # declared, would keep Django from starting and so from reporting it.
        usable = {key: one for key, one in params.items() if _is_usable(key, one)}
        super().__init__(alias, usable)
        self._params = dict(params)

    @property
    def app(self) -> DjangoApp:
        """The App with the settings of this backend; raises `ImproperlyConfigured`."""
        return application.made_app(self.alias, self._params)

    def validate_task(self, task: Any) -> None:
        """Raise `InvalidTask` for a task that cannot be a job."""
        super().validate_task(task)
        try:
            arguments.name("queue", task.queue_name)
            arguments.klass_name(task.func)
        except BadArgumentError as error:
            raise InvalidTask(str(error)) from error

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        """Put a job for the task, when the transaction commits if it is to wait for that."""
        result = self._new_result(task, args, kwargs)
        put = functools.partial(self._put, result)
        database = self._database(task)
        if database is not None and transaction.get_connection(database).in_atomic_block:
            transaction.on_commit(put, using=database)
        else:
            put()
        return result

    async def aenqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        """Do the same through the asyncio client of this event loop."""
        if self._database(task) is not None:
            return await super().aenqueue(task, args, kwargs)
        result = self._new_result(task, args, kwargs)
        client = self.app.aio
        await client.runner.run(self._call(client.settings, result))
        await sync_to_async(self._enqueued)(result)
        return result

    def get_result(self, result_id: str) -> Any:
        """Read a job as a `TaskResult`; raises `TaskResultDoesNotExist`."""
        with _unknown_results(result_id):
            job = self.app.client.jobs.get(result_id)
            return self._result(job, result_id)

    async def aget_result(self, result_id: str) -> Any:
        """Do the same through the asyncio client of this event loop."""
        with _unknown_results(result_id):
            job = await self.app.aio.jobs.get(result_id)
            return self._result(job, result_id)

    def check(self, **kwargs: Any) -> Iterator[checks.CheckMessage]:
        """Yield what is wrong with the settings."""
        del kwargs
        for problem in conf.problems(self.alias, self._params):
            yield checks.Error(problem, id="qless_py.E001")

    def _new_result(self, task: Any, args: Any, kwargs: Any) -> Any:
        self.validate_task(task)
        modules, home = self.app.imports, task.func.__module__
        if not any(f"{home}.".startswith(f"{one}.") for one in modules):
            raise InvalidTask(
                f"no worker may run {task.module_path}: declare it in the module tasks of an "
                f"installed application, or add {home!r} to "
                f"TASKS[{self.alias!r}]['OPTIONS']['imports']"
            )
        return results.new_result(task, puts.new_jid(), args, kwargs, self.alias)

    def _database(self, task: Any) -> str | None:
        """Return the database for whose commit the task waits; None if it does not."""
        chosen = task_options.of(task.func).enqueue_on_commit
        if chosen is None:
            chosen = self._params.get("ENQUEUE_ON_COMMIT", False)
        return DEFAULT_DB_ALIAS if chosen is True else chosen or None

    def _put(self, result: Any) -> None:
        client = self.app.client
        client.runner.run(self._call(client.settings, result))
        self._enqueued(result)

    def _call(self, settings: Settings, result: Any) -> Call[str]:
        task = result.task
        put = {**self.app.retries, **task_options.of(task.func).put, "jid": result.id}
        put["priority"] = task.priority
        if task.run_after is not None:
            at = task.run_after
            put["at"] = at if timezone.is_aware(at) else timezone.make_aware(at)
        data = results.data_of(result.args, result.kwargs)
        return puts.put(settings, task.queue_name, task.func, data, put)

    def _enqueued(self, result: Any) -> None:
        results.update(result, enqueued_at=timezone.now())
        signals.task_enqueued.send(sender=type(self), task_result=result)

    def _result(self, job: HandledJob | None, jid: str) -> Any:
        if job is None:
            raise TaskResultDoesNotExist(jid)
        found = resolve.load_allowed(job.klass_name, self.app.imports)
        if not isinstance(found, TaskHandler):
            raise TaskResultDoesNotExist(f"job {jid} is not of a task, but of {job.klass_name}")
        return results.result_of(job, found.task, self.alias)


@contextlib.contextmanager
def _unknown_results(jid: str) -> Iterator[None]:
    """Raise `TaskResultDoesNotExist` for a job that cannot be read as the result of a task."""
    try:
        yield
    except (BadArgumentError, HandlerNotFoundError, resolve.HandlerNotAllowedError) as error:
        raise TaskResultDoesNotExist(f"{jid}: {error}") from error


def _is_usable(key: str, value: Any) -> bool:
    """Return whether Django's own part can work with a setting."""
    kinds: dict[str, Any] = {"QUEUES": (list, tuple, set, frozenset), "OPTIONS": Mapping}
    return isinstance(value, kinds.get(key, object))
