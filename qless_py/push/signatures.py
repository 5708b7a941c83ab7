"""Sign outgoing requests, and verify incoming ones, by Standard Webhooks 1.0.0.

The headers `webhook-id`, `webhook-timestamp` and `webhook-signature` go with each request. The id
stays the same when a request is repeated, so that a receiver can recognize it. The signature is an
HMAC-SHA256 over `id.timestamp.body`; while a key is replaced there is one by each of the two keys.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from qless_py.errors import BadArgumentError, QlessError
from qless_py.protocol import signing_keys
from qless_py.protocol.signing_keys import LEAST, MOST

MAX_KEYS: Final = 2
TOLERANCE: Final = 300.0  # Seconds by which the clocks may differ.
_ID: Final = re.compile(r"[\x21-\x2d\x2f-\x7e]{1,256}", re.ASCII)  # Printable, without a dot.

new_key = signing_keys.new_key


class InvalidSignatureError(QlessError):
    """The request was not signed with one of the keys, was changed since, or is too old."""


def key_bytes(key: Any) -> bytes:
    """Return the bytes of a key; raise `BadArgumentError` if it is none. It is never shown."""
    found = signing_keys.decoded(key)
    if found is None:
        raise BadArgumentError("the signing key is not of the form whsec_<base64>")
    if not LEAST <= len(found) <= MOST:
        raise BadArgumentError(
            f"the signing key has {len(found)} bytes, not {LEAST} to {MOST}; "
            "qless_py.push.signatures.new_key() makes one"
        )
    return found


def key_list(keys: str | Iterable[str] | None) -> tuple[bytes, ...]:
    """Return the bytes of one key, of two while a key is replaced, or of none."""
    named = (keys,) if isinstance(keys, str) else tuple(keys or ())
    if len(named) > MAX_KEYS:
        raise BadArgumentError(f"{len(named)} signing keys, more than {MAX_KEYS}")
    return tuple(key_bytes(one) for one in named)


def message_id(text: str) -> str:
    """Return an id for `webhook-id`: the text itself, or its hash if it holds a dot.

    A dot would let an id run into the timestamp behind it.
    """
    if _ID.fullmatch(text):
        return text
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:32]


def sign(
    keys: Iterable[bytes], message: str, body: bytes, at: float | None = None
) -> dict[str, str]:
    """Return the three headers for a request; an empty dict without a key.

    `at` is the time of this attempt, in Unix seconds.
    """
    if not _ID.fullmatch(message):
        raise BadArgumentError(f"message id {message!r} holds a dot, or is no printable text")
    moment = str(int(time.time() if at is None else at))
    signatures = [f"v1,{_signature(key, message, moment, body)}" for key in keys]
    if not signatures:
        return {}
    return {
        "webhook-id": message,
        "webhook-timestamp": moment,
        "webhook-signature": " ".join(signatures),
    }


def verify(
    keys: str | Iterable[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float | None = None,
    tolerance: float = TOLERANCE,
) -> str:
    """Return the id of a request that one of the keys has signed within the last five minutes.

    Raises `InvalidSignatureError` for any other.
    """
    given = {name.lower(): value for name, value in headers.items()}
    message, moment = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    if not message or not (moment.isascii() and moment.isdecimal()):
        raise InvalidSignatureError("the request has no webhook-id or no webhook-timestamp")
    present = time.time() if now is None else now
    if abs(present - int(moment)) > tolerance:
        raise InvalidSignatureError(f"webhook-timestamp {moment} is not the present time")
    wanted = [_signature(key, message, moment, body).encode() for key in key_list(keys)]
    for one in given.get("webhook-signature", "").split(" "):
        version, _, signature = one.partition(",")
        found = signature.encode("utf-8", "backslashreplace")
        if version == "v1" and any(hmac.compare_digest(found, each) for each in wanted):
            return message
    raise InvalidSignatureError("no signature of the request is by one of the keys")


def _signature(key: bytes, message: str, moment: str, body: bytes) -> str:
    signed = b".".join((message.encode(), moment.encode(), body))
    return base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
