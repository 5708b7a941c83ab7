"""The dashboard benchmark requests every page, and no page needs many round trips."""

from pathlib import Path

import pytest

from tests.benchmarks.quick_run import quick_run


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_every_page_takes_few_round_trips(tmp_path: Path) -> None:
    measured = quick_run("dashboard", tmp_path)

    assert len(measured["pages"]) > 30
    for one in measured["pages"]:
        assert 0 < one["trips"] <= 12, one
        assert f"{one['path']}  " in measured["text"]
    assert measured["page"].startswith("# Benchmarks of the dashboard\n")
