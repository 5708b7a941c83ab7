"""CONTRIBUTING.md names files and commands that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PATHS = sorted(set(re.findall(r"`((?:bin|lua|qless_py|tests|web|docs)/[\w./-]*\w/?)", TEXT)))


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_it_names_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_map_names_every_package() -> None:
    packages = {folder.parent.name for folder in (ROOT / "qless_py").glob("*/__init__.py")}

    assert packages <= set(re.findall(r"\w+", TEXT[TEXT.index("qless_py/") :]))


def test_the_map_names_every_folder_of_the_lua_library() -> None:
    (line,) = [line for line in TEXT.splitlines() if line.startswith("lua/lib/")]
    folders = {folder.name for folder in (ROOT / "lua" / "lib").iterdir() if folder.is_dir()}

    assert folders == set(re.findall(r"\w+", line.partition(":")[2]))
