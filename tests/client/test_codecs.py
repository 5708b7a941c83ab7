"""How codecs encode and decode job data."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qless_py import (
    BadArgumentError,
    Client,
    Codec,
    ConfigError,
    DataTooLargeError,
    EncryptedCodec,
    JsonCodec,
    MsgpackCodec,
    UndecodableDataError,
)
from tests.client.test_queue import found, taken
from tests.conftest import Clock
from tests.servers import Server

ONE, TWO = bytes(range(32)), bytes(range(32, 64))

NOW = datetime(2030, 1, 2, tzinfo=UTC)

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON_VALUES = st.recursive(
    PLAIN | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner)
)


@pytest.fixture
def opened(server: Server, client: Client, clock: Clock) -> Callable[..., Client]:
    del client  # so that the keyspace is empty and the connection is closed at the end
    return lambda **options: Client(server.url, clock=clock, **options)


@given(JSON_VALUES)
def test_json_gives_back_any_json_value(value: Any) -> None:
    codec = JsonCodec()

    assert codec.decode(codec.encode(value, "j"), "j") == value


@given(JSON_VALUES)
def test_encrypted_gives_back_any_json_value(value: Any) -> None:
    codec = EncryptedCodec({"k": ONE})

    assert codec.decode(codec.encode(value, "j"), "j") == value


@given(st.binary())
def test_bytes_that_mean_nothing_are_a_named_error(data: bytes) -> None:
    codecs: list[Codec] = [JsonCodec(), MsgpackCodec(), EncryptedCodec({"k": ONE})]
    for codec in codecs:
        try:
            codec.decode(data, "j")
        except UndecodableDataError:
            continue


def test_json_is_text_that_people_can_read() -> None:
    assert JsonCodec().encode({"name": "Zoë", "n": [1, 2.5]}, "j") == (
        '{"name":"Zoë","n":[1,2.5]}'.encode()
    )


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), {1, 2}, object(), "\ud800", b"\xff", b"{", [[]] * 1 + [print]],
)
def test_what_is_not_json_is_rejected_before_it_is_sent(client: Client, value: Any) -> None:
    with pytest.raises(BadArgumentError):
        client.queues["q"].put("k", value)

    assert client.redis.dbsize() == 0


def test_data_that_contains_itself_or_is_too_deep_is_rejected(client: Client) -> None:
    loop: list[Any] = []
    loop.append(loop)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    for value in (loop, deep):
        with pytest.raises(BadArgumentError):
            client.queues["q"].put("k", value)
    while deep:
        deep = deep[0]  # taken apart by hand: the interpreter would recurse


def test_json_that_is_too_deep_to_read_is_undecodable() -> None:
    with pytest.raises(UndecodableDataError):
        JsonCodec().decode(b"[" * 200_000, "j")


def test_data_over_the_limit_is_rejected(client: Client) -> None:
    client.config["max-data-size"] = 100

    with pytest.raises(DataTooLargeError):
        client.queues["q"].put("k", "x" * 101)
    assert client.queues["q"].put("k", "x" * 98)


def test_msgpack_carries_bytes_and_instants(client: Client) -> None:
    data = {"raw": b"\x00\xff", "at": datetime(2026, 11, 21, 12, 0, 0, 250_000, UTC), 1: None}
    client.queues["q"].put("k", data, codec="msgpack", jid="j")

    job = taken(client)
    job["more"] = True
    job.complete(result=b"\x01")

    stored = found(client, "j")
    assert (stored.data, stored.result) == ({**data, "more": True}, b"\x01")
    assert stored.codec_name == "msgpack"


def test_msgpack_refuses_an_instant_without_time_zone() -> None:
    with pytest.raises(BadArgumentError):
        MsgpackCodec().encode(datetime(2026, 11, 21), "j")  # noqa: DTZ001 - the point of it


def test_a_client_writes_with_its_codec_and_reads_all(opened: Callable[..., Client]) -> None:
    with opened(codec="msgpack") as packing, opened() as plain:
        packing.queues["q"].put("k", {"n": b"1"}, jid="a")
        packing.queues["q"].put("k", {"n": 1}, jid="b", codec="json")

        assert found(plain, "a").data == {"n": b"1"}
        assert found(plain, "b").raw == b'{"n":1}'


def test_an_unknown_codec_is_rejected(client: Client, opened: Callable[..., Client]) -> None:
    with pytest.raises(BadArgumentError):
        client.queues["q"].put("k", codec="pickle")
    with pytest.raises(BadArgumentError):
        opened(codec="pickle")


def test_encrypted_data_is_hidden_and_readable_with_the_key(opened: Callable[..., Client]) -> None:
    with opened(codec=EncryptedCodec({"k": ONE})) as secret, opened() as plain:
        secret.queues["q"].put("k", {"card": "4111"}, jid="j")

        assert b"4111" not in found(plain, "j").raw
        with pytest.raises(UndecodableDataError, match="codec"):
            _ = found(plain, "j").data
        job = taken(secret)
        job["paid"] = True
        job.complete(result="ok")
        assert found(secret, "j").data == {"card": "4111", "paid": True}
        assert found(secret, "j").result == "ok"


def test_encrypted_data_cannot_be_moved_to_another_job() -> None:
    codec = EncryptedCodec({"k": ONE})
    data = codec.encode("for one", "one")

    with pytest.raises(UndecodableDataError):
        codec.decode(data, "two")


def test_encryption_keys_rotate() -> None:
    old = EncryptedCodec({"one": ONE})
    both = EncryptedCodec({"one": ONE, "two": TWO})
    new = EncryptedCodec({"two": TWO})

    assert both.decode(old.encode("x", "j"), "j") == "x"
    assert new.decode(both.encode("x", "j"), "j") == "x"
    assert old.decode(EncryptedCodec({"one": ONE, "two": TWO}, "one").encode("x", "j"), "j") == "x"
    with pytest.raises(UndecodableDataError, match="not here"):
        new.decode(old.encode("x", "j"), "j")


def test_an_encrypted_job_only_read_is_not_written_again(opened: Callable[..., Client]) -> None:
    with opened(codec=EncryptedCodec({"k": ONE})) as secret:
        secret.queues["q"].put("k", {"n": 1}, jid="j")
        job = taken(secret)
        before = job.raw

        assert job["n"] == 1
        job.complete()

        assert found(secret, "j").raw == before


def test_encrypted_follow_ups_are_put_once_too(opened: Callable[..., Client]) -> None:
    with opened(codec=EncryptedCodec({"k": ONE})) as secret:
        secret.queues["q"].put("k", {"n": 1})
        first = taken(secret)
        jid = first.put("next", "k", {"secret": 1})
        first.release()

        second = taken(secret)

        assert second.put("next", "k", {"secret": 1}) == jid
        second.complete()
        assert found(secret, jid).data == {"secret": 1}


def test_encrypted_data_cannot_replace_that_of_another_job(opened: Callable[..., Client]) -> None:
    with opened(codec=EncryptedCodec({"k": ONE})) as secret, pytest.raises(BadArgumentError):
        secret.queues["q"].put("k", unique_key="once", unique_conflict="replace")


def test_children_of_an_encrypted_recurring_job_are_readable(
    opened: Callable[..., Client], clock: Clock
) -> None:
    with opened(codec=EncryptedCodec({"k": ONE})) as secret:
        secret.queues["q"].recur("k", {"n": 1}, 60)
        clock.advance(1)

        child = taken(secret)
        child["n"] += 1
        child.complete()

        assert found(secret, child.jid).data == {"n": 2}


@pytest.mark.parametrize("keys", [{}, {"k": b"short"}, {"": ONE}, {"k" * 300: ONE}])
def test_unusable_keys_are_rejected(keys: dict[str, bytes]) -> None:
    with pytest.raises(ConfigError):
        EncryptedCodec(keys)
    with pytest.raises(ConfigError):
        EncryptedCodec({"k": os.urandom(32)}, current="other")


def test_a_custom_codec_is_used_by_name(opened: Callable[..., Client]) -> None:
    class Reversed:
        name = "reversed"

        def encode(self, value: Any, jid: str) -> bytes:
            del jid
            return str(value)[::-1].encode()

        def decode(self, data: bytes, jid: str) -> Any:
            del jid
            return data.decode()[::-1]

    with opened(codecs=[Reversed()]) as mine:
        mine.queues["q"].put("k", "abc", jid="j", codec="reversed")

        assert found(mine, "j").raw == b"cba"
        assert found(mine, "j").data == "abc"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({1, 2}, "set at data; convert it"),
        ({"a": [0, {"b": Decimal(1)}]}, "Decimal at data['a'][1]['b']; convert it"),
        ([b"raw"], "bytes at data[0]; convert it, or use the codec msgpack"),
        ({"at": NOW}, "datetime at data['at']; convert it, or use the codec msgpack"),
        ([float("nan")], "nan at data[0]; convert it"),
        ({"a": "\ud800"}, "a lone surrogate at data['a']; convert it"),
        ({"a": {(1, 2): 3}}, "tuple at a key of data['a']; convert it"),
    ],
)
def test_the_part_that_is_no_json_is_named(client: Client, value: Any, message: str) -> None:
    with pytest.raises(BadArgumentError) as raised:
        client.queues["q"].put("app.x", value)

    assert str(raised.value) == f"data is not JSON-serializable: {message}"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([2**64], "an integer of more than 64 bits at data[0]; convert it"),
        ({"a": Decimal(1)}, "Decimal at data['a']; convert it"),
        (
            [NOW.replace(tzinfo=None)],
            "datetime at data[0]; convert it, or give it a time zone and use the codec msgpack",
        ),
    ],
)
def test_the_part_that_is_no_msgpack_is_named(value: Any, message: str) -> None:
    with pytest.raises(BadArgumentError) as raised:
        MsgpackCodec().encode(value, "j")

    assert str(raised.value) == f"data is not msgpack-serializable: {message}"


def test_a_value_in_itself_is_refused_like_any_other() -> None:
    endless: list[Any] = []
    endless.append(endless)
    for codec in (JsonCodec(), MsgpackCodec(), EncryptedCodec({"k": ONE})):
        with pytest.raises(BadArgumentError, match=r"data is not \w+-serializable"):
            codec.encode({"a": endless}, "j")


@pytest.mark.parametrize("codec", [JsonCodec(), MsgpackCodec(), EncryptedCodec({"k": ONE})])
def test_an_error_says_which_value_of_a_job_it_is_about(
    opened: Callable[..., Client], codec: Codec
) -> None:
    client = opened(codec=codec)
    client.queues["q"].put("app.x", {})
    job = taken(client, "q")

    for call, what in (
        (lambda: job.complete(result={"total": Decimal(1)}), "result"),
        (lambda: job.set_progress({"total": Decimal(1)}), "progress"),
        (lambda: job.log("x", {"total": Decimal(1)}), "data of the log entry"),
    ):
        with pytest.raises(BadArgumentError, match=rf"^{what} is .* Decimal at {what}\['total'\]"):
            call()
