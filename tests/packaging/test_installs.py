"""Three ways to install, each in a clean environment and used from another folder."""

import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

import qless_py

ROOT = Path(__file__).parents[2]
WAYS = ("wheel", "folder", "editable")

pytestmark = [pytest.mark.packaging, pytest.mark.slow, pytest.mark.timeout(300)]

PROBE = """
import importlib.metadata
from qless_py import package
from qless_py.scripts import assemble

names = assemble.names()
assert list(assemble.library().functions) == names
assert "put" in names
print(importlib.metadata.version("qless_py"))
print(package.path("lua"))
"""


def run(command: Sequence[str | Path], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def built_wheel(folder: Path) -> Path:
    """Build the sdist, and the wheel from that, as a release is built."""
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT], folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


def environment(folder: Path, *what: str | Path) -> Path:
    """Make an environment in the folder, with that installed; give where its programs are."""
    run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], folder)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    python = str(folder / "venv" / "bin" / "python")
    # Compiling all that it depends on takes half of the time.
    run([*pip, "--python", python, "install", "--no-compile", *what], folder)
    return folder / "venv" / "bin"


def what_to_install(way: str, folder: Path) -> list[str | Path]:
    match way:
        case "wheel":
            return [built_wheel(folder)]
        case "folder":
            return [ROOT]
        case _:
            return ["-e", ROOT]


@pytest.mark.parametrize("way", WAYS)
def test_an_installation_works_from_any_folder(way: str, tmp_path: Path) -> None:
    programs = environment(tmp_path, *what_to_install(way, tmp_path))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    version, lua = run([programs / "python", "-I", "-c", PROBE], elsewhere).split()
    output = run([programs / "qless-py", "--version"], elsewhere)

    assert version == qless_py.__version__
    assert qless_py.__version__ in output
    inside = Path(sysconfig.get_path("purelib", vars={"base": str(tmp_path / "venv")}))
    expected = ROOT / "lua" if way == "editable" else inside / "qless_py" / "lua"
    assert Path(lua) == expected


def test_the_wheel_holds_the_package_and_its_data_and_nothing_else(tmp_path: Path) -> None:
    wheel = built_wheel(tmp_path)

    held = set(zipfile.ZipFile(wheel).namelist())

    assert {name.split("/")[0] for name in held} == {
        "qless_py",
        f"qless_py-{qless_py.__version__}.dist-info",
    }
    assert "qless_py/py.typed" in held
    for folder in ("lua", "web"):
        for file in (ROOT / folder).rglob("*.*"):
            assert f"qless_py/{file.relative_to(ROOT)}" in held
    assert [name for name in held if "__pycache__" in name] == []
