"""Cron expressions in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qless_py import ScheduleError
from qless_py.cron import describe
from qless_py.cron.expression import NICKNAMES, parse

WORDS = {
    "* * * * *": "every minute",
    "*/5 * * * *": "every 5 minutes",
    "*/7 * * * *": "every 7th minute of the hour",
    "0 * * * *": "every hour",
    "30 * * * *": "every hour at minute 30",
    "5,35 * * * *": "every hour at minutes 5 and 35",
    "5/20 * * * *": "every hour at minutes 5, 25 and 45",
    "0 9 * * mon-fri": "every weekday at 09:00",
    "0 9 * * 1,2,3,4,5": "every weekday at 09:00",
    "0 9,17 * * *": "every day at 09:00 and 17:00",
    "0 8-18/2 * * *": "every day at 08:00, 10:00, 12:00, 14:00, 16:00 and 18:00",
    "0,30 9-17 * * 1-5": "every hour at minutes 0 and 30 from 09:00 to 17:30, every weekday",
    "*/10 9-17 * * *": "every 10 minutes from 09:00 to 17:59",
    "15 */2 * * *": "every 2 hours at minute 15",
    "* 3 * * *": "every minute, in hour 3",
    "@daily": "every day at 00:00",
    "@weekly": "on Sunday at 00:00",
    "@yearly": "on day 1 of the month at 00:00, in January",
    "0 0 L * *": "on the last day of the month at 00:00",
    "0 0 LW * *": "on the last weekday of the month at 00:00",
    "0 8 * * 5L": "on the last Friday of the month at 08:00",
    "0 8 * * mon#2": "on the second Monday of the month at 08:00",
    "0 0 13 * fri": "on day 13 of the month and on Friday at 00:00",
    "0 0 */2 * mon": "on every 2nd day of the month if it is Monday at 00:00",
    "0 0 1-7 * *": "on days 1 to 7 of the month at 00:00",
    "0 12 * jan,jul 7": "on Sunday at 12:00, in January and July",
    "0 12 * */3 *": "every day at 12:00, in January, April, July and October",
    "*/10 * * * * *": "every 10 seconds",
    "5 * * * * *": "every minute at second 5",
    "30 0 12 * * *": "every day at 12:00:30",
}


@pytest.mark.parametrize("expression", WORDS)
def test_an_expression_is_said_in_words(expression: str) -> None:
    assert describe(expression) == WORDS[expression]


FIELDS = (
    ("0", "*", "*/10", "5,35", "10-50/20"),
    ("0", "*", "*/7", "15", "5,35", "3-9"),
    ("0", "*", "*/5", "9-17", "8-18/2", "1,2,3,4,5,6,7,8,9"),
    ("*", "13", "1-7", "L", "LW", "*/2"),
    ("*", "jan", "3-5", "*/3"),
    ("*", "mon-fri", "7", "5L", "tue#3", "sat,sun", "1-5/2"),
)


@given(st.tuples(*map(st.sampled_from, FIELDS)))
def test_every_expression_has_words_without_its_signs(fields: tuple[str, ...]) -> None:
    words = describe(" ".join(fields))

    assert not set(words) & set("*/#")
    assert words == " ".join(words.split())


def test_all_nicknames_have_words_and_a_wrong_expression_is_refused() -> None:
    for nickname in NICKNAMES:
        assert describe(nickname) == describe(parse(nickname).six_fields)
    with pytest.raises(ScheduleError, match=r"field 2 \(hour\)"):
        describe("0 25 * * *")
