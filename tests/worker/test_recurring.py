"""Workers create the children of recurring jobs."""

import json

import pytest

from qless_py import Client, RecurringJob
from qless_py.protocol import recurring
from qless_py.protocol.namespace import meta
from tests.worker.conftest import LinePipe, Start

pytestmark = pytest.mark.fork


def cron(client: Client) -> RecurringJob:
    found = client.recurring["c"]
    assert found is not None
    return found


def test_a_worker_runs_the_children_and_computes_the_ticks(
    live: Client, start: Start, reports: LinePipe
) -> None:
    live.config["heartbeat"] = 60
    now = int(live.run(meta())["time"])
    data = json.dumps({"pipe": str(reports.path)}).encode()
    # Only what comes in the first two seconds is known when the worker starts.
    ticks = [now - now % 1000 + 1000 * number for number in (1, 2)]
    schedule = {"cron": "* * * * * *", "zone": "UTC", "after": now, "ticks": ticks}
    klass = "tests.worker.handlers.tells_its_jid"
    live.run(
        recurring.recur_encoded("work", "c", klass, data, interval=0, offset=0, options=schedule)
    )

    start()

    assert [reports.line() for _ in range(4)] == ["c-1", "c-2", "c-3", "c-4"]
    assert int(cron(live)._record.fields["ahead"]) > 64
    assert cron(live).cancel()
