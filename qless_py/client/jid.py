# Generated from qless_py/aio/jid.py by bin/generate-sync: edit that file.
"""The jid of a job that a task put: text that knows its job."""

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar

from qless_py.client import wait
from qless_py.client.job import Job
from qless_py.client.session import Session
from qless_py.protocol import jobs
from qless_py.protocol.options import Seconds

R = TypeVar("R")


class Jid(str, Generic[R]):
    """A jid that can read its job and wait for what its function returns."""

    __slots__ = ("_decode", "_session")
    _session: Session
    _decode: Callable[[Any], R]

    def __new__(cls, jid: str, session: Session, decode: Callable[[Any], R]) -> Self:
        """Return the jid; `decode` turns a stored result into what the function returned."""
        made = super().__new__(cls, jid)
        made._session = session
        made._decode = decode
        return made

    @property
    def job(self) -> Job:
        """Read the job; raises `JobNotFoundError` if it does not exist any more."""
        record = self._session.runner.run(jobs.read(self))
        return Job(self._session, jobs.existing(record, self))

    def wait(
        self,
        timeout: Seconds | None = None,
    ) -> R:
        """Wait until the job has ended and return what its function returned.

        Raises `JobFailedError`, `JobCanceledError`, or `WaitTimeoutError` after `timeout` seconds.
        """
        return self._decode(wait.wait(self._session, str(self), timeout))

    def __reduce__(self) -> Any:
        # A copy that travels to another process is plain text: the connection stays here.
        return str, (str(self),)
