"""The options that are stored in a namespace and apply to all its clients."""

from collections.abc import Awaitable
from typing import Any

from qless_py.client.config import set_call
from qless_py.client.session import AsyncSession
from qless_py.protocol import config


class AsyncConfig:
    """`client.config`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def all(self) -> Awaitable[dict[str, Any]]:
        """Return every option and its value."""
        return self._session.runner.run(config.read_values())

    async def get(self, option: str, default: Any = None) -> Any:
        """Return one option."""
        return (await self.all()).get(option, default)

    def set(self, option: str, value: Any) -> Awaitable[None]:
        """Override an option with a number or text."""
        return self._session.runner.run(set_call(option, value))

    def unset(self, option: str) -> Awaitable[None]:
        """Restore an option's default."""
        return self._session.runner.run(config.unset_option(option))
