"""config_set and config_unset, and what readers see."""

from __future__ import annotations

import pytest

from qless_py.errors import BadArgumentError, ConfigError
from tests.script_runner import Scripts

DEFAULTS = {
    "application": "qless",
    "heartbeat": "60",
    "grace-period": "10",
    "jobs-history": "2592000",
    "jobs-history-count": "50000",
    "canceled-history": "604800",
    "canceled-history-count": "10000",
    "canceled-history-size": "67108864",
    "max-job-history": "100",
    "stats-history": "30",
    "histogram-history": "7",
    "max-worker-age": "86400",
    "max-crashes": "3",
    "max-data-size": "1048576",
    "event-stream": "0",
    "klass-stats": "100",
    "audit-log": "10000",
}


def test_an_empty_namespace_has_the_defaults(call: Scripts) -> None:
    assert call("read/config") == DEFAULTS


def test_options_are_text_and_go_back_to_their_defaults(call: Scripts) -> None:
    call("config_set", "heartbeat", "0.5")
    call("config_set", "q-heartbeat", "7")
    call("config_set", "of-mine", "anything\nat all")

    assert call("read/config") == {
        **DEFAULTS,
        "heartbeat": "0.5",
        "q-heartbeat": "7",
        "of-mine": "anything\nat all",
    }
    for option in ("heartbeat", "q-heartbeat", "of-mine", "never-set"):
        call("config_unset", option)

    assert call("read/config") == DEFAULTS


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("heartbeat", "0"),
        ("heartbeat", "soon"),
        ("q-heartbeat", "-1"),
        ("grace-period", "1e9"),
        ("jobs-history-count", "1.5"),
        ("max-crashes", "0"),
        ("max-data-size", "536870913"),
        ("event-stream", "-1"),
        ("event-stream", "1.5"),
        ("klass-stats", "1001"),
        ("stats-history", "0"),
    ],
)
def test_a_value_that_an_option_cannot_have_is_rejected(
    call: Scripts, option: str, value: str
) -> None:
    with pytest.raises(ConfigError, match=option):
        call("config_set", option, value)

    assert call("read/config") == DEFAULTS


def test_options_have_names_and_values_have_a_length(call: Scripts) -> None:
    for option, value in (("", "x"), ("a b", "x"), ("mine", "x" * 1025)):
        with pytest.raises(BadArgumentError):
            call("config_set", option, value)
    with pytest.raises(BadArgumentError):
        call("config_unset", "a b")
