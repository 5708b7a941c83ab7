"""Access tokens: created once, checked by every request, revoked."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import time
from typing import Any

import msgpack
import pytest
import redis as redis_py

from qless_py import AlreadyExistsError, BadArgumentError, Client, Token, aio
from tests import servers
from tests.conftest import Clock
from tests.script_runner import Scripts


def stored(redis: redis_py.Redis, token: Token) -> dict[str, Any]:
    """Return what the store keeps of a token."""
    packed = redis.hget("{ql}:tokens", token.id)
    assert packed
    return dict(msgpack.unpackb(packed))


@pytest.fixture
def other(server: servers.Server, clock: Clock) -> Any:
    """Return a client of another process."""
    with contextlib.closing(Client(server.url, clock=clock)) as made:
        yield made


def test_only_the_hash_of_the_secret_is_stored(client: Client, redis: redis_py.Redis) -> None:
    new = client.tokens.create("ci", scopes=["put"], created_by="ann@laptop")
    prefix, token_id, secret = new.text.split("_")

    assert (prefix, token_id) == ("qlt", new.token.id)
    assert len(bytes.fromhex(secret)) * 8 == 192
    assert stored(redis, new.token)["digest"] == hashlib.sha256(secret.encode()).hexdigest()
    assert secret.encode() not in (redis.dump("{ql}:tokens") or b"")
    assert secret not in repr(new)
    (listed,) = client.tokens.all
    assert listed == new.token
    assert (listed.name, listed.created_by, listed.used_at) == ("ci", "ann@laptop", None)
    assert listed.created_at == client.settings.clock()


def test_a_token_is_recognized_by_its_whole_text(client: Client) -> None:
    new = client.tokens.create("ci", scopes=["put", "read"], queues=["mail*"])
    wrong = new.text[:-1] + ("0" if new.text[-1] != "0" else "1")

    assert client.tokens.verify(new.text) == new.token
    for text in (None, "", "qlt_", wrong, new.text + "0", f" {new.text}", new.text.upper(),
                 f"qlt_{'0' * 16}_{'0' * 48}", new.text.replace("_", "-")):  # fmt: skip
        assert client.tokens.verify(text) is None, text


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let so much time pass for what clients remember of tokens."""
    monkeypatch.setattr("qless_py.client.tokens.monotonic", lambda: time.monotonic() + seconds)


def test_a_revoked_token_is_refused_at_once_here_and_within_5_seconds_elsewhere(
    client: Client, other: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = client.tokens.create("ci", scopes=["put"])
    assert other.tokens.verify(new.text)

    assert client.tokens.revoke(new.token.id)
    assert client.tokens.verify(new.text) is None
    assert other.tokens.verify(new.text)
    later(monkeypatch, 5)
    assert other.tokens.verify(new.text) is None
    assert not client.tokens.revoke(new.token.id)
    assert client.tokens.all == []


def test_a_token_that_is_known_is_read_from_the_store_once_in_5_seconds(
    client: Client, redis: redis_py.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = client.tokens.create("ci", scopes=["put"])
    client.tokens.verify(new.text)

    redis.config_resetstat()
    for _ in range(10):
        client.tokens.verify(new.text)
    assert "cmdstat_fcall_ro" not in redis.info("commandstats")
    later(monkeypatch, 5)
    for _ in range(10):
        client.tokens.verify(new.text)
    assert redis.info("commandstats")["cmdstat_fcall_ro"]["calls"] == 1


def test_an_expired_token_is_refused_and_still_listed(client: Client, clock: Clock) -> None:
    at = dt.datetime.fromtimestamp(clock() + 60, dt.UTC)
    first = client.tokens.create("a", scopes=["put"], expires=at)
    second = client.tokens.create("b", scopes=["put"], expires=dt.timedelta(minutes=1))

    assert first.token.expires_at == second.token.expires_at == clock() + 60
    clock.advance(60)
    assert client.tokens.verify(first.text) is None
    assert client.tokens.verify(second.text) is None
    assert {one.name for one in client.tokens.all} == {"a", "b"}


def test_a_remembered_token_is_not_accepted_beyond_its_end(
    client: Client, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = client.tokens.create("ci", scopes=["put"], expires=2)
    assert client.tokens.verify(new.text)

    clock.advance(2)
    later(monkeypatch, 2)

    assert client.tokens.verify(new.text) is None


def test_the_last_use_is_written_once_a_minute(
    client: Client, other: Client, clock: Clock, redis: redis_py.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    new = client.tokens.create("ci", scopes=["put"])
    wrong = f"qlt_{new.token.id}_{'0' * 48}"
    start = clock()

    def used() -> Any:
        return stored(redis, new.token).get("used_at")

    assert client.tokens.verify(wrong) is None
    assert used() is None
    assert client.tokens.verify(new.text)
    assert used() == start * 1000
    for step in range(1, 6):
        clock.advance(10)
        later(monkeypatch, 10 * step)
        assert client.tokens.verify(new.text)
        assert other.tokens.verify(new.text)
        assert used() == start * 1000
    clock.advance(10)
    later(monkeypatch, 60)
    assert client.tokens.verify(new.text)
    assert used() == (start + 60) * 1000
    assert client.tokens.all[0].used_at == start + 60


def test_a_store_that_refuses_writes_still_answers_who_sent_a_request(
    client: Client, redis: redis_py.Redis, server: servers.Server, clock: Clock
) -> None:
    new = client.tokens.create("ci", scopes=["read"])
    redis.execute_command(
        "ACL", "SETUSER", "viewer", "reset", "on", ">pw", "~{ql}:*", "&{ql}:*",
        *("+fcall_ro", "+info", "+time", "+get", "+hget", "+hmget", "+exists"),
    )  # fmt: skip
    try:
        with contextlib.closing(
            Client(server.url, clock=clock, username="viewer", password="pw")
        ) as viewer:
            assert viewer.tokens.verify(new.text) == new.token
            assert viewer.tokens.verify(new.text) == new.token
    finally:
        redis.execute_command("ACL", "DELUSER", "viewer")
    assert client.tokens.all[0].used_at is None


def test_a_namespace_has_a_thousand_tokens_and_expired_ones_make_room(
    client: Client, call: Scripts, redis: redis_py.Redis, clock: Clock
) -> None:
    call("token_create", "t0", "0" * 64, {"name": "n", "scopes": ["put"], "expires_in": 1000})
    packed = redis.hget("{ql}:tokens", "t0")
    forever = dict(msgpack.unpackb(packed or b""))
    del forever["expires_at"]
    redis.hset("{ql}:tokens", mapping={f"t{n}": msgpack.packb(forever) for n in range(1, 1000)})

    with pytest.raises(BadArgumentError, match="1000 tokens already: revoke one first"):
        client.tokens.create("ci", scopes=["put"])
    assert len(client.tokens.all) == 1000
    clock.advance(1)
    client.tokens.create("ci", scopes=["put"])
    assert len(client.tokens.all) == 1000
    assert redis.hexists("{ql}:tokens", "t0") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scopes": []}, "scopes is empty"),
        ({"scopes": "put"}, "scopes 'put' is not a list"),
        ({"scopes": ["admin"]}, "scope 'admin' is none of put, work, read, operate, data"),
        ({"name": ""}, "name does not have 1 to 255 bytes"),
        ({"name": "a\nb"}, "not text without control characters"),
        ({"queues": []}, "queues has 0 patterns, not 1 to 20"),
        ({"queues": "mail"}, "queues 'mail' is not a list"),
        ({"queues": ["a b"]}, "queues holds 'a b', which is no name or pattern"),
        ({"queues": ["!mail"]}, "queues holds '!mail'"),
        ({"klasses": [""]}, "klasses does not have 1 to 255 bytes"),
        ({"klasses": [f"a{n}" for n in range(21)]}, "klasses has 21 patterns"),
        ({"expires": -1}, "expires -1 is not from 0.001"),
        ({"expires": "soon"}, "expires 'soon' is not a number"),
        ({"expires": dt.datetime.fromisoformat("2030-01-01")}, "has no time zone"),
        ({"created_by": 5}, "created_by 5"),
    ],
)
def test_a_wrong_argument_is_named(client: Client, arguments: Any, message: str) -> None:
    with pytest.raises(BadArgumentError, match=message):
        client.tokens.create(**{"name": "ci", "scopes": ["put"], **arguments})
    assert client.tokens.all == []


def test_an_id_is_not_a_token(client: Client) -> None:
    with pytest.raises(BadArgumentError, match="is not an id"):
        client.tokens.revoke("qlt_1_2")


def test_an_id_is_used_once(call: Scripts) -> None:
    given = {"name": "n", "scopes": ["put"]}
    call("token_create", "t0", "0" * 64, given)

    with pytest.raises(AlreadyExistsError, match="Token t0 exists"):
        call("token_create", "t0", "1" * 64, given)
    assert call("read/token", "t0")["digest"] == "0" * 64


@pytest.mark.parametrize(
    ("limits", "queue", "klass", "is_allowed"),
    [
        ({}, "mail", "app.mail.Send", True),
        ({}, None, None, True),
        ({"queues": ("mail*",)}, "mail-slow", "any.Thing", True),
        ({"queues": ("mail*",)}, "email", "any.Thing", False),
        ({"queues": ("a", "b")}, "b", None, True),
        ({"queues": ("a*c",)}, "abd", None, False),
        ({"klasses": ("app.mail.*",)}, "mail", "app.mail.Send", True),
        ({"klasses": ("app.mail.*",)}, "mail", "app.mailer.Send", False),
        ({"klasses": ("app.mail.*",)}, "mail", "os.system", False),
        ({"klasses": ("app.Mail",)}, "mail", "app.Mail.helper", False),
        ({}, "mail", "http", False),
        ({"klasses": ("*",)}, "mail", "http", False),
        ({"klasses": ("htt*",)}, "mail", "http", False),
        ({"klasses": ("http",)}, "mail", "http", True),
        ({"klasses": ("http",)}, "mail", "app.mail.Send", False),
    ],
)
def test_patterns_limit_queues_and_klasses(
    limits: Any, queue: str | None, klass: str | None, *, is_allowed: bool
) -> None:
    token = Token("t0", "n", ("put",), **limits)

    assert token.allows("put", queue, klass) is is_allowed
    assert not token.allows("work", queue, klass)


def test_patterns_of_tokens_match_the_queues_that_patterns_of_workers_match(client: Client) -> None:
    names = ("mail", "mail-slow", "e-mail", "mmail", "a-mail-b", "x")
    for name in names:
        client.queues[name].put("app.Send")

    for pattern in ("mail", "mail*", "*mail", "*mail*", "*", "m*m*l", "m*-*", "**x", "a*b*"):
        popped = client.pop([pattern], 50)
        for job in popped:
            job.release()

        token = Token("t0", "n", ("put",), queues=(pattern,))
        found = {name for name in names if token.allows_queue(name)}
        assert {job.queue_name for job in popped} == found, pattern


def test_the_asyncio_client_has_tokens_too(server: servers.Server, redis: redis_py.Redis) -> None:
    del redis

    async def trial() -> None:
        async with aio.Client(server.url) as client:
            new = await client.tokens.create("ci", scopes=["put"], klasses=["app.*"])
            assert await client.tokens.verify(new.text) == new.token
            assert (await client.tokens.all())[0].klasses == ("app.*",)
            assert await client.tokens.revoke(new.token.id)
            assert await client.tokens.verify(new.text) is None

    asyncio.run(trial())


def test_a_damaged_token_is_refused_and_not_listed(client: Client, redis: redis_py.Redis) -> None:
    new = client.tokens.create("ci", scopes=["put"])
    redis.hset("{ql}:tokens", new.token.id, msgpack.packb({"digest": 5}))

    assert client.tokens.verify(new.text) is None
    assert client.tokens.all == []
    assert client.tokens.revoke(new.token.id)
