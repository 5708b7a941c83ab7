"""Transitions of the configuration kept in the namespace."""

from qless_py.protocol.call import Call, done


def set_option(option: str, value: str) -> Call[None]:
    """Override an option."""
    return Call("config_set", (option, value), done)


def unset_option(option: str) -> Call[None]:
    """Go back to the default."""
    return Call("config_unset", (option,), done)
