"""Slow tests begin in every process, and what they share is not made in several."""

from __future__ import annotations

import pytest

from tests.execution_order import spread

pytest_plugins = ["pytester"]

SLOW = """
import pytest

pytestmark = pytest.mark.slow

@pytest.mark.parametrize("case", "abc")
def test_cases(case):
    pass

@pytest.mark.timeout(100)
def test_slowest():
    pass

def test_shares_with_the_slowest():
    pass
"""
QUICK = """
import pytest

@pytest.mark.parametrize("case", range(8))
def test_quick(case):
    pass
"""


def names(items: list[pytest.Item]) -> list[str]:
    return [item.name for item in items]


@pytest.fixture
def items(pytester: pytest.Pytester) -> list[pytest.Item]:
    pytester.makeini("[pytest]\nmarkers = slow")
    path = pytester.makepyfile(test_one=QUICK, test_two=SLOW).parent
    found, _ = pytester.inline_genitems(path, "-p", "no:randomly")
    return found


def test_slow_tests_are_dealt_out_to_the_processes(items: list[pytest.Item]) -> None:
    ordered = names(spread(items, 2))

    first, second = ordered[:6], ordered[6:]
    assert first[:3] == ["test_slowest", "test_shares_with_the_slowest", "test_cases[b]"]
    assert second[:2] == ["test_cases[a]", "test_cases[c]"]
    assert [*first[3:], *second[2:]] == [f"test_quick[{case}]" for case in range(8)]


def test_a_single_process_begins_with_all_of_them(items: list[pytest.Item]) -> None:
    ordered = names(spread(items, 1))

    assert ordered[5:] == [f"test_quick[{case}]" for case in range(8)]
    assert sorted(ordered) == sorted(names(items))


def test_no_test_is_lost_where_slow_ones_are_many(items: list[pytest.Item]) -> None:
    assert sorted(names(spread(items, 9))) == sorted(names(items))
