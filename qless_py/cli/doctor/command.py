"""The command: run every check, print what they report, and choose the exit code."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial

import click
import redis

from qless_py import package
from qless_py.cli.base import command, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.doctor import failures, queues, records, schedules, server, throttles, webhooks
from qless_py.cli.doctor.report import Check, Commands, Examination
from qless_py.cli.errors import FAILED
from qless_py.cli.params import SPAN
from qless_py.client.client import Client
from qless_py.errors import QlessError
from qless_py.store import parse, resolve

_MARKS = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}
_OF_SERVER = (server.server, server.writes)
_OF_STORE = (
    server.eviction, server.memory, server.clock, server.latency, server.scripts, server.schema,
)  # fmt: skip
_OF_NAMESPACE = (
    queues.pauses, queues.workers, queues.dead_workers, queues.running, throttles.throttles,
    schedules.schedules, failures.failures, failures.dependents, records.records,
    webhooks.webhooks,
)  # fmt: skip

_Test = Callable[[Examination], Iterator[Check]]


@command(
    "doctor",
    examples=(
        "qless-py doctor",
        "qless-py doctor --json",
        "qless-py doctor --hanging-after 15m",
        "qless-py doctor --url redis://localhost:6379/0",
    ),
)
@click.option(
    "--hanging-after",
    type=SPAN,
    default=3600.0,
    help="Report jobs that have been running for longer than this.  [default: 1h]",
)
@pass_cli
def doctor(cli: CliContext, hanging_after: float) -> int:
    """Find what is wrong with the store, queues, workers and schedules, and name what mends it.

    Each problem comes with advice and with one command that mends it. Exit code 1 if a check fails;
    warnings alone leave it at 0.
    """
    checks = list(_checks(cli, hanging_after))

    def show() -> None:
        for one in checks:
            cli.out.line(f"{_MARKS[one.status]}  {one.name}: {one.detail}")
            if one.status == "ok":
                continue
            if one.advice:
                cli.out.line(f"      {one.advice}{':' * bool(one.command)}")
            if one.command:
                cli.out.line(f"      $ {one.command}")

    has_failed = any(one.status == "fail" for one in checks)
    answer = {"healthy": not has_failed, "checks": [asdict(one) for one in checks]}
    cli.out.answer(answer, show)
    return FAILED if has_failed else 0


def _checks(cli: CliContext, hanging_after: float) -> Iterator[Check]:
    versions = f"qless_py {package.__version__}, Python {platform.python_version()}"
    yield Check("versions", "ok", f"{versions}, redis-py {redis.__version__}")
    target = parse(resolve(cli.url))
    yield Check("store", "ok", target.shown)
    store = cli.store_options()
    try:
        client = _open(cli)
        facts = server.facts(client.redis)
    except (QlessError, redis.RedisError, OSError) as error:
        yield server.unreachable(error, Commands(store))
        return
    where = server.address(client.redis, has_tls=target.tls)
    # An App names the handlers; the command has the option where this one does.
    handler = () if cli.chosen("app") else ("--import", "MODULE")
    examined = Examination(client, Commands(store, where), handler, hanging_after, facts)
    if int(facts.get("loading", 0)):
        yield server.loading(facts, examined.commands)
        return
    persistence = partial(server.persistence, is_embedded=target.kind == "embedded")
    for test in (*_OF_SERVER, persistence, *_OF_STORE):
        found = list(_guarded(test, examined))
        yield from found
        if any(one.name == "schema" and one.status == "fail" for one in found):
            return
    for test in _OF_NAMESPACE:
        yield from _guarded(test, examined)


def _open(cli: CliContext) -> Client:
    """Return a client that also connects to a server that others refuse: the checks say why."""
    client = cli.open()
    client.redis.connection_pool.connection_kwargs["redis_connect_func"] = None
    return client.with_patience(0)


def _guarded(test: _Test, examined: Examination) -> Iterator[Check]:
    try:
        yield from test(examined)
    except (QlessError, redis.RedisError) as error:
        name = getattr(test, "__name__", "persistence").replace("_", " ")
        yield Check(name, "fail", " ".join(str(error).split()), "see docs/cli.md, doctor")
