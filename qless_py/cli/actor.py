"""Who runs a command, as it is stored with what the command makes."""

from __future__ import annotations

import getpass
import socket


def actor() -> str | None:
    """Return the user and the host as user@host; None for a user id without a name."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"[:100]
    except (KeyError, OSError, ImportError):
        return None
