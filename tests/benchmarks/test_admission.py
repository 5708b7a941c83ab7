"""The admission benchmark runs and reports plausible numbers; speed itself is not asserted."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.admission import prices, shares
from benchmarks.pages import write_part

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("measured")
    command = [sys.executable, "-m", "benchmarks.admission", "--quick", "--server", "valkey"]
    command += ["--json", str(folder / "json"), "--page", str(folder / "page")]

    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )

    assert done.returncode == 0, done.stderr
    (result,) = json.loads((folder / "json").read_text())
    return {**result, "text": done.stdout, "page": (folder / "page").read_text()}


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_every_user_gets_its_share_within_two_jobs(measured: dict[str, Any]) -> None:
    jobs = measured["scale"]["handed_out"]

    for one in measured["shares"]:
        assert abs(one["got"] - one["due"]) * jobs < 2, one
    assert sum(one["got"] for one in measured["shares"]) == pytest.approx(1)
    assert 0.99 < measured["jain"] <= 1


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_cost_of_every_feature_is_measured(measured: dict[str, Any]) -> None:
    assert len(measured["prices"]) == len(prices.FEATURES)
    for one in measured["prices"]:
        assert min(one["put"], one["pop"], one["complete"], one["round_trip"]) > 0, one
    for one in measured["timings"]:
        assert 0 < one["p50"] <= one["p99"] <= one["worst"], one
    assert min(measured["cpu"].values()) > 0


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_tables_show_all_that_was_measured(measured: dict[str, Any]) -> None:
    lines = measured["text"].splitlines()

    for one in [*measured["prices"], *measured["timings"]]:
        assert [line for line in lines if line.startswith(f"{one['label']}  ")], one
    for one in measured["shares"]:
        assert f"{one['user']} {one['weight']:5.2f}" in measured["text"]
    assert measured["text"].strip() in measured["page"]


def test_the_worst_error_counts_in_parts_of_what_was_due() -> None:
    half, double = shares.Share("u", 1, 0.5, 0.25), shares.Share("v", 1, 0.25, 0.5)

    assert shares.worst_error([half]) == 0.5
    assert shares.worst_error([half, double]) == 1
    assert shares.jain([half, half]) == 1
    assert shares.jain([half, double]) < 0.8


def test_a_part_of_a_document_takes_the_place_of_its_last_version(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    for part in ("# One\n\nold", "# Two\n\n## Under it\n\ntext", "# One\n\nnew"):
        write_part(page, part)

    assert page.read_text() == "# One\n\nnew\n\n# Two\n\n## Under it\n\ntext\n"
