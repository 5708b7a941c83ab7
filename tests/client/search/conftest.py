"""What the tests of searches share."""

import pytest


def pytest_itemcollected(item: pytest.Item) -> None:
    """Run these tests on one server only: the client hides which one it is."""
    item.add_marker(pytest.mark.any_server)
