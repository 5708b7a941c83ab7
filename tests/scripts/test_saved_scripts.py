import sys
from pathlib import Path

import pytest

from qless_py.scripts import assemble, saved_scripts

TEXT = "#!lua\nreturn 'ä'\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that scripts are saved in, which does not exist yet."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(saved_scripts, "_FOLDER", tmp_path / "saved")
    return tmp_path / "saved"


@pytest.mark.parametrize("name", ["put", "read/job"])
def test_a_saved_script_is_loaded_as_it_was(folder: Path, name: str) -> None:
    saved_scripts.save(name, TEXT, "digest")

    assert saved_scripts.load(name, "digest") == TEXT
    assert len(list(folder.iterdir())) == 1


def test_a_script_of_other_files_is_not_loaded(folder: Path) -> None:
    saved_scripts.save("put", TEXT, "digest")

    assert saved_scripts.load("put", "another") is None
    assert saved_scripts.load("pop", "digest") is None
    assert folder.is_dir()


@pytest.mark.parametrize("damaged", [b"", b"\xff", b"digest"])
def test_a_damaged_script_is_not_loaded(folder: Path, damaged: bytes) -> None:
    saved_scripts.save("put", TEXT, "digest")
    (file,) = folder.iterdir()
    whole = file.read_bytes()

    for content in (damaged, whole[:-1], whole + b"\n", whole.replace(b"return", b"error ")):
        file.write_bytes(content)
        assert saved_scripts.load("put", "digest") is None


def test_nothing_is_saved_where_python_writes_no_compiled_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    saved_scripts.save("put", TEXT, "digest")

    assert not folder.exists()


def test_a_folder_that_cannot_be_written_is_no_error(folder: Path) -> None:
    folder.write_text("a file")

    saved_scripts.save("put", TEXT, "digest")

    assert saved_scripts.load("put", "digest") is None


def test_a_changed_file_changes_the_digest() -> None:
    known = dict(assemble.sources())
    before = saved_scripts.digest(known)
    file = next(iter(known))

    assert saved_scripts.digest({**known, file: known[file] + " "}) != before
    assert saved_scripts.digest({**known, Path("lua/new.lua"): ""}) != before
    assert saved_scripts.digest(known) == before


def test_a_script_is_assembled_once_for_all_processes(folder: Path) -> None:
    assemble.script.cache_clear()
    made = assemble.script("put")
    (file,) = folder.iterdir()
    stamp = file.stat().st_mtime_ns
    assemble.script.cache_clear()

    assert assemble.script("put") == made
    assert file.stat().st_mtime_ns == stamp
