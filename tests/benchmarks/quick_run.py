"""Run a benchmark in its quick form."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def quick_run(name: str, folder: Path, *options: str) -> dict[str, Any]:
    """Return the JSON of a run on Valkey, with its printed `text` and its `page`."""
    command = [sys.executable, "-m", f"benchmarks.{name}", "--quick", "--server", "valkey"]
    command += [*options, "--json", str(folder / "json"), "--page", str(folder / "page")]

    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )

    assert done.returncode == 0, done.stderr
    (result,) = json.loads((folder / "json").read_text())
    return {**result, "text": done.stdout, "page": (folder / "page").read_text()}
