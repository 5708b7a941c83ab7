"""What each option of a namespace is for: the table that all doors show."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Option:
    """An option: its unit ("" for none), its default, and one sentence about it."""

    name: str
    unit: str
    default: str
    meaning: str


_ALL: Final = (
    Option(
        "heartbeat", "seconds", "60", "The length of a lease; NAME-heartbeat sets it for one queue."
    ),
    Option(
        "grace-period",
        "seconds",
        "10",
        "How long after the end of its lease a job may still be renewed or completed.",
    ),
    Option(
        "max-crashes",
        "crashes",
        "3",
        "After how many deaths of its process a job fails as a poison pill.",
    ),
    Option("max-data-size", "bytes", "1048576", "The largest data, result or progress of a job."),
    Option("jobs-history", "seconds", "2592000", "How long complete jobs are kept."),
    Option("jobs-history-count", "jobs", "50000", "How many complete jobs are kept."),
    Option("canceled-history", "seconds", "604800", "How long canceled jobs can be restored."),
    Option("canceled-history-count", "jobs", "10000", "How many canceled jobs are kept."),
    Option("canceled-history-size", "bytes", "67108864", "How much canceled jobs may take in all."),
    Option(
        "max-job-history",
        "entries",
        "100",
        "How many entries the history of a job has; -1: no limit.",
    ),
    Option("stats-history", "days", "30", "How long statistics by day are kept."),
    Option("histogram-history", "days", "7", "Accepted for compatibility with qless; not used."),
    Option(
        "max-worker-age",
        "seconds",
        "86400",
        "How long after its last heartbeat a worker is listed.",
    ),
    Option(
        "klass-stats", "classes", "100", "How many classes have statistics of their own; 0: none."
    ),
    Option(
        "event-stream",
        "events",
        "0",
        "About how many events are kept for readers that come later; 0: none.",
    ),
    Option("audit-log", "entries", "10000", "About how many changes the audit log keeps; 0: none."),
    Option("application", "", "qless", "A name to display."),
)
OPTIONS: Final[Mapping[str, Option]] = MappingProxyType({one.name: one for one in _ALL})
# The options that a queue may have for itself, after its name and a hyphen.
_OF_QUEUES: Final = (
    Option("heartbeat", "seconds", "", "The length of a lease of jobs of this queue."),
    Option(
        "retry-policy", "", "", "The retry policy of jobs of this queue without one of their own."
    ),
)


def option_of(name: str) -> Option:
    """Return what is known of an option; one that no code of ours reads has no meaning."""
    found = OPTIONS.get(name)
    if found is not None:
        return found
    for one in _OF_QUEUES:
        if name.endswith(f"-{one.name}"):
            return Option(name, one.unit, "", one.meaning)
    return Option(name, "", "", "")
