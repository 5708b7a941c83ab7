"""Which App a client was made by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from qless_py.client.client import Client

if TYPE_CHECKING:
    from qless_py.app.app import App

_apps: Final[WeakKeyDictionary[Client, App]] = WeakKeyDictionary()


def register(client: Client, app: App) -> None:
    """Remember the App of a client."""
    _apps[client] = app


def app_of(client: object) -> App | None:
    """Return the App that made this client, None for any other client."""
    return _apps.get(client) if isinstance(client, Client) else None
