"""The jid of a job that a task put: text that knows its job."""

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar

from qless_py.aio import wait
from qless_py.aio.job import AsyncJob
from qless_py.client.session import AsyncSession
from qless_py.protocol import jobs
from qless_py.protocol.options import Seconds

R = TypeVar("R")


class AsyncJid(str, Generic[R]):
    """A jid that can read its job and wait for what its function returns."""

    __slots__ = ("_decode", "_session")
    _session: AsyncSession
    _decode: Callable[[Any], R]

    def __new__(cls, jid: str, session: AsyncSession, decode: Callable[[Any], R]) -> Self:
        """Return the jid; `decode` turns a stored result into what the function returned."""
        made = super().__new__(cls, jid)
        made._session = session
        made._decode = decode
        return made

    # sync> @property
    async def job(self) -> AsyncJob:
        """Read the job; raises `JobNotFoundError` if it does not exist any more."""
        record = await self._session.runner.run(jobs.read(self))
        return AsyncJob(self._session, jobs.existing(record, self))

    async def wait(
        self,
        timeout: Seconds | None = None,  # noqa: ASYNC109 - ends in an error of our own
    ) -> R:
        """Wait until the job has ended and return what its function returned.

        Raises `JobFailedError`, `JobCanceledError`, or `WaitTimeoutError` after `timeout` seconds.
        """
        return self._decode(await wait.wait(self._session, str(self), timeout))

    def __reduce__(self) -> Any:
        # A copy that travels to another process is plain text: the connection stays here.
        return str, (str(self),)
