"""Keys that sign requests by Standard Webhooks 1.0.0, in the form `whsec_<base64>`."""

import base64
import binascii
import secrets
from typing import Any, Final

PREFIX: Final = "whsec_"
LEAST: Final = 24  # bytes of a key
MOST: Final = 64
_NEW: Final = 32


def new_key() -> str:
    """Return a new random key."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_NEW)).decode()


def decoded(key: Any) -> bytes | None:
    """Return the bytes of a key with or without its prefix; `None` if it is not base64."""
    text = key.removeprefix(PREFIX) if isinstance(key, str) else ""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
