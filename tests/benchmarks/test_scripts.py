"""The script benchmark runs and reports every script; speed itself is not asserted."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.scripts import costs
from benchmarks.scripts.space import DATA
from qless_py.scripts import assemble as scripts

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("measured")
    command = [sys.executable, "-m", "benchmarks.scripts", "--quick", "--server", "valkey"]
    command += ["--json", str(folder / "json"), "--page", str(folder / "page")]

    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )

    assert done.returncode == 0, done.stderr
    (result,) = json.loads((folder / "json").read_text())
    return {**result, "text": done.stdout, "page": (folder / "page").read_text()}


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_every_script_is_measured_with_all_its_calls(measured: dict[str, Any]) -> None:
    timings = measured["timings"]

    assert {one["script"] for one in timings} == set(scripts.names())
    assert len({one["label"] for one in timings}) == len(timings)
    for one in timings:
        assert 0 < one["p50"] <= one["p99"] <= one["worst"], one["label"]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_every_budget_has_its_measurement(measured: dict[str, Any]) -> None:
    budgets = {one["label"]: one["budget"] for one in measured["costs"] if one["budget"]}

    assert budgets == costs.BUDGETS
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
