"""The backend with the tasks that Django itself has since version 6, in an environment of its own.

The environment is made once for each version of Python and kept in the cache of the user.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.packaging,
    pytest.mark.slow,
    pytest.mark.fork,
    pytest.mark.any_server,
    pytest.mark.timeout(400),
]

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
TOOLS = ("hypothesis", "psutil", "pytest", "pytest-timeout")


def pythons() -> Iterator[str]:
    """Yield what may be a Python that Django 6 runs on."""
    versions = ("3.12", "3.13", "3.14")
    yield sys.executable
    for version in versions:
        yield from filter(None, [shutil.which(f"python{version}")])
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in versions:
        yield from (str(one) for one in sorted(pyenv.glob(f"{version}.*/bin/python")))


def can_run_django_6(python: str) -> bool:
    code = "import sys, venv; sys.exit(sys.version_info < (3, 12))"
    return subprocess.run([python, "-c", code], check=False, capture_output=True).returncode == 0


@functools.cache
def environment() -> Path:
    """Return the Python of an environment with Django 6 and what qless_py needs."""
    python = next(filter(can_run_django_6, pythons()), None)
    if python is None:
        pytest.skip("Django 6 needs Python 3.12 or newer, on the PATH or under pyenv")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["embedded"], *TOOLS, "Django>=6.0"]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    name = hashlib.sha256(python.encode()).hexdigest()[:12]
    folder = cache / "qless_py-tests" / f"django-6-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    made, inside = folder / "made-for", folder / "bin" / "python"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists() or made.read_text() != repr(wanted):
            run = functools.partial(subprocess.run, check=True, capture_output=True)
            if not made.exists():
                run([python, "-m", "venv", str(folder)])
            pip = [str(inside), "-m", "pip", "--disable-pip-version-check"]
            run([*pip, "install", "--quiet", *wanted])
            made.write_text(repr(wanted))
    return inside


def test_the_tests_of_the_backend_pass_with_django_6() -> None:
    python = environment()
    asked = "import django.tasks, importlib.util as u; assert not u.find_spec('django_tasks')"
    subprocess.run([python, "-c", asked], check=True)

    files = [str(HERE / f"test_django_{one}.py") for one in ("backend", "signals", "transactions")]
    example = f"{HERE / 'test_examples.py'}::test_a_django_site_runs_its_tasks"
    words = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *files, example]
    done = subprocess.run(
        [python, *words],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},  # For the programs of the example.
    )

    assert done.returncode == 0, done.stdout + done.stderr
