"""Sparklines: gaps, scale and size."""

from __future__ import annotations

import re

from qless_py.dashboard.sparkline import sparkline


def test_a_sparkline_reaches_from_zero_to_its_largest_value() -> None:
    drawn = str(sparkline([0, 5, None, 10, -1], "failed"))

    assert re.findall(r' d="(.*?)"', drawn) == ["M0.0 22.0L25.0 12.0M75.0 2.0L100.0 22.0"]
    assert 'class="sparkline line-failed"' in drawn


def test_a_sparkline_is_short_whatever_it_shows() -> None:
    assert str(sparkline([])) == str(sparkline([3])) == str(sparkline([None, 3])) == ""
    assert " d=" in str(sparkline([0, 0]))
    assert len(sparkline([float(n % 7) for n in range(2016)])) < 1000
