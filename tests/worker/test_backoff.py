from qless_py.worker.backoff import Backoff


def test_waits_double_up_to_the_most_and_are_spread() -> None:
    backoff = Backoff(first=1.0, most=8.0)

    waits = [backoff.next() for _ in range(6)]

    for wait, whole in zip(waits, (1, 2, 4, 8, 8, 8), strict=True):
        assert whole / 2 <= wait <= whole


def test_a_success_starts_over() -> None:
    backoff = Backoff(first=1.0, most=8.0)
    for _ in range(5):
        backoff.next()

    backoff.reset()

    assert backoff.next() <= 1.0


def test_processes_that_failed_together_do_not_wait_together() -> None:
    waits = {Backoff(first=1.0).next() for _ in range(20)}

    assert len(waits) > 10
