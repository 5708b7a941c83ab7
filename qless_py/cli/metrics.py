"""`qless-py metrics`: the metrics of the store, as Prometheus reads them."""

from __future__ import annotations

import click

from qless_py.cli.base import command, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.errors import FAILED


@command(
    "metrics",
    examples=(
        "qless-py metrics",
        "qless-py metrics --queues 20 --open-metrics",
        "qless-py metrics >qless.prom.new && mv qless.prom.new qless.prom",
    ),
)
@click.option(
    "--queues",
    type=click.IntRange(0, 1000),
    default=200,
    show_default=True,
    help="Queues with labels of their own; the others are summed.",
)
@click.option(
    "--throttles",
    type=click.IntRange(0, 1000),
    default=50,
    show_default=True,
    help="The same for throttles.",
)
@click.option("--open-metrics", is_flag=True, help="Print OpenMetrics, not the text format 0.0.4.")
@pass_cli
def metrics(cli: CliContext, queues: int, throttles: int, *, open_metrics: bool) -> int:
    """Print the metrics of the store, as `qless-py web` serves them at /metrics.

    Use it to inspect them, or with the textfile collector of the node exporter. Exit code 1 if the
    store does not answer; qless_up is then 0. The format is fixed, so --json changes nothing.
    """
    from qless_py.metrics import Limits, expose  # noqa: PLC0415 - help needs none
    from qless_py.metrics.exposition import OPEN_METRICS, scrapes_of  # noqa: PLC0415

    client = cli.open()
    body, _ = expose(client, OPEN_METRICS if open_metrics else "", Limits(queues, throttles))
    click.echo(body, nl=False)
    return 0 if scrapes_of(client).snapshot().has_scripts else FAILED
