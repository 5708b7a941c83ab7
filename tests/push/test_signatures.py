"""Standard Webhooks signatures, checked with the reference library of the standard."""

from __future__ import annotations

import base64
import datetime as dt
import re
import time

import pytest
import standardwebhooks

from qless_py.errors import BadArgumentError
from qless_py.push import signatures
from qless_py.push.signatures import InvalidSignatureError

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
# The example of the specification's reference libraries.
ID, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}'
AT = 1614265330


def test_a_signature_is_the_one_that_the_standard_shows() -> None:
    signed = signatures.sign(signatures.key_list(KEY), ID, BODY, AT)
    assert signed == {
        "webhook-id": ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("body", [b"", b"{}", "käse ☃".encode(), b"x" * 100_000])
def test_the_reference_library_accepts_what_is_signed_here(body: bytes) -> None:
    key = signatures.new_key()
    signed = signatures.sign(signatures.key_list(key), "job-1", body)
    webhook = standardwebhooks.Webhook(key)
    if body == b"{}":
        assert webhook.verify(body, signed) == {}
    else:
        moment = dt.datetime.fromtimestamp(int(signed["webhook-timestamp"]), dt.UTC)
        made = webhook.sign("job-1", moment, body.decode())
        assert signed["webhook-signature"] == made


def test_what_the_reference_library_signs_is_verified_here() -> None:
    key = signatures.new_key()
    moment = dt.datetime.now(dt.UTC)
    headers = {
        "Webhook-Id": "m1",
        "Webhook-Timestamp": str(int(moment.timestamp())),
        "Webhook-Signature": standardwebhooks.Webhook(key).sign("m1", moment, "{}"),
    }
    assert signatures.verify(key, headers, b"{}") == "m1"


def test_while_a_key_is_replaced_receivers_with_either_key_accept() -> None:
    old, new = signatures.new_key(), signatures.new_key()
    signed = signatures.sign(signatures.key_list([new, old]), "m1", b"{}")
    assert len(signed["webhook-signature"].split(" ")) == 2
    for key in (old, new):
        assert standardwebhooks.Webhook(key).verify(b"{}", signed) == {}
        assert signatures.verify(key, signed, b"{}") == "m1"
    assert signatures.verify([signatures.new_key(), old], signed, b"{}") == "m1"


def test_without_a_key_nothing_is_signed() -> None:
    assert signatures.sign(signatures.key_list(None), "m1", b"") == {}


def test_a_forged_changed_or_old_request_is_refused() -> None:
    signed = signatures.sign(signatures.key_list(KEY), "m1", b"{}", AT)
    assert signatures.verify(KEY, signed, b"{}", now=AT + 299) == "m1"
    for change, body, now in [
        ({}, b"{ }", AT),
        ({"webhook-id": "m2"}, b"{}", AT),
        ({"webhook-timestamp": str(AT + 1)}, b"{}", AT),
        ({"webhook-timestamp": "now"}, b"{}", AT),
        ({"webhook-timestamp": "²"}, b"{}", AT),
        ({"webhook-signature": signed["webhook-signature"].replace("v1,", "v2,")}, b"{}", AT),
        ({"webhook-signature": "v1,\ud800é"}, b"{}", AT),
        ({"webhook-signature": ""}, b"{}", AT),
        ({"webhook-id": ""}, b"{}", AT),
        ({}, b"{}", AT + 301),
        ({}, b"{}", AT - 301),
    ]:
        with pytest.raises(InvalidSignatureError):
            signatures.verify(KEY, {**signed, **change}, body, now=now)
    with pytest.raises(InvalidSignatureError, match="by one of the keys"):
        signatures.verify(signatures.new_key(), signed, b"{}", now=AT)
    with pytest.raises(InvalidSignatureError, match="present time"):
        signatures.verify(KEY, signed, b"{}")


def test_a_new_key_has_32_bytes_and_the_form_of_the_standard() -> None:
    key = signatures.new_key()
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", key)
    assert len(signatures.key_bytes(key)) == 32
    assert key != signatures.new_key()


@pytest.mark.parametrize("size", [23, 65])
def test_a_key_of_the_wrong_size_is_refused_without_being_shown(size: int) -> None:
    key = "whsec_" + base64.b64encode(b"s" * size).decode()
    with pytest.raises(BadArgumentError, match=f"has {size} bytes, not 24 to 64") as caught:
        signatures.key_list(key)
    assert key[6:] not in str(caught.value)


def test_a_key_that_is_not_base64_is_refused_and_so_are_three_keys() -> None:
    with pytest.raises(BadArgumentError, match="whsec_<base64>"):
        signatures.key_bytes("hunter2!")
    with pytest.raises(BadArgumentError, match="3 signing keys"):
        signatures.key_list([KEY, KEY, KEY])


def test_an_id_with_a_dot_cannot_run_into_the_timestamp() -> None:
    with pytest.raises(BadArgumentError, match="holds a dot"):
        signatures.sign(signatures.key_list(KEY), "m.1", b"")
    assert signatures.message_id("a-b") == "a-b"
    replaced = signatures.message_id("a.b")
    assert re.fullmatch("[0-9a-f]{32}", replaced)
    assert replaced == signatures.message_id("a.b") != signatures.message_id("a.c")


def test_the_timestamp_is_that_of_the_attempt() -> None:
    before = int(time.time())
    signed = signatures.sign(signatures.key_list(KEY), "m1", b"")
    assert before <= int(signed["webhook-timestamp"]) <= time.time()
