from pathlib import Path

import pytest

from qless_py.cli.demo import indexing, run
from qless_py.cli.demo.indexing import BrokenFileError, FolderList

SOURCE = b'''"""A module."""
import os

class Shape:
    def area(self):
        def inner():
            pass
        return 0

async def draw():
    pass
'''


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for folder in ("", "inner", "inner/deep", "site-packages", "__pycache__", ".hidden"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "serialize.py").write_bytes(SOURCE)
    (tmp_path / "notes.txt").write_text("not a source file")
    return tmp_path


def test_a_folder_lists_sources_and_folders_but_not_installed_packages(tree: Path) -> None:
    assert indexing.list_folder(tree) == FolderList(("inner",), ("serialize.py",))


def test_a_walk_finds_what_listing_folder_by_folder_finds(tree: Path) -> None:
    found = [str(path.relative_to(tree)) for path in indexing.walk(tree)]

    assert found == ["serialize.py", "inner/serialize.py", "inner/deep/serialize.py"]


def test_a_link_to_a_folder_is_not_followed(tree: Path) -> None:
    (tree / "loop").symlink_to(tree)

    assert indexing.list_folder(tree).folders == ("inner",)


def test_lines_functions_and_classes_are_counted_also_inside_each_other(tree: Path) -> None:
    count = indexing.count_file(tree / "serialize.py")

    assert (count.lines, count.functions, count.classes) == (11, 3, 1)
    assert count.size == len(SOURCE)
    assert count.parsed


@pytest.mark.parametrize(
    ("content", "lines"), [(b"", 0), (b"a = 1", 1), (b"a = 1\n", 1), (b"a = 1\nb = 2", 2)]
)
def test_a_last_line_without_an_end_counts(tmp_path: Path, content: bytes, lines: int) -> None:
    (tmp_path / "few.py").write_bytes(content)

    assert indexing.count_file(tmp_path / "few.py").lines == lines


@pytest.mark.parametrize("name", sorted(run.BROKEN_FILES))
def test_a_file_that_is_not_python_counts_by_its_lines_alone(tmp_path: Path, name: str) -> None:
    run.write_broken_files(tmp_path)

    count = indexing.count_file(tmp_path / name)

    assert not count.parsed
    assert (count.functions, count.classes) == (0, 0)
    assert count.lines > 0


@pytest.mark.parametrize("name", sorted(run.BROKEN_FILES))
def test_a_file_that_had_to_be_python_raises_one_error(tmp_path: Path, name: str) -> None:
    run.write_broken_files(tmp_path)

    with pytest.raises(BrokenFileError, match=name):
        indexing.count_file(tmp_path / name, strict=True)


def test_totals_do_not_depend_on_the_order_but_on_every_byte(tree: Path) -> None:
    (tree / "other.py").write_bytes(b"a = 1\n")
    before, _ = indexing.count_tree(tree)
    (tree / "other.py").write_bytes(b"a = 2\n")
    after, _ = indexing.count_tree(tree)

    assert (before.files, before.lines) == (after.files, after.lines) == (4, 34)
    assert before.checksum != after.checksum
