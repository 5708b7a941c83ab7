"""Installing qless_py into an environment that has another queue."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PEERS = ("celery[redis]", "rq", "django-redis", "arq>=0.26", "saq[redis]")

pytestmark = [pytest.mark.packaging, pytest.mark.slow, pytest.mark.timeout(300)]


def resolved(peer: str) -> dict[str, str]:
    """Return the versions that pip chooses for the peer and everything qless_py needs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    command = [*pip, "--report", "-", peer, *project["dependencies"]]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    installed = [one["metadata"] for one in json.loads(done.stdout)["install"]]
    return {one["name"].lower(): one["version"] for one in installed}


def test_the_dependencies_fit_beside_those_of_other_queues() -> None:
    with ThreadPoolExecutor(len(PEERS)) as pool:
        found = dict(zip(PEERS, pool.map(resolved, PEERS), strict=True))

    for peer, versions in found.items():
        name = peer.partition("[")[0].partition(">")[0]
        assert {name, "redis", "pydantic", "flask"} <= versions.keys()
