"""The options that are stored in a namespace and apply to all its clients."""

from collections.abc import Iterator, MutableMapping
from typing import Any

from qless_py.client.session import Session
from qless_py.handlers.retry import RetryPolicy
from qless_py.protocol import Call, arguments, config


class Config(MutableMapping[str, Any]):
    """`client.config`: options by name, defaults included; deleting one restores its default."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def all(self) -> dict[str, Any]:
        """Every option and its value."""
        return self._session.runner.run(config.read_values())

    def __getitem__(self, option: str) -> Any:
        return self.all[option]

    def __setitem__(self, option: str, value: Any) -> None:
        self._session.runner.run(set_call(option, value))

    def __delitem__(self, option: str) -> None:
        self.unset(option)

    def __iter__(self) -> Iterator[str]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    def set(self, option: str, value: Any) -> None:
        """Override an option with a number or text."""
        self[option] = value

    def unset(self, option: str) -> None:
        """Restore an option's default."""
        self._session.runner.run(config.unset_option(option))

    def clear(self) -> None:
        """Restore the default of every option."""
        self._session.runner.run_many([config.unset_option(option) for option in self.all])


def set_call(option: str, value: Any) -> Call[None]:
    """Return the call that sets an option; `<queue>-retry-policy` takes any form of a policy."""
    if arguments.name("option", option).endswith("-retry-policy"):
        value = RetryPolicy.of(value).text()
    return config.set_option(option, value)
