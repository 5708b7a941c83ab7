"""Charts: what is drawn, round ticks, marks, and the values under the pointer."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from qless_py.dashboard import axes
from qless_py.dashboard.charts import Chart, Mark, Series, render
from qless_py.dashboard.template_helpers import TemplateHelpers

HOUR, DAY = 3600, 86400
START = 1_700_000_000


def _chart(*values: float | None, step: float = 60, **more: Any) -> Chart:
    instants = [START + step * number for number in range(len(values))]
    return Chart("T", instants, [Series("s", "put", values)], **more)


def _data(drawn: str) -> dict[str, Any]:
    found = re.search(r'data-chart="([^"]*)"', drawn)
    assert found is not None
    data: dict[str, Any] = json.loads(html.unescape(found[1]))
    return data


def _paths(drawn: str) -> list[str]:
    return re.findall(r'<path class="line[^"]*" d="([^"]*)"', drawn)


def test_a_lone_point_is_drawn_as_a_dot() -> None:
    drawn = str(render(_chart(None, 3.0, None, 1.0, 2.0)))

    assert drawn.count(" point") == 1
    assert _paths(drawn) == ["M1 24l0 0", "M3 179l1-78"]


def test_points_within_a_horizontal_line_are_left_out() -> None:
    (path,) = _paths(str(render(_chart(0, 0, 0, 0, 4, 4))))

    assert path == "M0 256l3 0 1-232 1 0"


def test_the_page_carries_short_values_with_their_unit_and_zone() -> None:
    zone = ZoneInfo("Europe/Berlin")
    data = _data(str(render(_chart(0.123456, None, 90, step=HOUR, unit="duration", zone=zone))))

    assert data["lines"] == [["s", [123, None, 90_000]]]
    assert (data["first"], data["step"], data["unit"]) == (START, HOUR, "duration")
    assert data["zone"] == "Europe/Berlin"


def test_marks_are_drawn_with_names_that_do_not_cover_each_other() -> None:
    marks = [Mark(START + 60 * at, name) for at, name in
             ((-5, "old"), (2, "v1"), (3, "v2 <b>with a long name"), (9, "new"))]  # fmt: skip

    drawn = str(render(_chart(*range(10), marks=marks)))

    assert drawn.count('class="mark"') == 3
    names = re.findall(r'class="axis mark-name"[^>]*>([^<]*)<', drawn)
    assert names == ["new", "v2 &lt;b&gt;with a…"]
    assert "deploys: v1 14 Nov 22:15, v2" in drawn
    assert [name for _, name in _data(drawn)["marks"]][-1] == "new"


@pytest.mark.parametrize(
    ("top", "unit", "ticks"),
    [
        (7, "number", [0, 2, 4, 6, 8]), (999, "number", [0, 200, 400, 600, 800, 1000]),
        (0, "number", [0, 0.2, 0.4, 0.6, 0.8, 1]), (70, "duration", [0, 30, 60, 90]),
        (5 * HOUR, "duration", [HOUR * n for n in range(6)]), (0.03, "share", [0, .01, .02, .03]),
        (0.6, "share", [0, 0.2, 0.4, 0.6, 0.8, 1]),
    ],
)  # fmt: skip
def test_a_value_axis_ends_at_a_round_number(top: float, unit: str, ticks: list[float]) -> None:
    assert axes.linear([top], unit).ticks == pytest.approx(ticks)


def test_a_logarithmic_axis_fits_the_values() -> None:
    axis = axes.logarithmic([0.03, 0.2, 0])

    assert (axis.low, axis.high) == pytest.approx((0.02, 0.2))
    assert axis.ticks == pytest.approx([0.02, 0.05, 0.1, 0.2])
    assert [axis.share(value) for value in (0, 0.02, 0.2, 5)] == [0, 0, 1, 1]
    for values in ([0.5], [], [1e-4], [DAY * 60], [0.001, 4000]):
        one = axes.logarithmic(values)
        assert one.low < one.high
        assert one.ticks


@pytest.mark.parametrize(
    ("zone", "span", "labels"),
    [
        ("UTC", 900, ["03:10", "03:15", "03:20"]),
        ("UTC", DAY, ["04:00", "08:00", "12:00", "16:00", "20:00", "25 Oct"]),
        ("Asia/Kolkata", 4 * HOUR, ["09:00", "10:00", "11:00", "12:00"]),
        # An hour is repeated here in the night to the 25th.
        ("Europe/Berlin", DAY, ["08:00", "12:00", "16:00", "20:00", "25 Oct", "04:00"]),
        ("Europe/Berlin", 7 * DAY, [f"{day} Oct" for day in range(25, 32)]),
    ],
)
def test_times_are_round_in_the_zone_of_the_viewer(
    zone: str, span: float, labels: list[str]
) -> None:
    start = datetime(2026, 10, 24, 3, 7, tzinfo=UTC).timestamp()

    assert [text for _, text in axes.times(start, start + span, ZoneInfo(zone))] == labels


def test_names_may_break_between_their_parts_only() -> None:
    breakable = TemplateHelpers.breakable

    assert breakable("app.mail_box.Send:<b>") == ("app.<wbr>mail_<wbr>box.<wbr>Send:<wbr>&lt;b&gt;")
    assert breakable("::a") == "::<wbr>a"
    assert breakable("plain") == "plain"
