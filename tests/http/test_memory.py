"""The process keeps nothing of a request that it has answered."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable

import pytest

from qless_py import Client
from tests.http.conftest import Api

ROUNDS = 50
# Blocks of memory that caches of libraries may take in a round until they are full.
SLACK = 5
VALUES = range(8)


def blocks_kept_by(one: Callable[[int], None]) -> float:
    """Return how many more blocks of memory are in use after each further round."""
    for number in range(ROUNDS):
        one(number)
    gc.collect()
    before = sys.getallocatedblocks()
    for number in range(ROUNDS, 2 * ROUNDS):
        one(number)
    gc.collect()
    return (sys.getallocatedblocks() - before) / ROUNDS


@pytest.fixture(autouse=True)
def _events(client: Client) -> None:
    client.config["event-stream"] = 100


def test_a_worker_leaves_nothing_in_memory(api: Api) -> None:
    def work(number: int) -> None:
        names = [f"value {value} of round {number}" for value in VALUES]
        api.ok("POST", "/queues/q/jobs", {"klass": "K", "data": names, "tags": [f"t{number}"]})
        (job,) = api.ok("POST", "/pop", {"worker": f"w{number}", "queues": ["q"]})["jobs"]
        done = {"lease": job["lease"], "result": [*names, "done"]}
        api.ok("POST", f"/jobs/{job['jid']}/complete", done)
        api.problem("POST", f"/jobs/{job['jid']}/complete", {"lease": f"{number}.gone"})

    assert blocks_kept_by(work) < SLACK


def test_a_reader_leaves_nothing_in_memory(api: Api, client: Client) -> None:
    def read(number: int) -> None:
        jid = client.queues["q"].put("K", f"data {number}")
        api.ok("GET", f"/jobs/{jid}")
        filters = ",".join(f"of-{number}-{value}-*" for value in VALUES)
        api.ok("GET", f"/events/poll?after=0&queues={filters}")
        api.problem("GET", f"/jobs/gone-{number}")
        stream = api.flask.get(f"/api/v1/events?jid={jid}&after=0")
        assert next(line for line in stream.response if b"event: job.put" in line)
        stream.close()

    assert blocks_kept_by(read) < SLACK
