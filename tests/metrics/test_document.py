"""The tables of metrics in the document are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from qless_py.metrics.families import OF_BUILD, OF_PROCESS, OF_STORE, Family, table

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"


@pytest.mark.parametrize(
    ("name", "families"),
    [("the store", (OF_BUILD, *OF_STORE)), ("a worker", (OF_BUILD, *OF_PROCESS))],
)
def test_a_table_of_the_document_is_that_of_the_code(
    name: str, families: tuple[Family, ...]
) -> None:
    pattern = rf"<!-- table of {name} -->\n(.*?)\n<!-- end of table -->"
    found = re.search(pattern, DOCUMENT.read_text(), re.DOTALL)

    assert found is not None
    assert found[1].strip() == table(families)


def test_names_are_unique_and_say_their_unit() -> None:
    for families in (OF_STORE, OF_PROCESS):
        names = [one.name for one in families]
        assert len(set(names)) == len(names)
        for one in families:
            assert one.meaning.endswith(".")
            assert not one.name.endswith("_total")
            if one.kind == "histogram":
                assert one.name.endswith("_seconds")
