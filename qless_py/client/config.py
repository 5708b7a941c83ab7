"""The configuration that is kept in the namespace and holds for every client of it."""

import re
from collections.abc import Iterator, MutableMapping
from typing import Any, Final

from qless_py import protocol
from qless_py.client.session import Session
from qless_py.handlers.retry import RetryPolicy
from qless_py.protocol import Call
from qless_py.protocol import arguments as checks

_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")


class Config(MutableMapping[str, Any]):
    """`client.config`: options by name, defaults included; deleting goes back to the default."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def all(self) -> dict[str, Any]:
        """Every option and its value."""
        return self._session.run(all_call())

    def __getitem__(self, option: str) -> Any:
        return self.all[option]

    def __setitem__(self, option: str, value: Any) -> None:
        self._session.run(set_call(option, value))

    def __delitem__(self, option: str) -> None:
        self.unset(option)

    def __iter__(self) -> Iterator[str]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    def set(self, option: str, value: Any) -> None:
        """Override an option."""
        self[option] = value

    def unset(self, option: str) -> None:
        """Go back to the default, if it is not that already."""
        self._session.run(unset_call(option))

    def clear(self) -> None:
        """Go back to the default of every option."""
        self._session.run_many([unset_call(option) for option in self.all])


def all_call() -> Call[dict[str, Any]]:
    """Make the call that reads every option."""
    return protocol.config.read().map(
        lambda options: {name: _value(text) for name, text in options.items()}
    )


def set_call(option: str, value: Any) -> Call[None]:
    """Make the call that sets an option."""
    name = checks.name("option", option)
    if name.endswith("-retry-policy"):
        value = RetryPolicy.of(value).text()
    text = value if isinstance(value, str) else repr(checks.finite("value", value))
    return protocol.config.set_option(name, text)


def unset_call(option: str) -> Call[None]:
    """Make the call that unsets an option."""
    return protocol.config.unset_option(checks.name("option", option))


def _value(text: Any) -> Any:
    """Give numbers as numbers: the store keeps text only."""
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        return text
    return float(text) if "." in text else int(text)
