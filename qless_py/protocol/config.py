"""The options that are stored in a namespace and apply to all its clients."""

import re
from typing import Any, Final

from qless_py.protocol import arguments
from qless_py.protocol.call import Call, done, mapping

_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")


def set_option(option: str, value: Any) -> Call[None]:
    """Override an option with a number or text."""
    name = arguments.name("option", option)
    text = value if isinstance(value, str) else repr(arguments.finite("value", value))
    return Call("config_set", (name, text), done)


def unset_option(option: str) -> Call[None]:
    """Reset an option to its default."""
    return Call("config_unset", (arguments.name("option", option),), done)


def read() -> Call[dict[str, Any]]:
    """Read every option as text, defaults included."""
    return Call("read/config", (), mapping)


def read_values() -> Call[dict[str, Any]]:
    """Read every option, defaults included, with numbers as numbers."""
    return read().map(lambda options: {name: _value(text) for name, text in options.items()})


def _value(text: Any) -> Any:
    """Return numbers as numbers: the store keeps text only."""
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        return text
    return float(text) if "." in text else int(text)
