"""The forking worker: a supervisor that runs no job code, and children that do."""

from collections.abc import Callable

from qless_py.worker.daemon import daemonize
from qless_py.worker.options import WorkerOptions
from qless_py.worker.probe import ask as ask_probe

__all__ = ["Worker", "WorkerOptions", "ask_probe", "daemonize"]


class Worker:
    """A worker with these options."""

    def __init__(self, options: WorkerOptions) -> None:
        # Imported here because a manager, and so `import qless_py`, needs only some of the parts.
        from qless_py.worker.single_process import SingleProcess  # noqa: PLC0415
        from qless_py.worker.supervisor import Supervisor  # noqa: PLC0415

        self._worker = (SingleProcess if options.isolation == "none" else Supervisor)(options)

    def run(self, opened: Callable[[], object] | None = None) -> int:
        """Work until stopped and return the exit code.

        Must be called in the main thread of its process. `opened` is called once the store is
        available and the options were found to be valid.
        """
        return self._worker.run(opened)
