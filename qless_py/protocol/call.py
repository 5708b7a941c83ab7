"""One call of one script as a value: what is sent and how the reply is read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgpack

from qless_py.errors import QlessError

Arg = bytes | str | int | float
T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A script, its arguments without the time and the request, and the reader of its reply."""

    script: str
    args: tuple[Arg, ...]
    decode: Callable[[bytes | None], T]

    def map(self, change: Callable[[T], U]) -> "Call[U]":
        """Give the same call with its reply changed further."""
        decode = self.decode
        return Call(self.script, self.args, lambda reply: change(decode(reply)))


def pack(value: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """Pack a map or list as the scripts can read it; they know no `bin` and no `None`."""
    if not value and isinstance(value, Mapping):
        return b""
    packed: bytes = msgpack.packb(value, use_bin_type=False)
    return packed


def given(**options: Any) -> dict[str, Any]:
    """Give the options that have a value; an empty text or list counts as one."""
    return {name: value for name, value in options.items() if value is not None}


def unpack(reply: bytes | None) -> Any:
    """Read a reply whose strings are text; what is not UTF-8 keeps its bytes as surrogates."""
    if reply is None:
        return None
    return msgpack.unpackb(reply, unicode_errors="surrogateescape", strict_map_key=False)


def unpack_raw(reply: bytes | None) -> Any:
    """Read a reply that holds stored jobs or user data: every string stays bytes."""
    return None if reply is None else msgpack.unpackb(reply, raw=True, strict_map_key=False)


def original(text: str) -> bytes:
    """Give the bytes behind a text that `unpack` made."""
    return text.encode("utf-8", "surrogateescape")


def integer(reply: bytes | None) -> int:
    """Read a number."""
    return int(unpack(reply))


def decimal(reply: bytes | None) -> float:
    """Read a number that may come as text."""
    return float(unpack(reply))


def boolean(reply: bytes | None) -> bool:
    """Read a claim."""
    return bool(unpack(reply))


def done(reply: bytes | None) -> None:
    """Read the reply of a transition that has nothing to tell."""
    if reply is None:
        raise QlessError("the script gave no reply")


def text(reply: bytes | None) -> str:
    """Read a text."""
    return str(unpack(reply))


def texts(reply: bytes | None) -> list[str]:
    """Read a list of texts."""
    return [str(one) for one in unpack(reply)]


def mapping(reply: bytes | None) -> dict[str, Any]:
    """Read a map; an empty one arrives as a list."""
    return dict(unpack(reply) or {})


def numbered(value: Any) -> dict[int, int]:
    """Read a map from numbers to counts; one with the keys 1, 2, 3 … arrives as a list."""
    if isinstance(value, list):
        return {index: int(count) for index, count in enumerate(value, start=1)}
    return {int(key): int(count) for key, count in dict(value or {}).items()}
