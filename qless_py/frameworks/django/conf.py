"""The settings of a backend: one entry of TASKS."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, Final

from qless_py.app import App
from qless_py.errors import QlessError
from qless_py.protocol import arguments
from qless_py.store.settings_file import unknown
from qless_py.tracing import Tracing

_KEYS: Final = ("BACKEND", "QUEUES", "OPTIONS", "ENQUEUE_ON_COMMIT")
# The options are the arguments of an App.
OPTIONS: Final = tuple(name for name in inspect.signature(App).parameters)


def problems(alias: str, params: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the settings of a backend, each by the name of the setting."""
    where = f"TASKS[{alias!r}]"
    for key in params:
        if key not in _KEYS:
            yield f"{where}: {unknown('setting', str(key), _KEYS)}"
    yield from _of_queues(f"{where}['QUEUES']", params.get("QUEUES", ()))
    on_commit = params.get("ENQUEUE_ON_COMMIT", False)
    if not isinstance(on_commit, bool | str):
        yield (
            f"{where}['ENQUEUE_ON_COMMIT'] must be True, False or the name of a database, "
            f"not {on_commit!r}"
        )
    yield from _of_options(f"{where}['OPTIONS']", params.get("OPTIONS", {}))


def _of_queues(where: str, queues: Any) -> Iterator[str]:
    if isinstance(queues, str) or not isinstance(queues, list | tuple | set | frozenset):
        yield f"{where} must be a list of names, not {queues!r}"
        return
    for one in queues:
        try:
            arguments.name("queue", one)
        except QlessError as error:
            yield f"{where}: {error}"


def _of_options(where: str, options: Any) -> Iterator[str]:
    if not isinstance(options, Mapping):
        yield f"{where} must be a map, not {options!r}"
        return
    wrong = [str(name) for name in options if name not in OPTIONS]
    for name in wrong:
        yield f"{where}: {unknown('option', name, OPTIONS)}"
    if wrong:
        return
    for name, value in options.items():
        try:
            if name == "tracing":
                Tracing.of(value)  # An App would turn it on.
            else:
                App(**{name: value})
        except QlessError as error:
            yield f"{where}[{name!r}]: {error}"
