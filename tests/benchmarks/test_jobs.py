"""The job benchmark measures every subject; how fast they are is not asserted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from benchmarks.jobs import charts, ratios, rounds, subjects, usage
from benchmarks.jobs.figures import by_place, summarize
from benchmarks.jobs.peers import all_peers, bullmq
from benchmarks.jobs.report import Result, write_page
from benchmarks.jobs.rounds import Measured, Reading, Sample, Subject
from benchmarks.jobs.scale import QUICK
from tests import servers
from tests.benchmarks.quick_run import quick_run
from tests.eventually import eventually

MEASURED = (
    subjects.PUTS,
    subjects.ONE_CHILD,
    subjects.IDLE,
    subjects.COSTS,
    subjects.MEMORY,
    subjects.LONG_QUEUE,
)


def sample(label: str, value: float | tuple[float, ...], *, foreign: float = 0.0) -> Sample:
    return Sample([Reading(label, value, "jobs/s")], foreign)


def watching(*shares: float) -> Callable[[], Any]:
    """Return watches that report these shares in turn."""
    left = iter(shares)

    class Watch(usage.Watch):
        def share(self) -> float:
            return next(left)

    return Watch


def counting(label: str = "count") -> Callable[[], rounds.Readings]:
    """Return a measurement whose reading is how often it was made."""
    made = iter(range(1, 100))

    def measure() -> Iterator[Reading]:
        yield Reading(label, float(next(made)), "")

    return measure


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_subjects_of_every_kind_are_measured(tmp_path: Path) -> None:
    only = [option for name in MEASURED for option in ("--only", name)]

    measured = quick_run("jobs", tmp_path, *only)

    assert not measured["failures"]
    places = [(one["subject"], one["label"]) for one in measured["figures"]]
    assert len(places) == len(set(places))
    assert {subject for subject, _ in places} == set(MEASURED)
    for one in measured["figures"]:
        assert min(one["rounds"]) > 0, one
    for target, one in zip(ratios.TARGETS, measured["targets"], strict=True):
        needed = {subject for subject, _ in filter(None, (target.figure, target.base))}
        assert (one["value"] is not None) == (needed <= set(MEASURED)), one
    assert measured["text"].strip() in measured["page"]


def test_every_target_is_of_subjects_that_a_run_has() -> None:
    with servers.running("valkey") as server:
        every = subjects.of_this_project(server, server, server, QUICK)
        every += subjects.of_peers(server, QUICK)

    names = [one.name for one in every]
    assert len(names) == len(set(names))
    for target in ratios.TARGETS:
        assert target.figure[0] in names
        assert target.base is None or target.base[0] in names


def test_each_round_measures_every_subject_once() -> None:
    order = []

    def noting(name: str) -> Callable[[], rounds.Readings]:
        def measure() -> Iterator[Reading]:
            order.append(name)
            yield Reading("n", 1.0, "")

        return measure

    rounds.measure([Subject(name, noting(name)) for name in "ab"], 3, patience=0)

    assert order == ["a", "b", "a", "b", "a", "b"]


def test_a_disturbed_sample_is_taken_again_and_marked_if_it_stays_so() -> None:
    disturbed = rounds.FOREIGN * 2
    watches = watching(disturbed, 0, disturbed * 3, disturbed, disturbed * 2)

    measured = rounds.measure([Subject("s", counting())], 2, patience=60, watch=watches)

    assert [one.readings[0].value for one in measured.samples["s"]] == [2, 4]
    assert [one.is_noisy for one in measured.samples["s"]] == [False, True]
    (figure,) = summarize(measured)
    assert (figure.value, figure.rounds, figure.is_noisy) == (3, [2, 4], True)


def test_out_of_patience_no_sample_is_repeated() -> None:
    watches = watching(1, 1)

    measured = rounds.measure([Subject("s", counting())], 2, patience=0, watch=watches)

    assert [one.readings[0].value for one in measured.samples["s"]] == [1, 2]


def test_a_subject_that_fails_is_reported_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> Iterator[Reading]:
        yield Reading("n", float("npm is missing"), "")

    several = [Subject("broken", fail), Subject("fine", counting())]
    measured = rounds.measure(several, 2, patience=0)

    assert measured.failures == {"broken": "could not convert string to float: 'npm is missing'"}
    assert len(measured.samples["fine"]) == 2
    assert capsys.readouterr().err.count("broken: FAILED: could not") == 1
    result = Result("valkey", "Valkey 1", QUICK, measured)
    write_page(tmp_path / "page.md", [result])
    assert "not measured: broken: could not convert" in (tmp_path / "page.md").read_text()


def test_a_ratio_is_met_not_met_or_not_measured() -> None:
    kept, dropped = bullmq(50, keeps=True), bullmq(50, keeps=False)
    samples = {
        subjects.TWO_CHILDREN: [sample("no-op jobs", value) for value in (20.0, 30.0, 40.0)],
        kept: [sample("no-op jobs", 10.0)] * 3,
        dropped: [sample("no-op jobs", 20.0, foreign=1)] * 3,
    }

    found = list(ratios.evaluate(by_place(summarize(Measured(samples)))))

    first, second, third = (ratio for _, ratio in found[:3])
    assert first is not None
    assert (first.value, first.is_met, first.rounds) == (3, True, [2, 3, 4])
    assert second is not None
    assert (second.is_met, second.is_noisy) == (False, True)
    assert third is None


def test_times_become_percentiles_over_all_rounds() -> None:
    fast, slow = tuple(map(float, range(100))), tuple(map(float, range(100, 200)))
    measured = Measured({"s": [sample(rounds.PICKUP, fast), sample(rounds.PICKUP, slow)]})

    p50, _, p99 = summarize(measured)

    assert (p50.label, p50.value, p50.rounds) == ("pickup p50", 99.5, [49.5, 149.5])
    assert p99.value > 197


@pytest.mark.parametrize("chart", charts.CHARTS, ids=[one.name for one in charts.CHARTS])
def test_a_chart_has_a_row_for_each_queue_that_was_measured(chart: charts.Chart) -> None:
    peer = all_peers()[0].name
    samples = {
        subject: [
            Sample(
                [Reading(label, 5.0, "") for of, label in chart.ours.values() if of == subject], 0
            )
        ]
        for subject, _ in chart.ours.values()
    }
    samples[peer] = [Sample([Reading(label, 4.0, "") for label in chart.series], 0)]

    shown = charts.rows(chart, by_place(summarize(Measured(samples))))
    drawing = ET.fromstring(charts.svg(chart, shown))

    number = len(chart.series)
    assert shown == [("qless_py", [5.0] * number), (peer, [4.0] * number)]
    texts = [one.text for one in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert {"qless_py", peer} < set(texts)


def test_only_a_bar_that_would_hide_the_others_is_cut() -> None:
    chart = charts.CHARTS[0]
    values = {"qless_py": 90.0, "a": 10.0, "b": 10.0, "c": 10.0, "d": 200.0}

    drawing = ET.fromstring(charts.svg(chart, [(name, [one]) for name, one in values.items()]))

    texts = [one.text for one in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert {"90", "10", "200 (cut)"} < set(texts)


def test_the_time_of_a_tree_includes_descendants_that_ended() -> None:
    spin = "import time\nwhile time.process_time() < 0.5: pass"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {spin!r}]); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as process:
        try:
            # Alone, the first process does not use as much.
            eventually(
                lambda: usage.cpu_seconds(usage.tree(process.pid)) >= 0.5,
                "the time of the second process is missing",
                within=40,
            )
        finally:
            usage.end(process, gently=False)
