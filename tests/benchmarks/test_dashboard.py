"""The dashboard benchmark visits every page, and no page needs many round trips."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_every_page_takes_few_round_trips(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.dashboard", "--quick", "--server", "valkey"]
    command += ["--json", str(tmp_path / "json"), "--page", str(tmp_path / "page")]

    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )

    assert done.returncode == 0, done.stderr
    (result,) = json.loads((tmp_path / "json").read_text())
    assert len(result["visits"]) > 30
    for one in result["visits"]:
        assert 0 < one["trips"] <= 12, one
        assert f"{one['path']}  " in done.stdout
    assert (tmp_path / "page").read_text().startswith("# Benchmarks of the dashboard\n")
