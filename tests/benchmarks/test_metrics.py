"""The benchmark of the metrics reads every queue, and no script of a scrape is long."""

from pathlib import Path

import pytest

from tests.benchmarks.quick_run import quick_run


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_scrape_has_the_series_of_every_queue(tmp_path: Path) -> None:
    measured = quick_run("metrics", tmp_path)

    assert measured["series"] > 20 * 60
    assert measured["bytes"] / measured["series"] < 100
    assert measured["totals_bytes"] < 2000
    assert measured["page"].startswith("# Benchmarks of the metrics\n")
