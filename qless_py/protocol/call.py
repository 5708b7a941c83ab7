"""One call of one script as a value: what to send, and how to decode the reply."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, Protocol, TypeVar

import msgpack

from qless_py.errors import QlessError

Arg = bytes | str | int | float
_SERIES_LENGTH: Final = 48
_SEQUENCES: Final = 10**14
_LARGE: Final = 65_536  # Bytes; longer arguments are not copied.

T = TypeVar("T")
U = TypeVar("U")


class CallSpan(Protocol):
    """A span that ends once its calls were answered."""

    def answered(self, error: BaseException | None) -> None:
        """Record that one of the calls was answered, or refused with an error."""


@dataclass(slots=True)  # A frozen one takes three times as long to create.
class Call(Generic[T]):
    """A script, its arguments, and the decoder of its reply; never changed.

    The runner adds the clock and the request id, which makes the call safe to send again. A call
    with a `request` keeps that id: see `idempotent`. A `span` follows the call while tracing is on.
    """

    script: str
    args: tuple[Arg, ...]
    decode: Callable[[Any], T]
    request: str = ""
    span: CallSpan | None = None

    def map(self, change: Callable[[T], U]) -> "Call[U]":
        """Return the same call with `change` applied to its decoded reply."""
        decode = self.decode
        return Call(
            self.script,
            self.args,
            lambda reply: change(decode(reply)),
            self.request,
            self.span,
        )

    def raw(self) -> "Call[bytes | None]":
        """Return the same call with its reply left undecoded."""
        return Call(self.script, self.args, _undecoded, self.request, self.span)

    def idempotent(self, key: str, content: bytes, seconds: float) -> "Call[T]":
        """Return the same call, which the store carries out once within `seconds` for each key.

        Later calls with the key get the first reply; one with other `content` is refused with
        `IdempotencyKeyError`.
        """
        series = hashlib.sha256(key.encode()).hexdigest()[:_SERIES_LENGTH]
        sequence = int.from_bytes(hashlib.sha256(content).digest(), "big") % _SEQUENCES
        return replace(self, request=f"{series}:{sequence}:0:{max(round(seconds * 1000), 1)}")


def _undecoded(reply: bytes | None) -> bytes | None:
    return reply


def pack(value: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """Pack a map or list for the scripts, whose msgpack has no `bin` type and no `nil`."""
    if not value and isinstance(value, Mapping):
        return b""
    packed: bytes = msgpack.packb(value, use_bin_type=False)
    return packed


def in_bytes(commands: Iterable[Sequence[Arg]]) -> list[bytes]:
    """Return commands as the server reads them, in as few pieces as do not copy large arguments.

    redis-py packs any type of argument in any encoding, at three times the cost.
    """
    done: list[bytes] = []
    parts: list[bytes] = []
    for command in commands:
        parts.append(b"*%d\r\n" % len(command))
        for arg in command:
            if isinstance(arg, str):
                text = arg.encode()
            else:
                text = arg if isinstance(arg, bytes) else repr(arg).encode()
            if len(text) > _LARGE:
                done += [b"".join((*parts, b"$%d\r\n" % len(text))), text]
                parts = [b"\r\n"]
            else:
                parts.append(b"$%d\r\n%b\r\n" % (len(text), text))
    done.append(b"".join(parts))
    return done


def given(**options: Any) -> dict[str, Any]:
    """Return the options that are not `None`; empty text and empty lists stay."""
    return {name: value for name, value in options.items() if value is not None}


def unpack(reply: bytes | None) -> Any:
    """Decode a reply whose strings are text; bytes that are not UTF-8 become surrogates."""
    if reply is None:
        return None
    return msgpack.unpackb(reply, unicode_errors="surrogateescape", strict_map_key=False)


def unpack_all(packed: bytes) -> list[Any]:
    """Decode values that follow one another, whose strings are text."""
    unpacker = msgpack.Unpacker(unicode_errors="surrogateescape", strict_map_key=False)
    unpacker.feed(packed)
    return list(unpacker)


def unpack_raw(reply: bytes | None) -> Any:
    """Decode a reply that holds stored jobs or user data: every string stays bytes."""
    return None if reply is None else msgpack.unpackb(reply, raw=True, strict_map_key=False)


def original(text: str) -> bytes:
    """Return the bytes of a text decoded by `unpack`."""
    return text.encode("utf-8", "surrogateescape")


def integer(reply: bytes | None) -> int:
    """Decode an integer."""
    return int(unpack(reply))


def decimal(reply: bytes | None) -> float:
    """Decode a number that may come as text."""
    return float(unpack(reply))


def boolean(reply: bytes | None) -> bool:
    """Decode a truth value."""
    return bool(unpack(reply))


def done(reply: bytes | None) -> None:
    """Check the reply of a transition that returns nothing."""
    if reply is None:
        raise QlessError("the script returned no reply")


def seconds(reply: bytes | None) -> float:
    """Decode a time in ms as Unix seconds."""
    return int(unpack(reply)) / 1000


def text(reply: bytes | None) -> str:
    """Decode a text."""
    return str(unpack(reply))


def texts(reply: bytes | None) -> list[str]:
    """Decode a list of texts."""
    return [str(one) for one in unpack(reply)]


def mapping(reply: bytes | None) -> dict[str, Any]:
    """Decode a map; an empty one arrives as a list."""
    return dict(unpack(reply) or {})


def numbered(value: Any) -> dict[int, int]:
    """Return a map from numbers to counts; one with the keys 1, 2, 3 … arrives as a list."""
    if isinstance(value, list):
        return {index: int(count) for index, count in enumerate(value, start=1)}
    return {int(key): int(count) for key, count in dict(value or {}).items()}
