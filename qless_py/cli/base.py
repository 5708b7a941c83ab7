"""What all commands share: common options, the settings file, help with examples, exit codes."""

from __future__ import annotations

import functools
import importlib
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

import click

from qless_py.cli import settings
from qless_py.cli.audit_entry import recorded
from qless_py.cli.context import CliContext
from qless_py.cli.errors import MISUSED, exit_code
from qless_py.store import settings_file

R = TypeVar("R")

HELP: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_WHOLE: Final = 1000  # Longer than any first sentence, so that none is cut.


def _take(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    return context.ensure_object(CliContext).take(context, parameter, value)


def _namespace(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    from qless_py.cli.params import checked_name  # noqa: PLC0415 - it imports the client

    return _take(context, parameter, checked_name(context, parameter, value))


def common() -> list[click.Parameter]:
    """Return the options that every command has."""
    return [
        click.Option(
            ["--url"],
            envvar=["QLESS_PY_URL", "REDIS_URL"],
            callback=_take,
            expose_value=False,
            help="The store: redis://host:6379/0, unix://…, embedded:///folder. By default "
            "QLESS_PY_URL, REDIS_URL, the settings file, else an embedded store of this user.",
        ),
        click.Option(
            ["--namespace"],
            envvar="QLESS_PY_NAMESPACE",
            callback=_namespace,
            expose_value=False,
            help="The prefix of all keys, by default ql.",
        ),
        click.Option(
            ["--app"],
            envvar="QLESS_PY_APP",
            metavar="MODULE:NAME",
            callback=_take,
            expose_value=False,
            help="The App of your application: its store, codecs and rules.",
        ),
        click.Option(
            ["--config"],
            metavar="PATH",
            expose_value=False,
            help="The settings file, by default the nearest qless-py.toml or pyproject.toml.",
        ),
        click.Option(
            ["--environment"],
            metavar="ENV",
            expose_value=False,
            help="Use [environments.ENV] of the settings file, by default QLESS_PY_ENV.",
        ),
        click.Option(
            ["--json", "as_json"],
            is_flag=True,
            callback=_take,
            expose_value=False,
            help="Print JSON.",
        ),
    ]


class Configured(click.Command):
    """A command with the common options, whose own options may be set in the settings file."""

    def __init__(
        self, *args: Any, examples: Sequence[str] = (), reads_file: bool = True, **more: Any
    ) -> None:
        more["context_settings"] = {**HELP, **(more.get("context_settings") or {})}
        super().__init__(*args, **more)
        self.examples = tuple(examples)
        self._reads_file = reads_file
        self._common = common()
        self.params += self._common

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the settings file first: it sets the defaults of the options."""
        if not ctx.resilient_parsing and not {"-h", "--help"} & set(args):
            opts, _, _ = self.make_parser(ctx).parse_args(args=list(args))
            state = ctx.ensure_object(CliContext)
            state.choose_file(opts.get("config"), opts.get("environment"))
            if self._reads_file:
                ctx.default_map = {**(ctx.default_map or {}), **self.defaults(ctx, state)}
        return super().parse_args(ctx, args)

    def defaults(self, ctx: click.Context, cli: CliContext) -> dict[str, Any]:
        """Return the values that the settings file has for options of this command."""
        file = cli.configuration
        section, words = file.sections, _path(ctx)
        at: click.Command | None = ctx.find_root().command
        for number, word in enumerate(words):
            settings.check_names(section, at, ctx, str(file.path), words[:number])
            section = section.get(word, {})
            at = at.get_command(ctx, word) if isinstance(at, click.Group) else None
        given = self.from_section(section, settings.place(str(file.path), words))
        return {"url": file.url, "namespace": file.namespace, "app": file.app} | given

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; the audit log says who changed what with it."""
        state = ctx.ensure_object(CliContext)
        return recorded(ctx, tuple(_path(ctx)), state, lambda: super(Configured, self).invoke(ctx))

    def from_section(self, section: Any, where: str) -> dict[str, Any]:
        """Return defaults of the options from a table of the file."""
        return settings.read(section, self.keys(), where)

    def keys(self) -> dict[str, click.Option]:
        """Return the options that the file may set, by every name they may have there."""
        own = [one for one in self.params if one not in self._common]
        return {
            name.lstrip("-").replace("_", "-"): one
            for one in own
            if isinstance(one, click.Option)
            for name in (str(one.name), *one.opts)
            if name.startswith("--") or name == one.name
        }

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, then the common ones."""
        for title, shared in (("Options", False), ("Common options", True)):
            records = [
                record
                for one in self.get_params(ctx)
                if isinstance(one, click.Option)
                and (one in self._common or one.name == "help") is shared
                and (record := one.get_help_record(ctx)) is not None
            ]
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        super().format_epilog(ctx, formatter)
        _write_examples(formatter, self.examples)


class Commands(click.Group):
    """A group of commands, each imported when it is used: `lazy` maps its name to module:object."""

    command_class = Configured

    def __init__(self, *args: Any, lazy: Mapping[str, str] | None = None, **more: Any) -> None:
        more["context_settings"] = {**HELP, **(more.get("context_settings") or {})}
        super().__init__(*args, **more)
        self._lazy = dict(lazy or {})

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Print the help, unless JSON is wanted, if no command is given."""
        if not args and not self.invoke_without_command and not ctx.resilient_parsing:
            if ctx.ensure_object(CliContext).is_json:
                raise click.UsageError(f"give a command: {', '.join(self.list_commands(ctx))}", ctx)
            click.echo(ctx.get_help(), err=True)
            ctx.exit(MISUSED)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, imported or not."""
        return sorted({*super().list_commands(ctx), *self._lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command and return it."""
        where = self._lazy.get(cmd_name)
        if where is None:
            return super().get_command(ctx, cmd_name)
        module, _, name = where.partition(":")
        found: click.Command = getattr(importlib.import_module(module), name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, each with its first sentence, uncut."""
        for topic, names in self.topics(ctx).items():
            with formatter.section(topic):
                formatter.write_dl([(name, self._sentence(ctx, name)) for name in names])

    def topics(self, ctx: click.Context) -> Mapping[str, Sequence[str]]:
        """Return the names of the commands by topic."""
        return {"Commands": self.list_commands(ctx)}

    def _sentence(self, ctx: click.Context, name: str) -> str:
        found = self.get_command(ctx, name)
        return found.get_short_help_str(_WHOLE) if found is not None else ""

    def _elsewhere(self, ctx: click.Context, name: str) -> Iterator[str]:
        """Yield the commands of this name in the groups of the program."""
        root = ctx.find_root()
        program = root.command
        if not isinstance(program, click.Group):
            return
        for word in program.list_commands(root):
            group = program.get_command(root, word)
            if isinstance(group, click.Group) and name in group.list_commands(ctx):
                yield f"{root.info_name} {word} {name}"

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command; an unknown name is an error that suggests a similar one."""
        name = args[0]
        if not ctx.resilient_parsing and self.get_command(ctx, name) is None:
            known = self.list_commands(ctx)
            if not name.startswith("-"):
                found = " or ".join(f"`{path}`" for path in self._elsewhere(ctx, name))
                message = f"unknown command {name!r}: did you mean {found}?"
                if not found:
                    message = settings_file.unknown("command", name, known)
                raise click.UsageError(message, ctx)
        return super().resolve_command(ctx, args)


class Root(Commands):
    """The program: run a command, and report any mistake of the user in one line."""

    def __init__(
        self,
        *args: Any,
        topics: Mapping[str, Mapping[str, str]],
        examples: Sequence[str],
        **more: Any,
    ) -> None:
        lazy = {name: where for some in topics.values() for name, where in some.items()}
        super().__init__(*args, lazy=lazy, **more)
        self.params += common()
        self._topics = {topic: tuple(some) for topic, some in topics.items()}
        self._examples = tuple(examples)

    def topics(self, ctx: click.Context) -> Mapping[str, Sequence[str]]:
        """Return the names of the commands by topic."""
        del ctx
        return self._topics

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        super().format_epilog(ctx, formatter)
        _write_examples(formatter, self._examples)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Note which settings file is named before the command."""
        opts, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        state = ctx.ensure_object(CliContext)
        state.choose_file(opts.get("config"), opts.get("environment"))
        return super().parse_args(ctx, args)

    def main(self, args: Sequence[str] | None = None, *rest: Any, **more: Any) -> Any:
        """Run the program, with the App `app` if one is given, and exit with its exit code."""
        words = sys.argv[1:] if args is None else list(args)
        state = more["obj"] = CliContext(more.pop("app", None))
        more["prog_name"] = "qless-py"
        more["standalone_mode"] = False

        def is_json() -> bool:
            # After a mistake in the command line, click has not parsed the rest.
            return state.is_json or "--json" in itertools.takewhile("--".__ne__, words)

        run = functools.partial(super().main, words, *rest, **more)
        sys.exit(exit_code(run, is_json))


def _write_examples(formatter: click.HelpFormatter, examples: Sequence[str]) -> None:
    if examples:
        with formatter.section("Examples"):
            for example in examples:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


def command(name: str, **more: Any) -> Callable[[Callable[..., Any]], Configured]:
    """Turn a function into a command."""
    return click.command(name, cls=Configured, **more)


def group(name: str, **more: Any) -> Callable[[Callable[..., Any]], Commands]:
    """Turn a function into a group of commands."""
    return click.group(name, cls=Commands, **more)


def pass_cli(function: Callable[..., R]) -> Callable[..., R]:
    """Pass the `CliContext` to the function as its first argument."""

    @functools.wraps(function)
    def called(*args: Any, **more: Any) -> R:
        return function(click.get_current_context().ensure_object(CliContext), *args, **more)

    return called


def _path(ctx: click.Context) -> list[str]:
    """Return the words that name the command, without the program."""
    words: list[str] = []
    at: click.Context | None = ctx
    while at is not None and at.parent is not None:
        words.insert(0, str(at.command.name))
        at = at.parent
    return words
