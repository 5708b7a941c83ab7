"""The benchmark of the HTTP API judges what it has measured of the process."""

from __future__ import annotations

import pytest

from benchmarks.http.memory import EVERY, MemoryCourse

MB = 2**20


def course(*sizes: float) -> MemoryCourse:
    found = MemoryCourse()
    for number, size in enumerate(sizes):
        found.add(number * EVERY, round(size * MB))
    return found


def test_memory_that_stays_the_same_after_the_first_jobs_is_flat() -> None:
    found = course(67, 110, 115, 115, 115.1)

    assert found.growth == pytest.approx(0.05, abs=0.01)
    assert "\n  flat: +0.05 MB in 10,000 jobs" in found.text()


def test_memory_that_grows_with_every_job_is_not_flat() -> None:
    found = course(88, 91, 94, 97, 100)

    assert found.growth == pytest.approx(3)
    assert "\n  NOT flat: +3.00 MB in 10,000 jobs" in found.text()


def test_few_jobs_say_nothing_about_memory() -> None:
    found = course(88, 91, 91)

    assert found.growth is None
    assert "88.0, 91.0, 91.0\n  too few jobs" in found.text()
