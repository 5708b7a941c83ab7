"""`metrics`, `health` and `autoscale`: what they print, and their exit codes."""

from __future__ import annotations

import pytest

from qless_py import Client
from tests.cli.conftest import Program
from tests.metrics.conftest import OPEN_METRICS, Samples
from tests.store.ports import free_port


@pytest.fixture
def nowhere() -> str:
    return f"redis://127.0.0.1:{free_port()}/0"


def test_metrics_are_printed_as_prometheus_reads_them(live: Client, program: Program) -> None:
    for name in ("a", "b", "c"):
        live.queues[name].put("app.Send", {})

    found = Samples(program("metrics").stdout.encode(), "text/plain")
    few = program("metrics", "--queues", "1", "--open-metrics").stdout

    assert found.labels("qless_jobs", "queue") == {"a", "b", "c"}
    assert Samples(few.encode(), OPEN_METRICS)("qless_jobs_put_total", queue="_other") == 2


def test_metrics_of_a_store_that_is_away_say_so(program: Program, nowhere: str) -> None:
    found = program("metrics", "--url", nowhere, code=1)

    assert Samples(found.stdout.encode(), "text/plain")("qless_up") == 0


def test_health_is_the_exit_code(live: Client, program: Program, nowhere: str) -> None:
    del live
    assert program("health").stdout == "the store answers\n"
    assert program("health", "--ready").stdout == "ready\n"
    assert program.json("health", "--ready") == {"ready": True, "problems": {}}
    assert program("health", "--url", nowhere, code=1).stdout.startswith("store: ")


@pytest.mark.corrupts
def test_a_keyspace_of_another_version_is_live_but_not_ready(
    live: Client, program: Program
) -> None:
    live.redis.hset("{ql}:meta", "schema", "99")

    assert program("health").stdout == "the store answers\n"
    assert program("health", "--ready", code=1).stdout.startswith("scripts: ")


def test_autoscale_prints_a_number_and_its_reason(live: Client, program: Program) -> None:
    for number in range(100):
        live.queues["mail"].put("app.Send", {}, jid=f"j{number}")

    found = program.json("autoscale", "mail", "--slots", "2")

    shown = program("autoscale", "mail", "--slots", "2").stdout
    assert shown.splitlines()[0] == str(found["desired"])
    assert found["desired"] >= 1
    assert (found["backlog"], found["current"]) == (100, 0)
    assert program("autoscale", "other").stdout.splitlines()[0] == "0"
    assert program("autoscale", "ma*", "--min", "3", "--max", "3").stdout.splitlines()[0] == "3"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--min", "5", "--max", "4"], "minimum 5 is more than maximum 4: swap them"),
        (["--max-wait", "1ms"], "max_wait must be from 1 to 604800, not 0.001"),
        (["a b"], "queues holds 'a b', which is no name"),
        (["--slots", "0"], "0 is not in the range"),
    ],
)
def test_autoscale_names_what_makes_no_sense(
    live: Client, program: Program, words: list[str], message: str
) -> None:
    del live
    assert message in program("autoscale", *words, code=2).stderr


def test_autoscale_gives_no_number_without_a_store(program: Program, nowhere: str) -> None:
    found = program("autoscale", "--url", nowhere, code=1)

    assert "no store" in found.stderr
    assert not found.stdout
