"""The forking worker: a parent that runs no job code, and children that do."""

from collections.abc import Callable

from qless_py.worker.daemon import daemonize
from qless_py.worker.options import WorkerOptions
from qless_py.worker.probe import ask as ask_probe
from qless_py.worker.single_process import Single
from qless_py.worker.supervisor import Parent

__all__ = ["Worker", "WorkerOptions", "ask_probe", "daemonize"]


class Worker:
    """A worker with these options; `run` works until told to stop and gives the exit code."""

    def __init__(self, options: WorkerOptions) -> None:
        self._worker = (Single if options.isolation == "none" else Parent)(options)

    def run(self, opened: Callable[[], object] | None = None) -> int:
        """Work. Must be called in the main thread of its process.

        `opened` is called when the store is there and nothing can be wrong any more with the
        options.
        """
        return self._worker.run(opened)
