"""Charts: what is drawn, and the times under the pointer."""

from __future__ import annotations

import html
import json
import re
from typing import Any

from qless_py.dashboard.charts import Chart, Series, render
from qless_py.dashboard.template_helpers import TemplateHelpers

HOUR = 3600


def _drawn(*values: float | None, step: float = 60) -> str:
    instants = [1_700_000_000 + step * number for number in range(len(values))]
    return str(render(Chart("T", instants, [Series("s", "put", values)])))


def _times(drawn: str) -> list[str]:
    found = re.search(r'data-chart="([^"]*)"', drawn)
    assert found is not None
    data: dict[str, Any] = json.loads(html.unescape(found[1]))
    return list(data["times"])


def test_a_lone_point_is_drawn_as_a_dot() -> None:
    drawn = _drawn(None, 3.0, None, 1.0, 2.0)

    assert drawn.count("<circle") == 1
    assert drawn.count("<polyline") == 1


def test_times_of_several_days_have_a_date() -> None:
    assert _times(_drawn(*[1.0] * 8, step=24 * HOUR))[-1] == "21 Nov 22:13"
    assert _times(_drawn(*[1.0] * 25, step=HOUR))[-1] == "15 Nov 22:13"
    assert _times(_drawn(*[1.0] * 5, step=HOUR))[-1] == "02:13"


def test_names_may_break_between_their_parts_only() -> None:
    breakable = TemplateHelpers.breakable

    assert breakable("app.mail_box.Send:<b>") == ("app.<wbr>mail_<wbr>box.<wbr>Send:<wbr>&lt;b&gt;")
    assert breakable("::a") == "::<wbr>a"
    assert breakable("plain") == "plain"
