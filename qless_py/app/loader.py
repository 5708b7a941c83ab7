"""Find the App that `--app`, QLESS_PY_APP or the settings file names."""

from __future__ import annotations

import importlib
from types import ModuleType

from qless_py.app.app import App
from qless_py.errors import ConfigError
from qless_py.store.settings_file import unknown


def load_app(name: str) -> App:
    """Import the App named `MODULE:NAME`, or by the module alone if it holds exactly one.

    Raises `ConfigError`; its cause is what the module raised.
    """
    module_name, colon, attribute = name.partition(":")
    if not all(part.isidentifier() for part in module_name.split(".")) or (colon and not attribute):
        raise ConfigError(f"app {name!r} is not of the form MODULE:NAME, such as shop.worker:app")
    module = import_module(module_name, f"app {name!r}")
    if not attribute:
        return _only_app(module)
    found = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            near = unknown("name", part, vars(found)) if hasattr(found, "__dict__") else part
            raise ConfigError(f"app {name!r}: {near} in module {module_name!r}")
        found = getattr(found, part)
    if not isinstance(found, App):
        raise ConfigError(f"app {name!r} is a {type(found).__name__}, not a qless_py.App")
    return found


def import_module(name: str, what: str = "") -> ModuleType:
    """Import a module. Raises `ConfigError`, whose cause is what the module raised."""
    where = what or f"module {name!r}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise ConfigError(f"{where}: there is no module {error.name!r}") from None
        raise ConfigError(f"{where}: cannot import {name}: {_what(error)}") from error
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{where}: cannot import {name}: {_what(error)}") from error


def _only_app(module: ModuleType) -> App:
    found = {name: one for name, one in vars(module).items() if isinstance(one, App)}
    if len({id(one) for one in found.values()}) == 1:
        return next(iter(found.values()))
    if not found:
        raise ConfigError(f"app {module.__name__!r}: the module has no qless_py.App")
    names = ", ".join(f"{module.__name__}:{name}" for name in sorted(found))
    raise ConfigError(f"app {module.__name__!r}: the module has several Apps: use one of {names}")


def _what(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
