"""Commands start without modules that they do not use."""

from __future__ import annotations

import subprocess
import sys

import pytest

METRICS_OF_REDIS = """
import qless_py.cli
import redis
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from redis.observability import OTelConfig, get_observability_instance

reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
get_observability_instance().init(OTelConfig())
try:
    redis.Redis(unix_socket_path="/nowhere").ping()
except redis.ConnectionError:
    pass
found = reader.get_metrics_data()
print(*(one.name for some in found.resource_metrics[0].scope_metrics for one in some.metrics))
"""


def run(program: str) -> str:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_command_line_starts_without_the_sdk_of_opentelemetry() -> None:
    found = run("import sys, qless_py.cli; print('redis' in sys.modules, *sys.modules)").split()

    assert found[0] == "True"
    assert not [name for name in found if name.startswith("opentelemetry.sdk")]


def test_metrics_of_redis_py_work_all_the_same() -> None:
    pytest.importorskip("redis.observability")

    assert "redis.client.errors" in run(METRICS_OF_REDIS)
