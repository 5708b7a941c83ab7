import logging

import pytest

from qless_py.store.resend import Outage, elapsed


def test_an_outage_is_logged_once_until_the_store_answers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outage = Outage()
    long_ago = elapsed() - 10

    with caplog.at_level(logging.WARNING):
        outage.lasts(elapsed(), 60, OSError("a hiccup"))
        outage.lasts(long_ago, 2, OSError("gone, and given up"))
        outage.lasts(long_ago, 60, OSError("gone"))
        outage.lasts(long_ago, 60, OSError("still gone"))
        outage.is_over()
        outage.lasts(long_ago, 60, OSError("gone again"))

    assert [record.getMessage() for record in caplog.records] == [
        "the store does not answer, trying for 60 s: gone",
        "the store does not answer, trying for 60 s: gone again",
    ]
