"""`qless-py config`: options of the namespace, and the settings file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from qless_py.cli import settings
from qless_py.cli.base import Commands, Configured, group, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.errors import NotFoundError
from qless_py.cli.params import NAME, OF_QUEUES
from qless_py.protocol.config_options import option_of
from qless_py.store import redacted, resolve, settings_file


@group("config")
def config() -> None:
    """Read and change the options of the namespace; write and check the settings file.

    Options of the namespace are kept in the store and hold for all of its clients; the settings
    file holds for the programs that read it.
    """


@config.command("list", examples=("qless-py config list", "qless-py config list --json"))
@pass_cli
def list_options(cli: CliContext) -> None:
    """List the options of the namespace, their values, and what each is for."""
    options = dict(sorted(cli.client.config.all.items()))
    described = [option_of(name) for name in options]
    rows = [(one.name, options[one.name], one.unit, one.default, one.meaning) for one in described]

    def show() -> None:
        cli.out.table(("option", "value", "unit", "default", "meaning"), rows, has_text=True)

    cli.out.answer({"options": options, "described": [asdict(one) for one in described]}, show)


@config.command("get", examples=("qless-py config get heartbeat",))
@click.argument("option", type=NAME)
@pass_cli
def get(cli: CliContext, option: str) -> None:
    """Show one option of the namespace."""
    options = cli.client.config.all
    if option not in options:
        raise NotFoundError(settings_file.unknown("option", option, options))
    answer = {"option": option, "value": options[option]}
    cli.out.answer(answer, lambda: cli.out.line(str(options[option])))


@config.command(
    "set",
    examples=("qless-py config set heartbeat 600", "qless-py config set jobs-history-count 500"),
)
@click.argument("option", type=NAME)
@click.argument("value")
@click.option("--new", is_flag=True, help="Allow an unknown option.")
@pass_cli
def set_option(cli: CliContext, option: str, value: str, *, new: bool) -> None:
    """Set an option of the namespace, for all clients at once."""
    options = cli.client.config.all
    is_of_queue = any(option.endswith(f"-{known}") for known in OF_QUEUES)
    if option not in options and not is_of_queue and not new:
        raise click.UsageError(
            f"{settings_file.unknown('option', option, options)} (--new allows it)"
        )
    cli.client.config.set(option, value)
    cli.out.answer({"option": option, "value": cli.client.config.all[option]})


@config.command("unset", examples=("qless-py config unset heartbeat",))
@click.argument("option", type=NAME)
@pass_cli
def unset(cli: CliContext, option: str) -> None:
    """Reset an option to its default."""
    cli.client.config.unset(option)
    cli.out.answer({"option": option, "value": cli.client.config.all.get(option)})


@config.command(
    "init",
    examples=("qless-py config init", "qless-py config init settings.toml --force"),
    reads_file=False,
)
@click.argument("path", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace an existing file.")
@pass_cli
def init(cli: CliContext, path: Path | None, *, force: bool) -> None:
    """Write qless-py.toml, or PATH, with every option of `work`, commented out.

    `qless-py work … --configure PATH` writes one with the given options.
    """
    target = path or Path(settings_file.FILE)
    work = _command("work")
    settings.write(target, settings.text(cli, "work", work.keys(), {}, ("configure",)), force=force)
    cli.out.answer({"path": str(target)}, lambda: cli.out.line(f"{target} written"))


def _command(name: str) -> Configured:
    context = click.get_current_context().find_root()
    if isinstance(context.command, click.Group):
        found = context.command.get_command(context, name)
        if isinstance(found, Configured):
            return found
    raise click.UsageError(f"unknown command {name}")


@config.command("check", examples=("qless-py config check", "qless-py config check --json"))
@pass_cli
def check(cli: CliContext) -> None:
    """Check the settings file in all its environments, and show which store is used."""
    file = cli.configuration
    root = click.get_current_context().find_root()
    _check_sections(root, file.sections, str(file.path), ())
    for name in file.environments:
        other = settings_file.load(file.path, name)
        _check_sections(root, other.sections, f"{file.path}: environment {name}", ())
    found = {
        "path": str(file.path) if file.path else None,
        "environment": file.environment,
        "url": redacted(resolve(cli.url)),
        "namespace": cli.namespace,
        "sections": sorted(file.sections),
    }
    cli.out.answer(found, lambda: cli.out.facts(found))


def _check_sections(
    context: click.Context, sections: Mapping[str, Any], path: str, above: tuple[str, ...]
) -> None:
    parent = context.command
    settings.check_names(sections, parent, context, path, above)
    for name, section in sections.items():
        words = (*above, name)
        found = parent.get_command(context, name) if isinstance(parent, click.Group) else None
        if isinstance(found, Commands):
            below = click.Context(found, info_name=name, parent=context)
            _check_sections(below, section, path, words)
        elif isinstance(found, Configured):
            below = click.Context(found, info_name=name, parent=context)
            where = settings.place(path, words)
            _check_values(below, found, found.from_section(section, where), where)


def _check_values(
    context: click.Context, found: Configured, values: Mapping[str, Any], where: str
) -> None:
    for option in found.keys().values():
        if option.name in values:
            try:
                option.type_cast_value(context, values[option.name])
            except click.BadParameter as error:
                raise click.UsageError(f"{where}: {error.format_message()}") from error
