# Generated from qless_py/aio/workers.py by bin/generate-sync: edit that file.
"""The known workers, the jobs they hold, and commands to them."""

from collections.abc import Iterable

from qless_py.client.base import WorkersBase
from qless_py.protocol import workers
from qless_py.protocol.workers import WorkerCounts, WorkerJobs


class Workers(WorkersBase):
    """`client.workers`: a worker's jobs by its name, and all workers, last seen first."""

    def __getitem__(self, name: str) -> WorkerJobs:
        return self.get(name)

    def get(self, name: str, offset: int = 0, count: int = 100) -> WorkerJobs:
        """Return a page of up to 1,000 of a worker's jobs; an unknown worker has none."""
        return self._session.runner.run(workers.read(name, offset, count))

    @property
    def counts(self) -> list[WorkerCounts]:
        """Return all workers, last seen first, with how many jobs each holds."""
        return self._counts()

    def _counts(self) -> list[WorkerCounts]:
        found: list[WorkerCounts] = []
        while True:
            total, rows = self._session.runner.run(workers.counts(len(found)))
            found += rows
            if not rows or len(found) >= total:
                return found

    def deregister(self, *names: str) -> int:
        """Remove up to 100 workers from the list, such as those of a machine that is gone.

        Returns how many were on it.
        """
        return self._session.runner.run(workers.deregister(names))

    def quiet(self, *names: str) -> list[str]:
        """Stop workers from taking more jobs; running jobs continue. Returns the workers addressed.

        A name is that of a worker or a prefix of names: the host and process id of a supervisor
        address all its children. Without names, all workers are addressed.
        """
        return self._command("quiet", names)

    def resume(self, *names: str) -> list[str]:
        """Let workers pop jobs again; names are as in `quiet`."""
        return self._command("resume", names)

    def stop(self, *names: str) -> list[str]:
        """Let workers exit without replacement once their jobs have ended.

        Names are as in `quiet`.
        """
        return self._command("stop", names)

    def restart(self, *names: str) -> list[str]:
        """Replace workers by fresh processes; running jobs may finish. Names as in `quiet`."""
        return self._command("restart", names)

    def dump(self, *names: str) -> list[str]:
        """Have workers report the stacks of all their threads, which show what they run.

        Their `report` then has it: `client.workers[name]["report"]["text"]`. Names as in `quiet`.
        """
        return self._command("dump", names)

    def _command(self, what: str, names: Iterable[str]) -> list[str]:
        addressed = workers.addressed(self._counts(), names)
        for call in workers.commands(addressed, what):
            self._session.runner.run(call)
        return addressed
