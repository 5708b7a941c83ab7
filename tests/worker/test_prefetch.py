"""How many jobs a child takes at once, and what it may expect of a klass."""

import itertools

from qless_py.worker.prefetch import WORTH, Pace


def test_the_first_batch_is_one_job_and_no_batch_more_than_doubles() -> None:
    pace = Pace(50)
    counts = []
    for _ in range(8):
        counts.append(pace.next())
        pace.note("short", 0.00001)

    assert counts[0] == 1
    assert all(after <= 2 * before for before, after in itertools.pairwise(counts))


def test_short_jobs_are_taken_up_to_the_limit() -> None:
    pace = Pace(50)
    for _ in range(100):
        pace.note("short", 0.00001)
        pace.next()

    assert pace.next() == 50


def test_a_batch_holds_no_more_work_than_it_is_worth() -> None:
    pace = Pace(50)
    for _ in range(100):
        pace.note("middling", WORTH / 5)
        pace.next()

    assert pace.next() in {4, 5}


def test_one_long_job_makes_the_next_batch_small_at_once() -> None:
    pace = Pace(50)
    for _ in range(100):
        pace.note("short", 0.00001)
        pace.next()

    pace.note("short", 3.0)

    assert pace.next() == 1


def test_a_klass_that_was_never_seen_may_take_long() -> None:
    pace = Pace(50)
    pace.note("short", 0.001)

    assert pace.expected("short") == 0.001
    assert pace.expected("unknown") >= WORTH
