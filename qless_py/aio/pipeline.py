"""Several transitions in one round trip.

    with client.pipeline() as pipeline:
        first = pipeline.put("mail", SendMail, {"to": "ada"})
        pipeline.complete(job)
    print(first.result())

Each transition is atomic by itself, the pipeline as a whole is not, and none may rely on another:
after a failure of the connection some may be sent again after others.
"""

from types import TracebackType
from typing import Self

from qless_py.aio.job import AsyncJob
from qless_py.client.pipeline_calls import Pending, PipelineCalls, settle
from qless_py.client.session import AsyncSession
from qless_py.protocol import JobRecord, queues


class AsyncPipeline(PipelineCalls):
    """A pipeline that is sent at the end of its block, unless the block raises.

    The end of the block raises the first refusal. The other transitions took place all the same,
    and each `Pending` has its own outcome.
    """

    def __init__(self, session: AsyncSession) -> None:
        super().__init__(session.settings)
        self._session = session

    def pop(
        self, queue: str, count: int | None = None, *, worker: str | None = None
    ) -> Pending[list[AsyncJob]]:
        """Add a pop, whose result is always a list."""
        return self.call(queues.pop(self._settings, queue, count, worker, self._job))

    async def send(self) -> None:
        """Send the transitions added so far; raises the first refusal."""
        pending = self.take()
        settle(pending, await self._session.runner.run_many([one.call for one in pending]))

    def _job(self, record: JobRecord) -> AsyncJob:
        return AsyncJob(self._session, record)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            await self.send()
