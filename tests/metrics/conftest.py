"""Reading an exposition back with the parser of the official client."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client.openmetrics import parser as open_metrics
from prometheus_client.parser import text_string_to_metric_families

from qless_py import Client
from qless_py.metrics import Limits, snapshot
from qless_py.metrics.collector import StoreCollector
from qless_py.metrics.exposition import render
from tests.store.ports import free_port

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


def pytest_itemcollected(item: pytest.Item) -> None:
    """Run these tests on one server only: the client hides which one it is."""
    item.add_marker(pytest.mark.any_server)


class Samples:
    """The samples of an exposition, by name and labels."""

    def __init__(self, body: bytes, content_type: str) -> None:
        parse: Any = text_string_to_metric_families
        if content_type.startswith("application/openmetrics-text"):
            parse = open_metrics.text_string_to_metric_families
        self.families = {one.name: one for one in parse(body.decode())}
        self.values: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for family in self.families.values():
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in self.values, f"twice: {key}"
                self.values[key] = sample.value

    def __call__(self, name: str, **labels: str) -> float | None:
        return self.values.get((name, frozenset(labels.items())))

    def labels(self, name: str, label: str) -> set[str]:
        """Return the values of one label of a metric."""
        return {
            value
            for found, pairs in self.values
            for key, value in pairs
            if found == name and key == label
        }


Scrape = Callable[..., Samples]


@pytest.fixture
def scrape(client: Client) -> Scrape:
    """Return a function that reads the store now, without a cache, and parses what is exposed."""

    def read(accept: str = "", **limits: int) -> Samples:
        return Samples(*render(StoreCollector(snapshot.read(client), Limits(**limits)), accept))

    return read


@pytest.fixture
def dead_client() -> Iterator[Client]:
    """Return a client of a store that does not exist."""
    with contextlib.closing(Client(f"redis://127.0.0.1:{free_port()}/0")) as made:
        yield made
