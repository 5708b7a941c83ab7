"""What the tests of workflows share."""

import pytest


def pytest_itemcollected(item: pytest.Item) -> None:
    """Run these tests on one server only: workflows are made of scripts tested on both."""
    item.add_marker(pytest.mark.any_server)
