"""A management command that hands its words to the command line of qless_py."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from qless_py import cli
from qless_py.errors import ConfigError
from qless_py.frameworks.django.application import app_of_backend, default_app

_SEPARATOR: Final = "--"


class _Words(CommandParser):  # type: ignore[misc] # Django has no types
    """Parses Django's options, and keeps all other words for the command line of qless_py."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> argparse.Namespace:
        """Return the options of Django, and the other words as `words`."""
        given: list[str] = list(args or ())
        end = given.index(_SEPARATOR) if _SEPARATOR in given else len(given)
        known, words = self.parse_known_args(given[:end], namespace)
        known.words = [*words, *given[end:]]
        found: argparse.Namespace = known
        return found


class CommandLine(BaseCommand):  # type: ignore[misc] # Django has no types
    """Runs one command of qless_py, or any, with the App of a backend."""

    prefix: Sequence[str] = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        """Return a parser that leaves `--help` and all it does not know to qless_py."""
        parser = _Words(
            prog=f"{prog_name} {subcommand}", add_help=False, allow_abbrev=False, **kwargs
        )
        parser.add_argument("--backend", default=None, help="The backend in TASKS.")
        for flag in ("--settings", "--pythonpath"):
            parser.add_argument(flag)
        parser.add_argument("-v", "--verbosity", default=1, type=int)
        for flag in ("--traceback", "--no-color", "--force-color", "--skip-checks"):
            parser.add_argument(flag, action="store_true")
        return parser

    def handle(self, *args: Any, **given: Any) -> None:
        """Run the command and exit with its exit code; raise `CommandError` inside a program."""
        del args
        alias = given["backend"]
        try:
            app = default_app() if alias is None else app_of_backend(alias)
        except (ConfigError, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from None
        words = [*self.prefix, *given.get("words", ())]
        if getattr(self, "_called_from_command_line", False):
            cli.main(words, app)
        try:
            cli.main(words, app)
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
            if code:
                what = " ".join(("qless-py", *words))
                raise CommandError(f"{what} ended with {code}", returncode=code) from None
