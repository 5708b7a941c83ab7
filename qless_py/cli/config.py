"""`qless-py config`: the options kept in the store, and the file with settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from qless_py.cli import file_values
from qless_py.cli import settings_values as config_file
from qless_py.cli.base import Commands, Configured, group, pass_state
from qless_py.cli.errors import NotFoundError
from qless_py.cli.names import NAME
from qless_py.cli.params import OF_QUEUES
from qless_py.cli.state import State
from qless_py.store import redacted, resolve
from qless_py.store import settings_file as configuration


@group("config")
def config() -> None:
    """Read and change the options of the namespace; write and check the file with settings.

    Options of the namespace hold for every client of it; the file holds for whoever reads it.
    """


@config.command("list", examples=("qless-py config list", "qless-py config list --json"))
@pass_state
def list_options(state: State) -> None:
    """List every option of the namespace and its value."""
    options = dict(sorted(state.client.config.all.items()))
    state.out.answer({"options": options}, lambda: state.out.facts(options))


@config.command("get", examples=("qless-py config get heartbeat",))
@click.argument("option", type=NAME)
@pass_state
def get(state: State, option: str) -> None:
    """Show one option of the namespace."""
    options = state.client.config.all
    if option not in options:
        raise NotFoundError(configuration.unknown("option", option, options))
    told = {"option": option, "value": options[option]}
    state.out.answer(told, lambda: state.out.line(str(options[option])))


@config.command(
    "set",
    examples=("qless-py config set heartbeat 600", "qless-py config set jobs-history-count 500"),
)
@click.argument("option", type=NAME)
@click.argument("value")
@click.option("--new", is_flag=True, help="Allow an option that is not known yet.")
@pass_state
def set_option(state: State, option: str, value: str, *, new: bool) -> None:
    """Set an option of the namespace, for every client at once."""
    options = state.client.config.all
    is_of_queue = any(option.endswith(f"-{known}") for known in OF_QUEUES)
    if option not in options and not is_of_queue and not new:
        raise click.UsageError(
            f"{configuration.unknown('option', option, options)} (--new makes one of your own)"
        )
    state.client.config.set(option, value)
    state.out.answer({"option": option, "value": state.client.config.all[option]})


@config.command("unset", examples=("qless-py config unset heartbeat",))
@click.argument("option", type=NAME)
@pass_state
def unset(state: State, option: str) -> None:
    """Go back to the default of an option."""
    state.client.config.unset(option)
    state.out.answer({"option": option, "value": state.client.config.all.get(option)})


@config.command(
    "init",
    examples=("qless-py config init", "qless-py config init settings.toml --force"),
    reads_file=False,
)
@click.argument("path", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@pass_state
def init(state: State, path: Path | None, *, force: bool) -> None:
    """Write qless-py.toml, or PATH, with every setting of `work`, commented.

    `qless-py work … --configure PATH` writes one with the flags that were given.
    """
    target = path or Path(configuration.FILE)
    work = _command("work")
    config_file.write(target, config_file.text(state, work, {}, ("configure",)), force=force)
    state.out.answer({"path": str(target)}, lambda: state.out.line(f"{target} written"))


def _command(name: str) -> Configured:
    context = click.get_current_context().find_root()
    if isinstance(context.command, click.Group):
        found = context.command.get_command(context, name)
        if isinstance(found, Configured):
            return found
    raise click.UsageError(f"there is no command {name}")


@config.command("check", examples=("qless-py config check", "qless-py config check --json"))
@pass_state
def check(state: State) -> None:
    """Check the file with settings, all of its environments, and show which store is used."""
    told = state.configuration
    root = click.get_current_context().find_root()
    _check_sections(root, told.sections, str(told.path), ())
    for name in told.environments:
        other = configuration.load(told.path, name)
        _check_sections(root, other.sections, f"{told.path}: environment {name}", ())
    found = {
        "path": str(told.path) if told.path else None,
        "environment": told.environment,
        "url": redacted(resolve(state.url)),
        "namespace": state.namespace,
        "sections": sorted(told.sections),
    }
    state.out.answer(found, lambda: state.out.facts(found))


def _check_sections(
    context: click.Context, sections: Mapping[str, Any], path: str, above: tuple[str, ...]
) -> None:
    parent = context.command
    file_values.check_names(sections, parent, context, path, above)
    for name, section in sections.items():
        words = (*above, name)
        found = parent.get_command(context, name) if isinstance(parent, click.Group) else None
        if isinstance(found, Commands):
            below = click.Context(found, info_name=name, parent=context)
            _check_sections(below, section, path, words)
        elif isinstance(found, Configured):
            below = click.Context(found, info_name=name, parent=context)
            where = file_values.place(path, words)
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
