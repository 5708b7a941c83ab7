import logging

import pytest

from qless_py.store.outage import OutageLog


def test_an_outage_is_logged_once_until_the_store_answers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outage = OutageLog(logging.getLogger("qless_py.test"))

    with caplog.at_level(logging.WARNING):
        outage.failed_within(60, 0.0, OSError("a hiccup"))
        outage.failed_within(2, 10.0, OSError("gone, and given up"))
        outage.succeeded()
        outage.failed_within(60, 10.0, OSError("gone"))
        outage.failed_within(60, 11.0, OSError("still gone"))
        outage.succeeded()
        outage.failed_within(60, 10.0, OSError("gone again"))

    assert [record.getMessage() for record in caplog.records] == [
        "store unavailable, retrying for 60 s: gone",
        "store available again",
        "store unavailable, retrying for 60 s: gone again",
    ]


def test_an_outage_is_logged_at_once_when_attempts_have_no_limit(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outage = OutageLog(logging.getLogger("qless_py.test"))

    with caplog.at_level(logging.WARNING):
        outage.failed(OSError("gone"))
        outage.failed(OSError("still gone"))
        outage.succeeded()
        outage.succeeded()

    assert [record.getMessage() for record in caplog.records] == [
        "store unavailable, retrying until it is back: gone",
        "store available again",
    ]
