import io
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from rich.console import Console

import qless_py
from qless_py import Job, fsck
from qless_py.cli.demo import jobs, screen
from qless_py.cli.demo.indexing import Totals
from qless_py.cli.demo.run import Demo

ROOT = Path(qless_py.__file__).parents[1]
SOURCE = b"class One:\n    def two(self):\n        pass\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a tree with more files in a folder, and more folders, than one call can put."""
    root = tmp_path / "sources"
    (root / "wide").mkdir(parents=True)
    for number in range(250):
        (root / "wide" / f"module_{number}.py").write_bytes(SOURCE)
    for number in range(120):
        (root / f"package {number}").mkdir()
        (root / f"package {number}" / "größe.py").write_bytes(SOURCE)
    (root / "not_python.py").write_bytes(b"print 'old'\n")
    return root


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def console() -> Console:
    return Console(record=True, file=io.StringIO(), width=120)


@pytest.mark.slow
@pytest.mark.fork
def test_large_folders_and_odd_names_are_indexed_completely(tree: Path, store: Path) -> None:
    shown = console()

    came_out_well = Demo(tree, store, shown, crashes=False).run()

    assert came_out_well
    text = shown.export_text(clear=False)
    assert "The totals are equal." in text
    assert "Failed: 3 in qless_py.cli.demo.jobs.File:BrokenFileError" in text
    with qless_py.Client(f"embedded://{store}", namespace="demo-1") as client:
        report = client.jobs[jobs.REPORT_JID]
        assert isinstance(report, Job)
        assert report.result["totals"]["files"] == 371
        assert report.result["totals"]["unparsed"] == 1
        status = client.batches[jobs.BATCH].status
        assert status is not None
        assert status["total"] == 122 + 371 + 3 + 1
        assert fsck.check(client.redis, client.namespace) == []


def test_a_path_is_shown_as_it_is_whatever_it_looks_like() -> None:
    shown = console()

    screen.show_largest(shown, {"largest": [[1, "x[/b]:smile:.py", 0, 0]]})

    assert "x[/b]:smile:.py" in shown.export_text()


@pytest.mark.slow
@pytest.mark.fork
def test_a_second_demo_in_the_same_store_starts_afresh(tmp_path: Path, store: Path) -> None:
    folder = tmp_path / "few"
    folder.mkdir()
    (folder / "one.py").write_bytes(SOURCE)
    shown = console()

    outcomes = [Demo(folder, store, shown, crashes=False).run() for _ in range(2)]

    assert outcomes == [True, True]
    assert "namespace demo-2" in shown.export_text(clear=False)


@pytest.mark.slow
@pytest.mark.fork
@pytest.mark.timeout(300)
def test_the_demo_indexes_a_library_and_recovers_what_it_kills(store: Path) -> None:
    # The run of README.md indexes the standard library.
    library = str(Path(redis.__file__).parent)
    command = [sys.executable, "-m", "qless_py", "demo", library, "--store", str(store)]

    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "sent SIGKILL to child" in ended.stdout
    assert "sent SIGKILL to supervisor" in ended.stdout
    assert "The totals are equal." in ended.stdout
    assert ended.stdout.count("; recovered ") == 2
    assert ended.stderr == ""


def test_totals_that_differ_are_reported() -> None:
    assert screen.show_totals(console(), Totals(files=1), Totals(files=1))
    assert not screen.show_totals(console(), Totals(files=1), Totals(files=2))


def test_the_jid_of_a_path_is_readable_where_a_name_allows_it() -> None:
    root = {"name": "library", "path": "/", "strict": False}

    assert jobs.jid_of("file", root, "json/decoder.py") == "file:library:json:decoder.py"
    odd = jobs.jid_of("file", root, "größe.py")
    assert odd == jobs.jid_of("file", root, "größe.py")
    assert odd != jobs.jid_of("file", root, "grösse.py")
    assert len(jobs.jid_of("file", root, "x" * 500)) < 100
