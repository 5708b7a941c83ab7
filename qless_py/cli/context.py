"""The context of one run of the program: the store, the settings file, the output."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.core import ParameterSource

from qless_py.cli.audit_entry import watch
from qless_py.cli.errors import ImportFailedError
from qless_py.cli.output import Output
from qless_py.errors import ConfigError
from qless_py.store import parse, settings_file
from qless_py.store.settings_file import DEFAULT_NAMESPACE, FileSettings

if TYPE_CHECKING:
    from qless_py.app import App
    from qless_py.client.client import Client

R = TypeVar("R")

# The command line overrides the environment, which overrides the file, wherever the option stands.
_RANKS: Final = (
    ParameterSource.DEFAULT,
    ParameterSource.DEFAULT_MAP,
    ParameterSource.ENVIRONMENT,
    ParameterSource.COMMANDLINE,
)


def reported(load: Callable[[str], R], name: str) -> R:
    """Import something; what goes wrong is a usage error, one in its code with a traceback."""
    try:
        return load(name)
    except ConfigError as error:
        raise ImportFailedError(str(error), error.__cause__) from error


class CliContext:
    """The values of the common options, and what is made from them."""

    def __init__(self, app: App | None = None) -> None:
        self._given_app = app
        self._choices: dict[str, tuple[int, Any]] = {}
        self.config: Path | None = None
        self.environment: str | None = None

    def take(self, context: click.Context, parameter: click.Parameter, value: Any) -> Any:
        """Record the value of a common option, unless a stronger source has set it before."""
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        rank = _RANKS.index(source) if source in _RANKS else 0
        if rank >= self._choices.get(name, (0, None))[0]:
            self._choices[name] = (rank, value)
        return value

    def chosen(self, name: str) -> Any:
        """Return the value of a common option."""
        return self._choices.get(name, (0, None))[1]

    def is_on_command_line(self, name: str) -> bool:
        """Return whether a common option stands on the command line."""
        return self._choices.get(name, (0, None))[0] == _RANKS.index(ParameterSource.COMMANDLINE)

    @property
    def url(self) -> str | None:
        """The URL of the store, if one is given; that of the App overrides all but --url."""
        url: str | None = self.chosen("url") or None
        app = self._loaded_app
        if app is None or app.url is None or self.is_on_command_line("url"):
            return url
        return app.url

    @property
    def namespace(self) -> str:
        """The namespace of all keys; that of the App overrides all but --namespace."""
        namespace: str | None = self.chosen("namespace")
        app = self._loaded_app
        if app is not None and not self.is_on_command_line("namespace"):
            namespace = app.given_namespace or namespace
        return namespace or DEFAULT_NAMESPACE

    @cached_property
    def app(self) -> App | None:
        """The App that --app names, or else the given one, with the store of this command."""
        app = self._loaded_app
        if app is not None:
            app.use_store(self.url, self.namespace)
        return app

    @cached_property
    def _loaded_app(self) -> App | None:
        name: str | None = self.chosen("app") or None
        if self._given_app is not None and not self.is_on_command_line("app"):
            return self._given_app
        if name is None:
            return None
        from qless_py.app import load_app  # noqa: PLC0415 - help needs none

        file = self.configuration
        # The module is found as `python -m` would find it, and beside the file that names it.
        folders = [str(file.path.resolve().parent)] if file.path and file.app == name else []
        sys.path[:0] = [one for one in (os.getcwd(), *folders) if one not in sys.path]  # noqa: PTH109
        return reported(load_app, name)

    @property
    def is_json(self) -> bool:
        """Whether to print JSON."""
        return bool(self.chosen("as_json"))

    @cached_property
    def out(self) -> Output:
        """Where the answer is printed."""
        return Output(is_json=self.is_json)

    @cached_property
    def configuration(self) -> FileSettings:
        """The settings file; a mistake in it is a usage error."""
        try:
            return settings_file.load(self.config, self.environment, environ=os.environ)
        except ConfigError as error:
            raise click.UsageError(str(error)) from error

    def choose_file(self, config: Any, environment: Any) -> None:
        """Set which file to read and which of its environments to use."""
        self.config = Path(config) if config else self.config
        self.environment = environment or self.environment
        self.__dict__.pop("configuration", None)

    @cached_property
    def client(self) -> Client:
        """A client of the store, closed when the command ends."""
        made = self.connect()
        watch(made)
        click.get_current_context().find_root().call_on_close(made.close)
        return made

    def open(self) -> Client:
        """Return a client that has not tried to reach the store, closed when the command ends."""
        made = self._new_client()
        click.get_current_context().find_root().call_on_close(made.close)
        return made

    def store_options(self) -> list[str]:
        """Return the options of the command line that chose the store, without a password."""
        words = []
        for name, value in (("config", self.config), ("environment", self.environment)):
            words += [f"--{name}", str(value)] if value is not None else []
        for name in ("app", "url", "namespace"):
            if self.is_on_command_line(name):
                value = self.chosen(name)
                words += [f"--{name}", parse(value).shown if name == "url" else value]
        return words

    def connect(self) -> Client:
        """Connect to the store; the caller closes the client."""
        made = self._new_client()
        try:
            _try(made)
        except BaseException:
            made.close()
            raise
        return made

    def _new_client(self) -> Client:
        if self.app is not None:
            return self.app.new_client()
        from qless_py.client.client import Client  # noqa: PLC0415 - help needs none

        return Client(self.url, namespace=self.namespace)


def _try(client: Client) -> None:
    """Raise the error of a store that cannot be read, such as one that is loading its file.

    Calls wait for an unavailable store; somebody at a terminal wants the error at once. A PING is
    refused by servers that refuse writes, though commands that only read work there.
    """
    from redis.exceptions import NoPermissionError  # noqa: PLC0415 - help needs none

    with contextlib.suppress(NoPermissionError):
        client.redis.exists(f"{{{client.namespace}}}:meta")
