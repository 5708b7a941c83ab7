"""Run jobs in threads of this process, by functions that are registered for topics."""

from qless_py.manager.events import (
    Happening,
    ManagerReport,
    ManagerStarted,
    ManagerStats,
    ManagerStopped,
    TaskCompleted,
    TaskFailed,
    TaskPut,
    TaskRetried,
    TaskStarted,
    Watch,
)
from qless_py.manager.manager import Manager

__all__ = [
    "Happening",
    "Manager",
    "ManagerReport",
    "ManagerStarted",
    "ManagerStats",
    "ManagerStopped",
    "TaskCompleted",
    "TaskFailed",
    "TaskPut",
    "TaskRetried",
    "TaskStarted",
    "Watch",
]
