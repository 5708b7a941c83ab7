"""Classes and functions that the jobs of these tests name."""

from __future__ import annotations

from typing import Any

from qless_py import Job


class Mail:
    """Performed by a method named like the queue, else by `perform`."""

    @staticmethod
    def default_job_options(data: Any) -> dict[str, Any]:
        return {"priority": 5, "tags": ["mail"], "retries": data.get("patience", 2)}

    @staticmethod
    def urgent(job: Job) -> str:
        return f"urgent {job['to']}"

    @classmethod
    def perform(cls, job: Job) -> str:
        return f"{cls.__name__} {job['to']}"


class Stateful:
    """Performed by a method of a new instance."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def process(self, job: Job) -> list[str]:
        self.seen.append(job.jid)
        return self.seen


class Nothing:
    """Has no method that performs."""


def function(job: Job) -> Any:
    """Perform by being called."""
    return job.data
