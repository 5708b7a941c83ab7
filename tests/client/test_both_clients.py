"""The two clients have the same public names, but for what is listed here."""

from __future__ import annotations

import importlib
import inspect

import pytest

PAIRS = {
    # Class: module for asyncio, module for threads, only for asyncio, only for threads.
    "Batch": ("batch", "batch", "", ""),
    "Batches": ("batch", "batch", "", ""),
    "Client": ("client", "client", "", "drop operations"),
    "Config": (
        "config", "config", "",
        "clear items keys pop popitem setdefault update values",
    ),
    "Deploys": ("deploys", "deploys", "", ""),
    "Failures": ("failures", "failures", "", ""),
    "Events": ("events", "events", "", "dispatch off on run thread"),
    "Job": ("job", "job", "set_priority", "heed_stop is_stopping stoppable watch"),
    "JobBatch": ("batch", "batch", "", ""),
    "Jobs": ("jobs", "jobs", "", ""),
    "Pipeline": ("pipeline", "pipeline", "", ""),
    "Queue": ("queue", "queue", "length set_heartbeat unset_heartbeat", "is_paused session"),
    "QueueJobs": ("queue", "queue", "", ""),
    "Queues": ("queue", "queue", "", ""),
    "RecurringJob": ("recurring", "recurring", "", ""),
    "RecurringJobs": ("recurring", "recurring", "get", ""),
    "Stats": ("stats", "stats", "", ""),
    "Throttle": ("throttles", "throttles", "", ""),
    "Throttles": ("throttles", "throttles", "", ""),
    "Tokens": ("tokens", "tokens", "", ""),
    "User": ("users", "users", "", "max_running running weight"),
    "Users": ("users", "users", "", ""),
    "Webhooks": ("webhooks", "webhooks", "", ""),
    "Workers": ("workers", "workers", "", ""),
    "WorkflowRun": ("workflow", "workflow.runs", "", ""),
    "Workflows": ("workflow", "workflow.runs", "", ""),
}  # fmt: skip


def _public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def _parameters(kind: type, name: str) -> list[str] | None:
    member = inspect.getattr_static(kind, name)
    return list(inspect.signature(member).parameters) if inspect.isfunction(member) else None


@pytest.mark.parametrize("name", PAIRS)
def test_both_clients_have_the_same_names(name: str) -> None:
    of_aio, of_threads, only_aio, only_threads = PAIRS[name]
    awaited = getattr(importlib.import_module(f"qless_py.aio.{of_aio}"), f"Async{name}")
    plain = getattr(importlib.import_module(f"qless_py.client.{of_threads}"), name)

    assert _public(awaited) - _public(plain) == set(only_aio.split())
    assert _public(plain) - _public(awaited) == set(only_threads.split())


@pytest.mark.parametrize("name", [name for name in PAIRS if name != "Config"])
def test_methods_take_the_same_arguments(name: str) -> None:
    of_aio, of_threads, *_ = PAIRS[name]
    awaited = getattr(importlib.import_module(f"qless_py.aio.{of_aio}"), f"Async{name}")
    plain = getattr(importlib.import_module(f"qless_py.client.{of_threads}"), name)

    for method in _public(awaited) & _public(plain):
        pair = (_parameters(awaited, method), _parameters(plain, method))
        assert None in pair or pair[0] == pair[1], method
