"""What the README shows passes the strictest type checks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs import blocks, runner

pytestmark = [pytest.mark.docs, pytest.mark.any_server, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the Python of the README to files: those it names, and one with all the rest."""
    folder = tmp_path_factory.mktemp("readme")
    rest: list[str] = []
    for block in blocks.find(runner.ROOT / "README.md"):
        if block.language != "python":
            continue
        if block.file:
            target = folder / block.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.code)
        else:
            rest.append(block.code)
    (folder / "session.py").write_text("\n".join(rest))
    return folder


def test_mypy_finds_nothing(project: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-incremental",
        "--explicit-package-bases",
        ".",
    ]

    done = subprocess.run(command, cwd=project, check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


def test_pyright_finds_nothing(project: Path) -> None:
    settings = {"typeCheckingMode": "strict", "pythonVersion": "3.11", "include": ["."]}
    (project / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable]

    done = subprocess.run(command, cwd=project, check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout
