"""All code in README.md and docs/ runs and prints what it shows."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import blocks, runner

pytestmark = [pytest.mark.docs, pytest.mark.slow, pytest.mark.timeout(300)]

DOCUMENTS = [runner.ROOT / "README.md", *sorted((runner.ROOT / "docs").glob("*.md"))]


@pytest.fixture(scope="module")
def warm() -> Iterator[Path]:
    with runner.warm_program() as path:
        yield path


@pytest.mark.parametrize("document", DOCUMENTS, ids=[file.name for file in DOCUMENTS])
def test_the_code_of_a_document_does_what_it_shows(document: Path, warm: Path) -> None:
    with runner.running(document.name, warm) as running:
        for block in blocks.find(document):
            running.run(block)
