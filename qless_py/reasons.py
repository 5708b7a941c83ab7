"""Why a job is not running now: one class for each reason."""

from qless_py.client.explain import (
    Behind,
    Busy,
    Complete,
    DependsOn,
    Expired,
    Failed,
    LastAttempt,
    NoWorker,
    Parent,
    Paused,
    Reason,
    Recurring,
    Running,
    Scheduled,
    Throttled,
    Unregistered,
)

__all__ = [
    "Behind",
    "Busy",
    "Complete",
    "DependsOn",
    "Expired",
    "Failed",
    "LastAttempt",
    "NoWorker",
    "Parent",
    "Paused",
    "Reason",
    "Recurring",
    "Running",
    "Scheduled",
    "Throttled",
    "Unregistered",
]
