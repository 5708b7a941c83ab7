"""Who uses the command line: stored with what they create, and in the audit log."""

from __future__ import annotations

import getpass
import os
import socket
from typing import Final

ACTOR: Final = "QLESS_PY_ACTOR"


def actor() -> str:
    """Return the name in QLESS_PY_ACTOR, else the user and the host as user@host."""
    given = os.environ.get(ACTOR, "").strip()
    if given:
        return given[:100]
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # A user id without a name.
        user = f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"
    return f"{user}@{socket.gethostname()}"[:100]
