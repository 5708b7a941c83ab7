"""How many jobs a child prefetches, and the expected duration of a klass."""

import itertools

from qless_py.worker.prefetch import BATCH_SECONDS, Prefetch


def test_the_first_batch_is_one_job_and_no_batch_more_than_doubles() -> None:
    prefetch = Prefetch(50)
    counts = []
    for _ in range(8):
        counts.append(prefetch.next())
        prefetch.record("short", 0.00001)

    assert counts[0] == 1
    assert all(after <= 2 * before for before, after in itertools.pairwise(counts))


def test_short_jobs_are_taken_up_to_the_limit() -> None:
    prefetch = Prefetch(50)
    for _ in range(100):
        prefetch.record("short", 0.00001)
        prefetch.next()

    assert prefetch.next() == 50


def test_a_batch_holds_no_more_work_than_it_is_worth() -> None:
    prefetch = Prefetch(50)
    for _ in range(100):
        prefetch.record("middling", BATCH_SECONDS / 5)
        prefetch.next()

    assert prefetch.next() == 2  # As much again may be fetched ahead.


def test_a_batch_holds_as_much_work_for_each_slot() -> None:
    prefetch = Prefetch(50, slots=8)
    for _ in range(100):
        prefetch.record("middling", BATCH_SECONDS / 5)
        prefetch.next()

    assert prefetch.next() in {19, 20}


def test_one_long_job_makes_the_next_batch_small_at_once() -> None:
    prefetch = Prefetch(50)
    for _ in range(100):
        prefetch.record("short", 0.00001)
        prefetch.next()

    prefetch.record("short", 3.0)

    assert prefetch.next() == 1


def test_a_klass_that_was_never_seen_may_take_long() -> None:
    prefetch = Prefetch(50)
    prefetch.record("short", 0.001)

    assert prefetch.expected("short") == 0.001
    assert prefetch.expected("unknown") == BATCH_SECONDS


def test_a_klass_that_took_longer_than_a_batch_is_expected_to_do_so_again() -> None:
    prefetch = Prefetch(50)
    prefetch.record("long", 2 * BATCH_SECONDS)

    assert prefetch.expected("long") > BATCH_SECONDS
