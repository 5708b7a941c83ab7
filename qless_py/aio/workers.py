"""The known workers, the jobs they hold, and commands to them."""

from collections.abc import Awaitable, Iterable

from qless_py.aio.base import AsyncWorkersBase
from qless_py.protocol import workers
from qless_py.protocol.workers import WorkerCounts, WorkerJobs


class AsyncWorkers(AsyncWorkersBase):
    """`client.workers`: a worker's jobs by its name, and all workers, last seen first."""

    def __getitem__(self, name: str) -> Awaitable[WorkerJobs]:
        return self.get(name)

    def get(self, name: str, offset: int = 0, count: int = 100) -> Awaitable[WorkerJobs]:
        """Return a page of up to 1,000 of a worker's jobs; an unknown worker has none."""
        return self._session.runner.run(workers.read(name, offset, count))

    # sync> @property
    async def counts(self) -> list[WorkerCounts]:
        """Return all workers, last seen first, with how many jobs each holds."""
        return await self._counts()

    async def _counts(self) -> list[WorkerCounts]:
        found: list[WorkerCounts] = []
        while True:
            total, rows = await self._session.runner.run(workers.counts(len(found)))
            found += rows
            if not rows or len(found) >= total:
                return found

    def deregister(self, *names: str) -> Awaitable[int]:
        """Remove up to 100 workers from the list, such as those of a machine that is gone.

        Returns how many were on it.
        """
        return self._session.runner.run(workers.deregister(names))

    async def quiet(self, *names: str) -> list[str]:
        """Stop workers from taking more jobs; running jobs continue. Returns the workers addressed.

        A name is that of a worker or a prefix of names: the host and process id of a supervisor
        address all its children. Without names, all workers are addressed.
        """
        return await self._command("quiet", names)

    async def resume(self, *names: str) -> list[str]:
        """Let workers pop jobs again; names are as in `quiet`."""
        return await self._command("resume", names)

    async def stop(self, *names: str) -> list[str]:
        """Let workers exit without replacement once their jobs have ended.

        Names are as in `quiet`.
        """
        return await self._command("stop", names)

    async def restart(self, *names: str) -> list[str]:
        """Replace workers by fresh processes; running jobs may finish. Names as in `quiet`."""
        return await self._command("restart", names)

    async def dump(self, *names: str) -> list[str]:
        """Have workers report the stacks of all their threads, which show what they run.

        Their `report` then has it: `client.workers[name]["report"]["text"]`. Names as in `quiet`.
        """
        return await self._command("dump", names)

    async def _command(self, what: str, names: Iterable[str]) -> list[str]:
        addressed = workers.addressed(await self._counts(), names)
        for call in workers.commands(addressed, what):
            await self._session.runner.run(call)
        return addressed
