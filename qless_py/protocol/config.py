"""The configuration kept in the namespace."""

from typing import Any

from qless_py.protocol.call import Call, done, mapping


def set_option(option: str, value: str) -> Call[None]:
    """Override an option."""
    return Call("config_set", (option, value), done)


def unset_option(option: str) -> Call[None]:
    """Go back to the default."""
    return Call("config_unset", (option,), done)


def read() -> Call[dict[str, Any]]:
    """Read every option, defaults included."""
    return Call("read/config", (), mapping)
