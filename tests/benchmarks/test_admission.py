"""The admission benchmark runs and reports plausible numbers; speed itself is not asserted."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.admission import feature_costs, shares
from benchmarks.command import write_section
from tests.benchmarks.quick_run import quick_run


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return quick_run("admission", tmp_path_factory.mktemp("measured"))


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_every_user_gets_its_share_within_two_jobs(measured: dict[str, Any]) -> None:
    jobs = measured["scale"]["popped"]

    for one in measured["shares"]:
        assert abs(one["actual"] - one["fair"]) * jobs < 2, one
    assert sum(one["actual"] for one in measured["shares"]) == pytest.approx(1)
    assert 0.99 < measured["jain"] <= 1


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_cost_of_every_feature_is_measured(measured: dict[str, Any]) -> None:
    assert len(measured["feature_costs"]) == len(feature_costs.FEATURES)
    for one in measured["feature_costs"]:
        assert min(one["put"], one["pop"], one["complete"], one["round_trips"]) > 0, one
    for one in measured["timings"]:
        assert 0 < one["p50"] <= one["p99"] <= one["worst"], one
    assert min(measured["cpu"].values()) > 0


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_tables_show_all_that_was_measured(measured: dict[str, Any]) -> None:
    lines = measured["text"].splitlines()

    for one in [*measured["feature_costs"], *measured["timings"]]:
        assert [line for line in lines if line.startswith(f"{one['label']}  ")], one
    for one in measured["shares"]:
        assert f"{one['user']} {one['weight']:5.2f}" in measured["text"]
    assert measured["text"].strip() in measured["page"]


def test_the_worst_error_is_relative_to_the_fair_share() -> None:
    half, double = shares.Share("u", 1, 0.5, 0.25), shares.Share("v", 1, 0.25, 0.5)

    assert shares.worst_error([half]) == 0.5
    assert shares.worst_error([half, double]) == 1
    assert shares.jain([half, half]) == 1
    assert shares.jain([half, double]) < 0.8


def test_a_section_of_a_document_replaces_its_previous_version(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    for text in ("# One\n\nold", "# Two\n\n## Under it\n\ntext", "# One\n\nnew"):
        write_section(page, text)

    assert page.read_text() == "# One\n\nnew\n\n# Two\n\n## Under it\n\ntext\n"
