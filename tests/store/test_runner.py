from __future__ import annotations

import os
import threading
import time
from typing import Any

import pytest
import redis as redis_py

from qless_py import errors, protocol, store
from qless_py.protocol import Call, jobs, queues
from qless_py.scripts import assemble
from qless_py.store.resend import ResendPolicy
from qless_py.store.runner import Runner
from tests import servers
from tests.store.calls import SHORT, length, pop, put, request_series
from tests.store.proxy import Proxy


def test_lost_replies_neither_put_twice_nor_lose_a_popped_job(
    proxy: Proxy, through: Runner
) -> None:
    proxy.lose_reply_every = 3
    jids = [f"job-{number}" for number in range(150)]

    created = [through.run(put(jid)).created for jid in jids]
    popped = [job.jid for _ in jids for job in through.run(pop()).jobs]

    assert all(created)
    assert popped == jids
    assert through.run(length()) == len(jids)
    assert proxy.lost > 100


def test_lost_requests_are_sent_again(proxy: Proxy, through: Runner) -> None:
    proxy.lose_request_every = 2

    created = [through.run(put(f"job-{number}")).created for number in range(50)]

    assert all(created)
    assert through.run(length()) == 50
    assert proxy.lost >= 50


@pytest.mark.timeout(120)
@pytest.mark.parametrize("shorten", [0, 1, 100])
def test_a_pipeline_cut_in_its_replies_takes_effect_once(
    proxy: Proxy, through: Runner, shorten: int
) -> None:
    proxy.lose_reply_every = 2
    proxy.shorten = shorten
    calls = [put(f"job-{number}") for number in range(120)]

    replies = through.run_many(calls)
    popped = through.run_many([pop(10) for _ in range(15)])

    assert [reply.jid for reply in replies] == [f"job-{number}" for number in range(120)]
    assert all(reply.created for reply in replies)
    handed_out = [job.jid for reply in popped for job in reply.jobs]
    assert sorted(handed_out) == sorted(reply.jid for reply in replies)
    assert proxy.lost  # How often depends on the pieces in which replies arrive.


def test_threads_share_a_runner_through_a_lossy_network(proxy: Proxy, through: Runner) -> None:
    proxy.lose_reply_every = 5
    created: list[bool] = []

    def work(name: int) -> None:
        created.extend(through.run(put(f"job-{name}-{i}")).created for i in range(25))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert created == [True] * 150
    assert through.run(length()) == 150


def test_a_stalled_network_is_waited_for(proxy: Proxy, through: Runner) -> None:
    through.run(put("before"))
    proxy.hold()
    healing = threading.Timer(0.8, proxy.release)
    healing.start()

    reply = through.run(put("after"))

    healing.join()
    assert reply.created
    assert through.run(length()) == 2


def test_after_the_limit_the_error_of_the_connection_is_raised_and_the_series_given_up(
    proxy: Proxy, redis: redis_py.Redis
) -> None:
    with store.connect(proxy.url, socket_timeout=1) as connection:
        runner = Runner(connection, "ql", policy=SHORT)
        runner.run(put("first"))
        before = request_series(redis)
        proxy.hold()
        began = time.monotonic()

        with pytest.raises((redis_py.ConnectionError, redis_py.TimeoutError)):
            runner.run(put("second"))

        assert time.monotonic() - began < 30
        proxy.release()
        runner.run(put("third"))
    assert len(before) == 1
    assert len(request_series(redis) - before) >= 1


def test_one_series_serves_call_after_call(runner: Runner, redis: redis_py.Redis) -> None:
    for number in range(10):
        runner.run(put(f"job-{number}"))
        runner.run(length())

    assert len(request_series(redis)) == 1


@pytest.mark.fork
def test_a_forked_child_sends_under_a_series_of_its_own(
    runner: Runner, redis: redis_py.Redis
) -> None:
    runner.run(put("parent"))
    child = os.fork()
    if child == 0:
        runner.run(put("child"))
        os._exit(0)
    os.waitpid(child, 0)
    runner.run(put("parent-again"))

    assert len(request_series(redis)) == 2
    assert runner.run(length()) == 3


def test_flushed_functions_are_loaded_again_without_a_second_effect(
    runner: Runner, redis: redis_py.Redis
) -> None:
    for number in range(20):
        redis.function_flush()
        assert runner.run(put(f"one-{number}")).created
        redis.function_flush()
        many = runner.run_many([put(f"many-{number}-{i}") for i in range(5)] + [length()])
        assert all(reply.created for reply in many[:5])

    assert runner.run(length()) == 120


def test_constantly_flushed_functions_raise_no_error(runner: Runner, redis: redis_py.Redis) -> None:
    done = threading.Event()

    def flush() -> None:
        while not done.wait(0.002):
            redis.function_flush()

    flusher = threading.Thread(target=flush)
    flusher.start()
    try:
        for number in range(40):
            assert runner.run(put(f"one-{number}")).created
            replies = runner.run_many([put(f"many-{number}-{i}") for i in range(10)])
            assert all(reply.created for reply in replies)
    finally:
        done.set()
        flusher.join()

    assert runner.run(length()) == 440


def test_a_rejected_call_raises_our_exception(runner: Runner) -> None:
    runner.run(put("job"))

    with pytest.raises(errors.AlreadyExistsError):
        runner.run(put("job"))


def test_a_rejected_call_in_a_pipeline_keeps_its_place(runner: Runner) -> None:
    replies = runner.run_many([put("a"), put("a"), length(), put("b")])

    assert [type(reply) for reply in replies[:2]] == [type(replies[3]), errors.AlreadyExistsError]
    assert replies[3].created
    assert runner.run_many([]) == []


def use(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    """Let runners use a library with one function and this text."""
    function = assemble.Function("FCALL", name, is_query=True, allows_oom=True)
    text = f"#!lua name=qless_{name}\n{text}"
    library = assemble.Library(f"qless_{name}", text, {name: function}, "")
    monkeypatch.setattr(assemble, "library", lambda: library)


def test_other_server_errors_are_raised_unchanged(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(
        monkeypatch,
        "faulty",
        "local function faulty(keys)\nreturn redis.call('GET', keys[1], 'too', 'many')\nend\n"
        "redis.register_function('faulty', faulty)\n",
    )
    call: Call[bytes | None] = Call("faulty", (), lambda reply: reply)

    (error,) = runner.run_many([call])

    assert isinstance(error, redis_py.ResponseError)
    assert "number of args" in str(error)


def test_a_library_that_cannot_be_loaded_is_an_error_and_spoils_no_connection(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The server keeps functions from test to test, so no other test loads one of this name.
    call: Call[bytes | None] = Call("broken", (), lambda reply: reply)
    with monkeypatch.context() as patched:
        use(patched, "broken", "this is no Lua")
        with pytest.raises(redis_py.ResponseError, match="compiling"):
            runner.run(call)
        results = runner.run_many([call, call])

    assert [type(one) for one in results] == [redis_py.ResponseError] * 2
    assert runner.run(length()) == 0


def test_an_interrupted_call_does_not_affect_later_ones(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner.run(put("first"))
    connection = runner.redis.connection_pool.get_connection()
    runner.redis.connection_pool.release(connection)
    read = connection.read_response

    def interrupted(**_options: object) -> object:
        monkeypatch.setattr(connection, "read_response", read)
        raise KeyboardInterrupt

    monkeypatch.setattr(connection, "read_response", interrupted)

    with pytest.raises(KeyboardInterrupt):
        runner.run(put("second"))

    assert runner.run(length()) == 2
    assert runner.run(put("third")).created


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_client_that_decodes_replies_changes_nothing(
    server: servers.Server, redis: redis_py.Redis, protocol: int
) -> None:
    del redis  # wanted only so that the keyspace is empty
    with store.connect(server.url, decode_responses=True, protocol=protocol) as connection:
        runner = Runner(connection, "ql")

        assert runner.run(put("job")).created
        assert [job.jid for job in runner.run(pop()).jobs] == ["job"]
        connection.zadd("wake", {"marker": 1})
        assert runner.wait(["wake"], 1) == b"wake"


def test_the_clock_of_a_client_is_sent_as_whole_milliseconds(
    server: servers.Server, redis: redis_py.Redis
) -> None:
    with store.connect(server.url) as connection:
        runner = Runner(connection, "ql", clock=lambda: 1234.5678)

        runner.run(put("job"))

        assert runner.run(protocol.namespace.meta())["clock"] == "test"
    assert redis.hget("{ql}:meta", "time") == b"1234568"


def test_a_retried_job_keeps_one_retry_when_the_reply_was_lost(
    proxy: Proxy, through: Runner
) -> None:
    through.run(put("job"))
    (job,) = through.run(pop()).jobs
    proxy.lose_reply_every = 2

    left = through.run(jobs.retry_encoded("job", job.fields["lease"], 0))
    again = through.run(jobs.retry_encoded("job", through.run(pop()).jobs[0].fields["lease"], 0))

    assert (left, again) == (4, 3)


def test_a_started_call_is_finished_later_while_other_calls_run(
    redis: redis_py.Redis,
) -> None:
    runner = Runner(redis, "ql")
    own = redis.connection_pool.get_connection()

    flight = runner.begin([put("first"), put("second")], own)
    runner.run(put("third"))
    replies = runner.finish(flight)

    assert [(reply.jid, reply.created) for reply in replies] == [("first", True), ("second", True)]
    assert runner.run(length()) == 3
    assert runner.finish(runner.begin([length()], own)) == [3]
    redis.connection_pool.release(own)


@pytest.mark.parametrize("lose", ["lose_reply_every", "lose_request_every"])
def test_a_started_call_takes_effect_once_despite_a_lost_connection(
    proxy: Proxy, through: Runner, lose: str
) -> None:
    setattr(proxy, lose, 2)
    own = through.redis.connection_pool.get_connection()

    created = []
    for number in range(40):
        flight = through.begin([put(f"job-{number}")], own)
        created += [reply.created for reply in through.finish(flight)]
    popped = [job.jid for _ in range(40) for job in through.run(pop()).jobs]

    assert all(created)
    assert popped == [f"job-{number}" for number in range(40)]
    assert proxy.lost > 10
    own.disconnect()
    through.redis.connection_pool.release(own)


def test_finishing_goes_on_after_a_failure_under_the_same_request(
    proxy: Proxy, redis: redis_py.Redis
) -> None:
    del redis  # wanted only so that the keyspace is empty
    with store.connect(proxy.url) as connection:
        runner = Runner(connection, "ql", policy=SHORT)
        own = connection.connection_pool.get_connection()
        runner.run(length())
        proxy.lose_reply_every = 1
        flight = runner.begin([put("once")], own)
        with pytest.raises(redis_py.RedisError):
            runner.finish(flight)
        proxy.lose_reply_every = 0

        (reply,) = runner.finish(flight)

        assert reply.created
        assert runner.run(length()) == 1
        own.disconnect()
        connection.connection_pool.release(own)


@pytest.mark.parametrize("key", ["{ql}:queue:queue:wake", "{ql}:nobody"])
def test_a_replacement_call_has_no_effect_if_the_first_one_arrived(
    redis: redis_py.Redis, key: str
) -> None:
    runner = Runner(redis, "ql")
    own = redis.connection_pool.get_connection()
    runner.run(pop())  # The server knows the script.
    runner.run(put("job"))
    runs = key != "{ql}:nobody"

    flight = runner.begin([pop()], own, [("BZPOPMIN", key, "600")])
    if runs:
        own.read_response()  # The sleep is over; with the next answer there, the call has run.
    assert own.can_read(10 if runs else 0) is runs
    runner.lose(flight, "not needed")
    runner.replace(flight, queues.tick())
    (reply,) = runner.finish(flight)

    taken, left = ([job.jid for job in one.jobs] for one in (reply, runner.run(pop())))
    assert (taken, left) == ((["job"], []) if runs else ([], ["job"]))
    redis.connection_pool.release(own)


def test_a_missing_library_is_loaded_however_little_time_there_is(redis: redis_py.Redis) -> None:
    hasty = Runner(redis, "ql", policy=ResendPolicy(limit=0.0))
    redis.function_flush()

    assert hasty.run(put("one")).created
    redis.function_flush()
    replies = hasty.run_many([put("two"), put("three")])

    assert all(reply.created for reply in replies)
    assert hasty.run(length()) == 3


def test_a_server_that_always_flushes_functions_counts_as_away(
    runner: Runner, redis: redis_py.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = Runner(redis, "ql", policy=ResendPolicy(limit=0.0))
    attempt = hasty._attempt

    def flushed(exchange: Any) -> Exception | None:
        failure = attempt(exchange)
        redis.function_flush()
        hasty._library.is_loaded = False
        return failure

    def emptied(exchange: Any) -> Exception | None:
        exchange._is_missing = False
        return flushed(exchange)

    monkeypatch.setattr(hasty, "_attempt", emptied)
    redis.function_flush()

    with pytest.raises(errors.StoreError, match="deleted as fast as they are loaded"):
        hasty.run(put("one"))
    assert runner.run(length()) == 0
