"""The benchmark of tracing counts what its hooks cost; times are not asserted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.util._once import Once

from benchmarks.tracing.__main__ import MODES, bytes_of_a_job, in_process
from qless_py import Client, tracing


@pytest.fixture(autouse=True)
def _no_provider_remains() -> Iterator[None]:
    yield
    tracing.uninstrument()
    getattr(trace.get_tracer_provider(), "shutdown", lambda: None)()
    trace._TRACER_PROVIDER, trace._TRACER_PROVIDER_SET_ONCE = None, Once()


@pytest.mark.any_server
def test_the_hooks_cost_few_instructions_and_no_bytes_while_tracing_is_off(live: Client) -> None:
    rows = {(name, mode): numbers for name, mode, *numbers in in_process(live, 1)}
    sizes = {mode: int(size) for mode, size in bytes_of_a_job(live)}

    assert {mode for _, mode in rows} == set(MODES) == set(sizes)
    for (name, mode), (instructions, of_hooks, calls, _) in rows.items():
        if mode == "off":
            assert int(of_hooks) < 0.03 * int(instructions), name
            assert int(calls) < int(rows[name, "on"][2]), name
    assert sizes["off"] == sizes["no exporter"] < sizes["on"]
