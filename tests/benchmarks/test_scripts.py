"""The script benchmark runs and reports every script; speed itself is not asserted."""

from typing import Any

import pytest

from benchmarks.namespace import DATA
from benchmarks.scripts import job_costs
from qless_py.scripts import assemble
from tests.benchmarks.quick_run import quick_run


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return quick_run("scripts", tmp_path_factory.mktemp("measured"))


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_every_script_is_measured_with_all_its_calls(measured: dict[str, Any]) -> None:
    timings = measured["timings"]

    assert {one["script"] for one in timings} == set(assemble.names())
    assert len({one["label"] for one in timings}) == len(timings)
    for one in timings:
        assert 0 < one["p50"] <= one["p99"] <= one["worst"], one["label"]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_every_budget_has_its_measurement(measured: dict[str, Any]) -> None:
    budgets = {one["label"]: one["budget"] for one in measured["costs"] if one["budget"]}

    assert budgets == job_costs.BUDGETS
    assert measured["bytes_per_job"] > len(DATA)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_tables_show_whether_each_measurement_is_within_its_target(
    measured: dict[str, Any],
) -> None:
    lines = measured["text"].splitlines()

    for one in measured["timings"]:
        (line,) = [line for line in lines if line.startswith(f"{one['label']}  ")]
        assert line.endswith("  ok" if one["within_target"] else "OVER")
    assert measured["text"].strip() in measured["page"]
