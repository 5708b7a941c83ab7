"""Attributes of a client whose modules are imported when they are first used."""

from __future__ import annotations

import importlib
from typing import Any, Final, Generic, Self, TypeVar, overload

T = TypeVar("T")


class Part(Generic[T]):
    """An attribute made by calling the class `module:name` with the client, when first used.

    A process imports only the parts that it uses: importing all of them takes longer than most
    commands of the command line.
    """

    def __init__(self, where: str) -> None:
        self._where: Final = where
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    def __get__(self, client: object, owner: type) -> T: ...

    def __get__(self, client: object | None, owner: type) -> Self | T:
        if client is None:
            return self
        module, _, name = self._where.partition(":")
        made: Any = getattr(importlib.import_module(module), name)(client)
        # Kept in the client, where later uses find it; all threads get the same object.
        part: T = vars(client).setdefault(self._name, made)
        return part
