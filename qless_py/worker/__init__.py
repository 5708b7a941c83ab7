"""The forking worker: a parent that runs no job code, and children that do."""

from qless_py.worker.options import WorkerOptions
from qless_py.worker.parent import Parent as Worker

__all__ = ["Worker", "WorkerOptions"]
