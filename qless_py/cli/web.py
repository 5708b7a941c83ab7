"""`qless-py web`: serve the dashboard and the HTTP API."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from qless_py.cli.base import command, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.params import describe_store

_DEFAULT: Final = "127.0.0.1:5678"
_STREAMS: Final = 50  # Each request has a thread of its own.


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004 - the last port
        raise click.BadParameter(f"{text!r} is not HOST:PORT", param_hint="--bind")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - refused below without a password


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@command(
    "web",
    examples=(
        "qless-py web",
        "qless-py web --bind 127.0.0.1:8080 --prefix /ops/qless --read-only",
        "qless-py web --bind 0.0.0.0:8080 --people people.toml --trusted-host ops.example.org",
        "qless-py web --api-only --bind 0.0.0.0:8080",
    ),
)
@click.option(
    "--bind", default=_DEFAULT, show_default=True, metavar="HOST:PORT", help="Where to listen."
)
@click.option("--prefix", default="", metavar="PATH", help="Serve the dashboard below this path.")
@click.option(
    "--people",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A TOML file of users and tokens with their roles.",
)
@click.option("--proxy-header", metavar="NAME", help="The header in which a proxy sends the user.")
@click.option(
    "--trusted-proxy",
    multiple=True,
    metavar="CIDR",
    help="Addresses of that proxy. Repeatable.",
)
@click.option(
    "--proxy-role",
    type=click.Choice(["viewer", "operator", "admin"]),
    default="viewer",
    show_default=True,
    help="The role of users from the proxy.",
)
@click.option(
    "--trusted-host",
    multiple=True,
    metavar="NAME",
    help="A host name under which to serve. Repeatable.",
)
@click.option(
    "--trusted-origin",
    multiple=True,
    metavar="URL",
    help="An origin whose pages may send forms. Repeatable.",
)
@click.option(
    "--secret", metavar="TEXT", help="The key that signs forms, the same for all processes."
)
@click.option("--label", metavar="TEXT", help="Shown beside the name, for example production.")
@click.option(
    "--metrics-queues",
    type=click.IntRange(0, 1000),
    default=200,
    show_default=True,
    help="Queues with labels of their own at /metrics.",
)
@click.option("--read-only", is_flag=True, help="Allow no changes.")
@click.option("--api-only", is_flag=True, help="Serve the HTTP API without the dashboard.")
@click.option("--hash-password", is_flag=True, help="Ask for a password, print its hash, exit.")
@pass_cli
def web(cli: CliContext, **given: Any) -> int:
    """Serve the dashboard and the HTTP API.

    Without --people or --proxy-header every user of this machine has all rights, so the dashboard
    listens on loopback only.
    """
    from qless_py.auth.identity import hash_password  # noqa: PLC0415
    from qless_py.auth.people import authenticators  # noqa: PLC0415
    from qless_py.dashboard import DashboardConfig, create_app  # noqa: PLC0415 - help needs none
    from qless_py.dashboard.wsgi import mounted  # noqa: PLC0415
    from qless_py.http import create_api  # noqa: PLC0415
    from qless_py.metrics.snapshot import Limits  # noqa: PLC0415

    if given["hash_password"]:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        cli.out.line(hash_password(password, secrets.token_hex(16)))
        return 0
    host, port = _address(given["bind"])
    auth = authenticators(
        given["people"], given["proxy_header"], given["trusted_proxy"], given["proxy_role"]
    )
    if not auth and not given["api_only"] and not _is_loopback(host):
        raise click.UsageError(
            f"cannot listen on {host} without --people or --proxy-header: only on loopback"
        )
    config = DashboardConfig(
        auth=auth,
        secret=given["secret"],
        read_only=given["read_only"],
        trusted_hosts=given["trusted_host"],
        trusted_origins=given["trusted_origin"],
        streams=_STREAMS,
        environment=given["label"],
        metrics=Limits(queues=given["metrics_queues"]),
    )
    with cli.connect() as client:
        config = config.with_redaction(cli.app.redact if cli.app else ())
        if given["api_only"]:
            api = replace(config.of_api(), open_locally=_is_loopback(host))
            app, what = create_api(client, api), "API"
        else:
            app, what = create_app(client, config), "Dashboard"
        _serve(cli, mounted(app, given["prefix"]), what, (host, port), given["prefix"])
    return 0


def _serve(cli: CliContext, app: Any, what: str, address: tuple[str, int], prefix: str) -> None:
    from qless_py.dashboard.server import listen  # noqa: PLC0415 - help needs none

    host, port = address
    server = listen(app, host, port)
    shown = f"[{host}]" if ":" in host else host
    cli.out.note(describe_store(cli.url))
    base = f"http://{shown}:{server.port}{prefix.rstrip('/')}"
    place = f"{base}/api/v1/try" if what == "API" else f"{base}/"
    cli.out.note(f"{what}: {place}  (stop with Ctrl-C)")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        cli.out.note("Stopped")
    finally:
        server.server_close()
