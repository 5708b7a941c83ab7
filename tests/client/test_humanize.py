"""Durations, instants, sizes and counts are written in one way everywhere."""

import subprocess
import sys
import traceback
from collections.abc import Callable

import pytest

from qless_py.client import humanize


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "\u2013"),
        (0, "0 s"),
        (0.00023, "0.23 ms"),
        (0.0042, "4.2 ms"),
        (0.35, "350 ms"),
        (0.9996, "1 s"),
        (4.24, "4.2 s"),
        (59.4, "59 s"),
        (59.7, "1 min"),
        (90, "1.5 min"),
        (3585, "1 h"),
        (12_600, "3.5 h"),
        (86_000, "1 d"),
        (-172_800, "\u22122 d"),
    ],
)
def test_measured_durations_are_rounded_in_the_largest_unit_that_fits(
    seconds: float | None, shown: str
) -> None:
    assert humanize.duration(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (0.25, "0.25 s"),
        (60, "1 min"),
        (100, "1 min 40 s"),
        (5400, "1 h 30 min"),
        (90_001, "1 d 1 h 1 s"),
    ],
)
def test_configured_durations_are_exact(seconds: float, shown: str) -> None:
    assert humanize.exact_duration(seconds) == shown


def test_instants_tell_how_far_they_are() -> None:
    assert humanize.instant(1_700_000_000, 1_700_000_300) == "2023-11-14 22:13:20 UTC (5 min ago)"
    assert humanize.instant(1_700_000_000, 1_700_000_000.4) == "2023-11-14 22:13:20 UTC (now)"
    assert humanize.instant(1_700_000_000, 1_699_999_970) == "2023-11-14 22:13:20 UTC (in 30 s)"
    assert humanize.instant(None, 0) == "an unknown time"
    assert humanize.ago(None, 0) == "never"


def test_instants_beyond_all_calendars_are_numbers() -> None:
    assert humanize.local_time(1e18) == "1000000000000000000"
    assert humanize.instant(1e18, 1e18) == "1000000000000000000 (now)"
    assert humanize.iso(1e18) == "beyond all calendars"
    assert humanize.iso(1_700_000_000.5) == "2023-11-14T22:13:20.500Z"


def test_counts_and_sizes_are_readable() -> None:
    assert [humanize.plural(count, "job") for count in (0, 1, 1204)] == [
        "0 jobs",
        "1 job",
        "1,204 jobs",
    ]
    assert [humanize.number(value) for value in (None, 1204.0, 12.34, 0.256)] == [
        "\u2013",
        "1,204",
        "12.3",
        "0.26",
    ]
    assert [humanize.size(value) for value in (512, 1536, 200 * 2**20)] == [
        "512 B",
        "1.5 KiB",
        "200 MiB",
    ]


class ModelError(ValueError):
    """Prints like those of libraries that check data."""

    def __str__(self) -> str:
        return "2 validation errors for Order\nname\n  Field required\nprice\n  Not a number"


def noted() -> None:
    error = ValueError("wrong total")
    error.add_note("order 17\nof ann")
    raise error


def several() -> None:
    raise ExceptionGroup("two tasks", [ValueError("first"), KeyError("second")])


def checked() -> None:
    raise ModelError


def quoted() -> None:
    output = subprocess.run([sys.executable, "-c", "1/0"], capture_output=True, check=False).stderr
    raise OSError(f"exit 1:\n{output.decode()}")


def caused() -> None:
    try:
        noted()
    except ValueError as error:
        raise RuntimeError("cannot bill\nask ann") from error


def while_handled() -> None:
    try:
        several()
    except ExceptionGroup:
        checked()


def in_a_group() -> None:
    try:
        caused()
    except RuntimeError as error:
        raise ExceptionGroup("after that", [error]) from None


def no_syntax() -> None:
    compile("a b", "file.py", "exec")


def silent() -> None:
    raise ValueError


@pytest.mark.parametrize(
    ("raises", "line"),
    [
        (noted, "ValueError: wrong total"),
        (several, "ExceptionGroup: two tasks (2 sub-exceptions)"),
        (checked, "tests.client.test_humanize.ModelError: 2 validation errors for Order"),
        (quoted, "OSError: exit 1:"),
        (caused, "RuntimeError: cannot bill"),
        (while_handled, "tests.client.test_humanize.ModelError: 2 validation errors for Order"),
        (in_a_group, "ExceptionGroup: after that (1 sub-exception)"),
        (no_syntax, "SyntaxError: invalid syntax"),
        (silent, "ValueError"),
    ],
)
def test_the_line_of_a_traceback_that_says_what_went_wrong(
    raises: Callable[[], None], line: str
) -> None:
    try:
        raises()
    except Exception as error:  # noqa: BLE001 - any of them
        text = "".join(traceback.format_exception(error))

    assert humanize.error_line(text) == line
    # The store keeps the end of a long message.
    if raises not in {quoted, several, in_a_group}:
        assert humanize.error_line(text[50:]) == line


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (None, ""),
        ("", ""),
        ("exit code 1\nsomething on\nstandard error", "exit code 1"),
        ("  indented\nmore", "indented"),
        ("Traceback (most recent call last):", "Traceback (most recent call last):"),
        (
            'Traceback (most recent call last):\n  File "x", line 1\n',
            "Traceback (most recent call last):",
        ),
    ],
)
def test_the_line_of_any_other_message(message: str | None, line: str) -> None:
    assert humanize.error_line(message) == line
