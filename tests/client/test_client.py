"""The client: connecting, listing across queues, configuration."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from typing import Any

import pytest
import redis as redis_py

from qless_py import BadArgumentError, Client, ConfigError, Job, RecurringJob, UndecodableDataError
from qless_py.client import serialize
from qless_py.protocol import jobs, stats
from tests.client.test_queue import taken
from tests.conftest import Clock
from tests.servers import Server


def test_a_client_takes_a_url_arguments_a_pool_or_a_connection(
    server: Server, client: Client, clock: Clock
) -> None:
    client.queues["q"].put("k", jid="j")
    pool = redis_py.ConnectionPool(
        connection_class=redis_py.UnixDomainSocketConnection, path=server.socket
    )

    with redis_py.Redis(unix_socket_path=server.socket) as connection:
        for made in (
            Client(server.url, clock=clock, socket_timeout=5),
            Client(connection_pool=pool, clock=clock),
            Client(redis=connection, clock=clock),
        ):
            with made:
                assert made.jobs.exists("j")
        assert connection.ping()  # what was given stays open
    pool.disconnect()
    with pytest.raises(BadArgumentError):
        Client(server.url, redis=connection)


def test_namespaces_are_apart(client: Client, clock: Clock) -> None:
    other = Client(redis=client.redis, namespace="other", clock=clock)
    other.queues["q"].put("k", jid="j")

    assert client.jobs["j"] is None
    assert other.namespace == "other"


@pytest.mark.parametrize("name", ["", "{ql}", "a b", "x" * 200, 5])
def test_a_namespace_or_worker_name_that_is_no_name_is_rejected(server: Server, name: str) -> None:
    with pytest.raises(BadArgumentError):
        Client(server.url, namespace=name)
    with pytest.raises(BadArgumentError):
        Client(server.url, worker_name=name)


@pytest.mark.parametrize(
    "bad", [{"url": 5}, {"codec": 5}, {"codecs": [5]}, {"codec": "zip"}], ids=str
)
def test_what_a_client_cannot_use_is_rejected_at_once(bad: Any) -> None:
    with pytest.raises(BadArgumentError):
        Client(**{"url": "unix:///nowhere", **bad})


def test_a_worker_name_is_of_this_process_unless_given(client: Client, clock: Clock) -> None:
    named = Client(redis=client.redis, clock=clock, worker_name="ada")

    assert client.worker_name.endswith(f"-{os.getpid()}")
    named.queues["q"].put("k")
    assert taken(named).worker_name == "ada"


def test_jobs_are_read_many_at_once_in_the_order_asked(client: Client) -> None:
    client.queues["q"].put_many([{"klass": "k", "jid": f"j{number}"} for number in range(100)])
    client.queues["q"].put("k", jid="last")
    client.queues["q"].recur("k", {}, 60, offset=60, jid="often")

    found = client.jobs.get(["last", "nobody", *(f"j{n}" for n in range(100)), "often"])

    assert [job.jid for job in found] == ["last", *(f"j{n}" for n in range(100)), "often"]
    assert isinstance(found[-1], RecurringJob)
    assert [job.jid for job in client.jobs.get("j5", "j4")] == ["j5", "j4"]
    assert client.jobs.get() == []


def test_lists_read_no_more_of_long_data_than_asked(client: Client) -> None:
    queue = client.queues["q"]
    queue.put("k", {"text": "x" * 5000, "n": 1}, jid="long", tags=["t"])
    queue.put("k", {"n": 1}, jid="short", tags=["t"])
    client.track("long")

    listed = [one for one in client.jobs.get(["long", "short"], data_limit=100)
              if isinstance(one, Job)]  # fmt: skip
    found = client.jobs.search("tag:t", data_limit=100).jobs
    by_path = client.jobs.search("data.n:1", data_limit=100).jobs
    tracked = client.jobs.tracked(data_limit=100)["jobs"]

    for rows in (listed, found, by_path):
        assert {one.jid: (len(one.raw), one.data_size, one.is_cut()) for one in rows} == {
            "long": (100, 5017, True), "short": (7, 7, False),
        }  # fmt: skip
    assert len(tracked[0].raw) == 100
    with pytest.raises(UndecodableDataError, match="data of job long has 5,017 bytes"):
        _ = listed[0].data
    assert listed[1].data == {"n": 1}
    assert serialize.job(listed[0])["data_error"] == "4.9 KiB of data"
    # What was not read is never written back.
    listed[0].move("other")
    assert client.job("long").data["n"] == 1


def test_lists_read_no_more_of_long_results_than_asked(client: Client) -> None:
    client.queues["q"].put("k", jid="j")
    taken(client).complete(result="r" * 5000)

    (listed,) = client.jobs.get(["j"], data_limit=100)

    assert isinstance(listed, Job)
    assert (listed.result_size, listed.is_cut("result"), listed.times_popped) == (5002, True, 1)
    with pytest.raises(UndecodableDataError, match="result of job j has 5,002 bytes"):
        _ = listed.result


def test_existence_of_a_job(client: Client) -> None:
    client.queues["q"].put("k", jid="j")

    assert client.jobs.exists("j")
    assert "j" in client.jobs
    assert "nobody" not in client.jobs
    assert "no name" not in client.jobs
    assert 5 not in client.jobs
    assert client.jobs["nobody"] is None


def test_failures_are_counted_by_group_and_moved_back_in_bulk(client: Client) -> None:
    queue = client.queues["q"]
    for start in (0, 100):
        queue.put_many([{"klass": "k", "jid": f"j{start + n:03}"} for n in range(100)])
        for job in queue.pop(100):
            job.fail("odd" if int(job.jid[1:]) % 2 else "even", "message")

    assert client.jobs.failed() == {"even": 100, "odd": 100}
    newest = client.jobs.failed("odd", 0, 2)
    assert (newest["total"], [type(job) for job in newest["jobs"]]) == (100, [Job, Job])
    assert client.unfail("odd", "again", 30) == 30
    assert client.unfail("even", "again") == 100
    assert client.unfail("nothing", "again") == 0
    assert client.jobs.failed() == {"odd": 70}
    assert len(client.queues["again"]) == 130


def test_jobs_that_fail_again_meanwhile_are_not_moved_twice(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = client.queues["q"]
    queue.put_many([{"klass": "k"} for _ in range(100)])
    queue.put_many([{"klass": "k"} for _ in range(20)])
    fails_again = [*queue.pop(100), *queue.pop(20)]
    for job in fails_again:
        job.fail("g", "m")
    run = client.runner.run

    def run_and_fail_again(call: Any, *args: Any, **more: Any) -> Any:
        reply = run(call, *args, **more)
        if call.script == "unfail":
            for job in client.queues["q"].pop(100):
                run(jobs.fail(job, "g", "m"))
        return reply

    monkeypatch.setattr(client.runner, "run", run_and_fail_again)

    assert client.unfail("g", "q", 20_000) == 120
    assert client.jobs.failed() == {"g": 120}


def test_tags_are_listed_most_used_first(client: Client) -> None:
    for tags in (["a", "b"], ["b"], ["c"]):
        client.queues["q"].put("k", tags=tags)

    assert client.tags() == ["b"]
    assert client.tag_counts()[0] == ("b", 2)
    assert {tag for tag, _ in client.tag_counts()} == {"a", "b", "c"}


def test_workers_tell_their_jobs(client: Client, clock: Clock) -> None:
    client.queues["q"].put_many([{"klass": "k", "jid": "a"}, {"klass": "k", "jid": "b"}])
    client.queues["q"].pop(worker="early")
    clock.advance(61)
    client.queues["q"].pop(worker="late")

    assert client.workers["late"]["jobs"] == ["b"]
    assert client.workers["nobody"]["jobs"] == []
    assert [row["name"] for row in client.workers.counts] == ["late", "early"]
    assert list(client.workers) == ["late", "early"]
    assert client.workers.deregister("early") == 1
    assert [row["seen_at"] for row in client.workers.counts] == [clock.now]


def test_configuration_is_a_mapping_with_defaults(client: Client) -> None:
    config = client.config

    config["jobs-history"] = 7 * 86400
    config["grace-period"] = 2.5
    config["of-ones-own"] = "text"

    assert (config["jobs-history"], config["grace-period"]) == (604800, 2.5)
    assert config["of-ones-own"] == "text"
    assert config["heartbeat"] == 60
    assert config.get("unknown") is None
    assert "max-crashes" in config
    assert len(config) == len(config.all) == len(list(config))
    del config["jobs-history"]
    assert config["jobs-history"] == 2592000
    config.clear()
    assert "of-ones-own" not in config
    with pytest.raises(KeyError):
        _ = config["of-ones-own"]


@pytest.mark.parametrize("value", [-1, "soon", float("nan"), None, True])
def test_an_unusable_option_value_is_rejected(client: Client, value: object) -> None:
    with pytest.raises((ConfigError, BadArgumentError)):
        client.config["heartbeat"] = value

    assert client.config["heartbeat"] == 60


def test_unknown_attributes_are_an_attribute_error(client: Client) -> None:
    with pytest.raises(AttributeError):
        _ = client.nonsense  # type: ignore[attr-defined]


def test_days_are_named_by_date_or_by_any_second_of_them() -> None:
    assert stats.day_number(date(1970, 1, 2)) == 1
    assert stats.day_number(86400 * 3 + 5) == 3
    assert stats.day_number(datetime(1970, 1, 3, 23, tzinfo=UTC)) == 2
    with pytest.raises(BadArgumentError):
        stats.day_number(date(1969, 12, 31))


def test_percentiles_come_from_log_buckets() -> None:
    histogram = stats.merged([{-1: 50, 40: 40}, {40: 9, 80: 1}])

    assert stats.percentile({}, 0.5) == 0
    assert stats.percentile(histogram, 0.5) == pytest.approx(0.001)
    assert stats.percentile(histogram, 0.99) == pytest.approx(2 ** (41 / 4) / 1000)
    assert stats.percentile(histogram, 1) == pytest.approx(2 ** (81 / 4) / 1000)
    with pytest.raises(BadArgumentError):
        stats.percentile(histogram, 2)


def test_a_client_may_be_used_after_a_fork(client: Client) -> None:
    client.queues["q"].put("k", jid="before")

    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            client.queues["q"].put("k", jid="child")
            status = 0
        finally:
            os._exit(status)
    client.queues["q"].put("k", jid="parent")
    _, code = os.waitpid(pid, 0)

    assert code == 0
    assert sorted(client.queues["q"].jobs.waiting()) == ["before", "child", "parent"]
