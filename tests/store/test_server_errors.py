"""What each error reply of a real server means for the call, and what the runners do about it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

import pytest
import redis as redis_py
from redis._parsers.base import BaseParser

from qless_py import errors, store
from qless_py.store.async_runner import AsyncRunner
from qless_py.store.resend import ResendPolicy
from qless_py.store.runner import Runner
from qless_py.store.server_errors import Meaning, exception, meaning, was_not_run
from tests import servers
from tests.store.calls import QUICK, SHORT, length, put

READER, WRITER, MAKER, PUSHER = "errors_read", "errors_write", "errors_make", "errors_push"
CRASH, ENDLESS, OWN = "errors_crash", "errors_endless", "errors_own"
LIBRARY = f"""\
#!lua name=errors
local function register(name, flags, run)
  redis.register_function{{ function_name = name, flags = flags, callback = run }}
end
register("{READER}", {{ "no-writes" }}, function(keys)
  return redis.call("GET", keys[1])
end)
register("{WRITER}", {{ "allow-oom" }}, function(keys)
  return redis.call("SET", keys[1], "x")
end)
register("{MAKER}", {{}}, function(keys)
  return redis.call("SET", keys[1], "x")
end)
register("{PUSHER}", {{}}, function(keys)
  redis.call("SET", keys[1], "x")
  return redis.call("LPUSH", keys[2] or "{{ql}}:list", "x")
end)
register("{CRASH}", {{}}, function()
  local none
  return none.field
end)
register("{ENDLESS}", {{}}, function()
  while true do end
end)
register("{OWN}", {{}}, function()
  error({{ err = "LOSTLEASE the job is not yours" }})
end)
"""

REFUSALS = {"MISCONF": servers.unable_to_save, "NOREPLICAS": servers.without_replicas}


KNOWN_BY_THEIR_CODE = {
    "ERR max daily request limit exceeded",
    "ERR unknown command 'FCALL', with args beginning with:",
    "ERR wrong number of arguments for 'fcall' command",
}


@pytest.fixture
def redis(redis: redis_py.Redis) -> redis_py.Redis:
    """Return the connection to an empty keyspace, on a server with the functions above."""
    redis.function_load(LIBRARY, replace=True)
    return redis


def error_of(connection: redis_py.Redis, function: str, *keys: str) -> redis_py.ResponseError:
    with pytest.raises(redis_py.ResponseError) as raised:
        connection.fcall(function, len(keys), *keys)
    return raised.value


@contextlib.contextmanager
def user(redis: redis_py.Redis, *rules: str) -> Iterator[redis_py.Redis]:
    """Return a connection of a user with these permissions."""
    redis.execute_command("ACL", "SETUSER", "somebody", "reset", "on", "nopass", *rules)
    path = redis.connection_pool.connection_kwargs["path"]
    try:
        with redis_py.Redis(unix_socket_path=path, username="somebody", password="x") as made:
            yield made
    finally:
        redis.execute_command("ACL", "DELUSER", "somebody")


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        ("ASK 42 h:1", Meaning.UNAVAILABLE),
        ("BUSY Redis is busy running a script.", Meaning.UNAVAILABLE),
        ("CLUSTERDOWN Hash slot not served", Meaning.UNAVAILABLE),
        ("MASTERDOWN Link with MASTER is down", Meaning.UNAVAILABLE),
        ("MISCONF Errors writing to the AOF file: No space left on device", Meaning.UNAVAILABLE),
        ("MOVED 42 h:1", Meaning.UNAVAILABLE),
        ("NOREPLICAS Not enough good replicas to write.", Meaning.UNAVAILABLE),
        ("READONLY You can't write against a read only replica.", Meaning.UNAVAILABLE),
        ("TRYAGAIN Multiple keys request during rehashing of slot", Meaning.UNAVAILABLE),
        ("REDIRECT h:1", Meaning.UNAVAILABLE),
        ("SOMETHINGNEW that nobody has heard of", Meaning.UNAVAILABLE),
        ("no upstream host", Meaning.UNAVAILABLE),
        ("NOPERM this user has no permissions to run the 'fcall' command", Meaning.FORBIDDEN),
        ("DENIED Redis is running in protected mode", Meaning.FORBIDDEN),
        ("ERR unknown command 'FCALL', with args beginning with:", Meaning.FORBIDDEN),
        ("ERR wrong number of arguments for 'fcall' command", Meaning.FORBIDDEN),
        ("ERR max daily request limit exceeded", Meaning.FORBIDDEN),
        ("ERR The user executing the script can't run this script: put_9eaf", Meaning.FORBIDDEN),
        ("ERR ACL failure in script: no script: on @user_function:2.", Meaning.FORBIDDEN),
        ("ERR Script killed by user with FUNCTION KILL... script: put_9eaf", Meaning.FORBIDDEN),
        ("OOM command not allowed when used memory > 'maxmemory'.", Meaning.FULL),
        ("CROSSSLOT Keys in request don't hash to the same slot", Meaning.FAULTY),
        ("ERR Protocol error: invalid bulk length", Meaning.FAULTY),
        ("ERR Error compiling function: user_function:1:", Meaning.FAULTY),
        ("ERR Error running script f_9eaf, execution failure", Meaning.FAULTY),
        (
            "ERR user_function:2: attempt to index a nil script: put_9eaf, on @user_function:2.",
            Meaning.FAULTY,
        ),
        (
            "WRONGTYPE Operation against a key script: put_9eaf, on @user_function:2.",
            Meaning.FAULTY,
        ),
        ("FOREIGN code of a script: put_9eaf, on @user_function:2.", Meaning.FAULTY),
        ("LOSTLEASE not yours script: put_9eaf, on @user_function:2.", Meaning.REFUSED),
        ("STALEREQUEST too late", Meaning.REFUSED),
    ],
)
def test_each_error_reply_has_its_meaning(reply: str, wanted: Meaning) -> None:
    error = BaseParser.parse_error(reply)
    if not hasattr(error, "status_code") and reply in KNOWN_BY_THEIR_CODE:
        wanted = Meaning.UNAVAILABLE  # Older versions of redis-py cut off the code and lose it.

    assert isinstance(error, redis_py.ResponseError)
    assert meaning(error) is wanted
    assert (exception(error) is error) == (wanted not in {Meaning.REFUSED, Meaning.FULL})


@pytest.mark.parametrize("code", sorted(set(errors.BY_CODE) - {"OOM"}))
def test_each_code_of_a_script_is_a_refusal(code: str) -> None:
    error = BaseParser.parse_error(f"{code} for a reason script: on @user_function:7.")

    assert meaning(error) is Meaning.REFUSED
    assert type(exception(error)) is errors.BY_CODE[code]


@pytest.mark.parametrize("code", REFUSALS)
def test_a_server_that_refuses_writes_says_so_before_a_script_begins(
    redis: redis_py.Redis, code: str
) -> None:
    with REFUSALS[code](redis):
        found = [error_of(redis, name, "{ql}:key", "{ql}:list") for name in (MAKER, WRITER, PUSHER)]
        read = redis.fcall_ro(READER, 1, "{ql}:key")

    assert [str(error).split()[0] for error in found] == [code] * 3
    assert not [error for error in found if "user_function" in str(error)]
    assert [meaning(error) for error in found] == [Meaning.UNAVAILABLE] * 3
    assert all(was_not_run(error) for error in found)
    assert read is None
    assert redis.dbsize() == 0


def test_a_full_server_refuses_what_makes_work_before_it_begins(redis: redis_py.Redis) -> None:
    redis.config_set("maxmemory", 1)

    error = error_of(redis, PUSHER, "{ql}:key", "{ql}:list")
    redis.fcall(WRITER, 1, "{ql}:other")

    assert meaning(error) is Meaning.FULL
    assert redis.keys() == [b"{ql}:other"]
    redis.flushall()


@pytest.mark.parametrize(
    ("rules", "is_certain"),
    [
        (("~*", "&*", "+@all", "-fcall"), True),
        (("~other*", "&*", "+@all"), True),
        # Only the command inside the script is refused, and what came before it stays.
        (("~*", "&*", "+@all", "-lpush"), False),
        (("~{ql}:key", "&*", "+@all"), False),
        (("~*", "&*", "+@all", "-@write"), False),
    ],
)
def test_a_missing_permission_is_never_taken_for_a_refusal(
    redis: redis_py.Redis, rules: tuple[str, ...], *, is_certain: bool
) -> None:
    with user(redis, *rules) as connection:
        error = error_of(connection, PUSHER, "{ql}:key")

    assert meaning(error) is Meaning.FORBIDDEN
    assert was_not_run(error) == is_certain
    redis.flushall()


def test_an_error_of_a_script_itself_is_recognized(redis: redis_py.Redis) -> None:
    redis.set("{ql}:list", "not a list")

    assert meaning(error_of(redis, CRASH)) is Meaning.FAULTY
    assert meaning(error_of(redis, PUSHER, "{ql}:key", "{ql}:list")) is Meaning.FAULTY
    own = error_of(redis, OWN)
    assert meaning(own) is Meaning.REFUSED
    assert isinstance(exception(own), errors.LostLeaseError)
    redis.flushall()


def test_a_busy_server_is_waited_for_when_the_library_must_be_loaded(
    runner: Runner, redis: redis_py.Redis
) -> None:
    redis.function_flush()
    redis.function_load(LIBRARY)
    redis.config_set("busy-reply-threshold", 1)
    found: list[redis_py.ResponseError] = []
    path = redis.connection_pool.connection_kwargs["path"]
    with redis_py.Redis(unix_socket_path=path) as other:
        endless = threading.Thread(target=lambda: found.append(error_of(other, ENDLESS)))
        endless.start()
        while True:
            try:
                redis.ping()
            except redis_py.ResponseError:
                break
        killer = threading.Timer(0.2, redis.function_kill)
        killer.start()

        assert runner.run(put("job")).created

        killer.join()
        endless.join()
    redis.config_set("busy-reply-threshold", 5000)
    assert meaning(found[0]) is Meaning.FORBIDDEN


@pytest.mark.parametrize("code", REFUSALS)
def test_a_call_is_kept_until_writes_return_and_takes_effect_once(
    runner: Runner, redis: redis_py.Redis, code: str
) -> None:
    with contextlib.ExitStack() as refusing:
        refusing.enter_context(REFUSALS[code](redis))
        end = threading.Timer(0.2, refusing.close)
        end.start()

        replies = runner.run_many([put("first"), length(), put("second")])

        end.join()
    assert replies[0].created
    assert replies[2].created
    assert runner.run(length()) == 2


@pytest.mark.parametrize("code", REFUSALS)
def test_an_asyncio_call_is_kept_until_writes_return_and_takes_effect_once(
    server: servers.Server, redis: redis_py.Redis, code: str
) -> None:
    async def main() -> None:
        async with store.connect_async(server.url) as connection:
            with contextlib.ExitStack() as refusing:
                refusing.enter_context(REFUSALS[code](redis))
                end = threading.Timer(0.2, refusing.close)
                end.start()

                reply = await AsyncRunner(connection, "ql", policy=QUICK).run(put("job"))

                end.join()
            assert reply.created

    asyncio.run(main())


@pytest.mark.parametrize("code", REFUSALS)
def test_after_its_patience_a_call_raises_what_the_server_says(
    server: servers.Server, redis: redis_py.Redis, code: str
) -> None:
    async def main() -> None:
        async with store.connect_async(server.url) as connection:
            await AsyncRunner(connection, "ql", policy=SHORT).run(put("job"))

    with REFUSALS[code](redis), store.connect(server.url) as connection:
        with pytest.raises(redis_py.ResponseError, match=code):
            Runner(connection, "ql", policy=SHORT).run(put("job"))
        with pytest.raises(redis_py.ResponseError, match=code):
            asyncio.run(main())

    assert redis.dbsize() == 0


@pytest.mark.parametrize("is_async", [False, True])
def test_a_missing_permission_is_raised_at_once_unless_it_is_to_be_waited_for(
    redis: redis_py.Redis, server: servers.Server, *, is_async: bool
) -> None:
    keeps_on = ResendPolicy(limit=60, first_pause=0.01, retry_forbidden=True)

    def put_job(policy: ResendPolicy) -> bool:
        url = server.url + "?username=somebody&password=x"
        if not is_async:
            with store.connect(url) as connection:
                return Runner(connection, "ql", policy=policy).run(put("job")).created

        async def main() -> bool:
            async with store.connect_async(url) as connection:
                return (await AsyncRunner(connection, "ql", policy=policy).run(put("job"))).created

        return asyncio.run(main())

    def grant() -> None:
        redis.execute_command("ACL", "SETUSER", "somebody", "+@all")

    with user(redis, "~*", "&*", "+@all", "-@write"):
        with pytest.raises(errors.StoreError, match=r"lacks permissions.*ACL SETUSER somebody \+"):
            put_job(ResendPolicy(limit=600))
        operator = threading.Timer(0.2, grant)
        operator.start()

        assert put_job(keeps_on)

        operator.join()
