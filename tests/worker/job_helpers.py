"""Helpers that put jobs for workers under test and read how they ended."""

from __future__ import annotations

from typing import Any

from qless_py import Client, Job
from tests.worker.conftest import LinePipe


def read(client: Client, jid: str) -> Job:
    job = client.jobs[jid]
    assert isinstance(job, Job)
    return job


def result(client: Client, jid: str) -> Any:
    return read(client, jid).wait(40)


def steps(client: Client, jid: str) -> list[str]:
    return [entry["what"] for entry in read(client, jid).history]


def put(client: Client, klass: Any, data: Any = None, **options: Any) -> str:
    return client.queues["work"].put(klass, data, **options)


def pipes(reports: LinePipe, go: LinePipe) -> dict[str, str]:
    """Return the data of a job that waits."""
    return {"pipe": str(reports.path), "go": str(go.path)}
