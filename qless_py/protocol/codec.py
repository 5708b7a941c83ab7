"""How job data becomes bytes and back: JSON text, msgpack, or encrypted.

The name of the codec is stored with the job, so a client reads any job whose codec it knows.
"""

import base64
import hmac
import importlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NoReturn, Protocol

import msgpack

from qless_py.errors import BadArgumentError, ConfigError, UndecodableDataError

_NONCE_BYTES = 12
_KEY_BYTES = (16, 24, 32)
_MAX_KEY_ID = 255
_ENCRYPTED_VERSION = 1
_URL_SAFE = str.maketrans("-_", "+/")
_MAX_DEPTH: Final = 30  # An unencodable value below this many levels is reported at this one.


_write_json: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":")
).encode


class Codec(Protocol):
    """Turns values into bytes and back; the jid is there for codecs that bind data to its job.

    The codecs of this module also have `encode_named`, whose last argument says in error messages
    what the value is: data, result or progress.
    """

    @property
    def name(self) -> str:
        """The name stored with each job."""

    def encode(self, value: Any, jid: str) -> bytes:
        """Return the bytes of a value, at least one; raises `BadArgumentError` if it has none."""

    def decode(self, data: bytes, jid: str) -> Any:
        """Return the value of the bytes; raises `UndecodableDataError` if they have none."""


class JsonCodec:
    """JSON text in UTF-8. A value that is bytes already is JSON text and is kept byte for byte."""

    name = "json"

    def encode(self, value: Any, jid: str) -> bytes:
        """Write JSON; NaN and infinities, which are not JSON, are refused."""
        return self.encode_named(value, jid, "data")

    def encode_named(self, value: Any, jid: str, what: str) -> bytes:
        """Write JSON; error messages call the value `what`."""
        if isinstance(value, bytes):
            _checked(self, value, jid, what)
            return value
        try:
            return _to_json(value)
        except (TypeError, ValueError, RecursionError) as error:
            raise _unencodable("JSON", what, value, _to_json, error) from error

    def decode(self, data: bytes, jid: str) -> Any:
        """Read JSON."""
        try:
            return json.loads(data.decode(), parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise UndecodableDataError(f"data of {jid} is not JSON: {error}") from error


class MsgpackCodec:
    """msgpack: also bytes, and datetimes that know their time zone (they come back in UTC)."""

    name = "msgpack"

    def encode(self, value: Any, jid: str) -> bytes:
        """Write msgpack."""
        return self.encode_named(value, jid, "data")

    def encode_named(self, value: Any, jid: str, what: str) -> bytes:
        """Write msgpack; error messages call the value `what`."""
        del jid
        try:
            return _to_msgpack(value)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise _unencodable("msgpack", what, value, _to_msgpack, error) from error

    def decode(self, data: bytes, jid: str) -> Any:
        """Read msgpack."""
        try:
            return msgpack.unpackb(data, timestamp=3, strict_map_key=False)
        except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
            raise UndecodableDataError(f"data of {jid} is not msgpack: {error}") from error


class EncryptedCodec:
    """AES-GCM around another codec, bound to the jid, so data cannot be moved to another job.

    `keys` maps key ids to keys of 16, 24 or 32 bytes. The id travels with the data: to rotate, add
    a key and make it `current` (default: the last one); drop the old key when no job needs it.
    """

    name = "encrypted"

    def __init__(
        self, keys: Mapping[str, bytes], current: str | None = None, inner: Codec | None = None
    ) -> None:
        if not keys:
            raise ConfigError("the encrypted codec needs a key")
        for key_id, key in keys.items():
            if len(key) not in _KEY_BYTES or not 1 <= len(key_id.encode()) <= _MAX_KEY_ID:
                raise ConfigError(f"encryption key {key_id!r} does not have 16, 24 or 32 bytes")
        self._current = list(keys)[-1] if current is None else current
        if self._current not in keys:
            raise ConfigError(f"there is no encryption key {self._current!r}")
        self._keys = dict(keys)
        aead = _aead()
        self._ciphers = {key_id: aead.AESGCM(key) for key_id, key in keys.items()}
        self._broken = importlib.import_module("cryptography.exceptions").InvalidTag
        self._inner = JsonCodec() if inner is None else inner

    @classmethod
    def from_environment(
        cls,
        variable: str,
        inner: Codec | None = None,
        *,
        environ: Mapping[str, str] = os.environ,
    ) -> "EncryptedCodec":
        """Read the keys from an environment variable: `2025:KEY 2026:KEY`, the last one encrypts.

        Each key is 16, 24 or 32 bytes in Base64, as `openssl rand -base64 32` prints them. Raises
        `ConfigError`, which names the variable and never shows a key.
        """
        form = "expected ID:KEY with a key in Base64, such as 2026:$(openssl rand -base64 32)"
        entries = environ.get(variable, "").split()
        if not entries:
            raise ConfigError(f"environment variable {variable} is not set: {form}")
        keys: dict[str, bytes] = {}
        for number, entry in enumerate(entries, 1):
            key_id, _, encoded = entry.rpartition(":")
            try:
                key = base64.b64decode(encoded.translate(_URL_SAFE), validate=True)
            except ValueError:
                key = b""
            if not key_id or len(key) not in _KEY_BYTES or len(key_id.encode()) > _MAX_KEY_ID:
                raise ConfigError(f"environment variable {variable}: key {number} is wrong: {form}")
            if key_id in keys:
                raise ConfigError(f"environment variable {variable}: key id {number} is repeated")
            keys[key_id] = key
        return cls(keys, inner=inner)

    def encode(self, value: Any, jid: str) -> bytes:
        """Encrypt with the current key."""
        return self.encode_named(value, jid, "data")

    def encode_named(self, value: Any, jid: str, what: str) -> bytes:
        """Encrypt with the current key; error messages call the value `what`."""
        key_id = self._current.encode()
        head = bytes((_ENCRYPTED_VERSION, len(key_id))) + key_id
        nonce = os.urandom(_NONCE_BYTES)
        plain = encode(self._inner, value, jid, what)
        sealed: bytes = self._ciphers[self._current].encrypt(nonce, plain, head + jid.encode())
        return head + nonce + sealed

    def fingerprint(self, value: Any, jid: str) -> bytes:
        """Return the same bytes for the same value; without the key they reveal nothing of it."""
        return hmac.digest(self._keys[self._current], self._inner.encode(value, jid), "sha256")

    def decode(self, data: bytes, jid: str) -> Any:
        """Decrypt with the key that the data names; data of another job does not open."""
        if len(data) < 2 + _NONCE_BYTES or data[0] != _ENCRYPTED_VERSION:
            raise UndecodableDataError(f"data of {jid} is not encrypted data")
        end = 2 + data[1]
        head, nonce, sealed = data[:end], data[end : end + _NONCE_BYTES], data[end + _NONCE_BYTES :]
        cipher = self._ciphers.get(head[2:].decode("utf-8", "replace"))
        if cipher is None:
            raise UndecodableDataError(f"data of {jid} is encrypted with a key that is not here")
        try:
            plain: bytes = cipher.decrypt(nonce, sealed, head + jid.encode())
        except (self._broken, ValueError) as error:
            raise UndecodableDataError(f"data of {jid} does not open with its key") from error
        return self._inner.decode(plain, jid)


def encode(codec: Codec, value: Any, jid: str, what: str) -> bytes:
    """Return the bytes of a value; error messages call it `what`, if the codec can do that."""
    named: Callable[[Any, str, str], bytes] | None = getattr(codec, "encode_named", None)
    return codec.encode(value, jid) if named is None else named(value, jid, what)


def _checked(codec: Codec, data: bytes, jid: str, what: str) -> None:
    try:
        codec.decode(data, jid)
    except UndecodableDataError as error:
        raise BadArgumentError(f"{what} given as bytes is no {codec.name}: {error}") from error


def _to_json(value: Any) -> bytes:
    return _write_json(value).encode()


def _to_msgpack(value: Any) -> bytes:
    packed: bytes = msgpack.packb(value, use_bin_type=True, default=_pack_datetime)
    return packed


def _unencodable(
    form: str, what: str, value: Any, write: Callable[[Any], bytes], error: Exception
) -> BadArgumentError:
    """Return the error for a value that cannot be written, with the path of the part at fault."""
    path, part, is_key = _find_unencodable(value, write, what)
    hint = "convert it"
    match part:
        case float():
            thing = repr(part)
        case str():
            thing = "a lone surrogate"
        case dict() | list() | tuple() if not is_key:
            return BadArgumentError(f"{what} is not {form}-serializable: {error}, at {path}")
        case _:
            thing = type(part).__name__
            if isinstance(part, int):
                thing = "an integer of more than 64 bits"
            elif isinstance(part, datetime) and part.tzinfo is None:
                hint = "convert it, or give it a time zone and use the codec msgpack"
            elif form == "JSON" and isinstance(part, (bytes, datetime)) and not is_key:
                hint = "convert it, or use the codec msgpack"
    where = f"a key of {path}" if is_key else path
    return BadArgumentError(f"{what} is not {form}-serializable: {thing} at {where}; {hint}")


def _find_unencodable(
    value: Any, write: Callable[[Any], bytes], path: str
) -> tuple[str, Any, bool]:
    """Return the path of the first part that cannot be written, that part, and if it is a key."""
    for _ in range(_MAX_DEPTH):
        parts: Sequence[tuple[Any, Any]] = ()
        if isinstance(value, Mapping):
            parts = [*value.items()]
            key = next((key for key, _ in parts if not _is_writable({key: None}, write)), value)
            if key is not value:
                return path, key, True
        elif isinstance(value, (list, tuple)):
            parts = [*enumerate(value)]
        found = next((pair for pair in parts if not _is_writable(pair[1], write)), None)
        if found is None:
            break
        path, value = f"{path}[{found[0]!r}]", found[1]
    return path, value, False


def _is_writable(value: Any, write: Callable[[Any], bytes]) -> bool:
    try:
        write(value)
    except Exception:  # noqa: BLE001 - whichever it is, this is the part
        return False
    return True


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _pack_datetime(value: Any) -> msgpack.Timestamp:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return msgpack.Timestamp.from_datetime(value.astimezone(UTC))
    raise TypeError(f"{type(value).__name__} is not serialisable")


def _aead() -> Any:
    try:
        return importlib.import_module("cryptography.hazmat.primitives.ciphers.aead")
    except ImportError as error:
        raise ConfigError(
            "the encrypted codec needs the package cryptography: pip install qless_py[encrypted]"
        ) from error
