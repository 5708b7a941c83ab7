"""Commands are packed as the server reads them."""

from __future__ import annotations

import pytest
import redis

from qless_py.protocol.call import Arg, in_bytes


@pytest.mark.parametrize(
    "commands",
    [
        [("EVALSHA", "f" * 40, 1, "{ql}:meta", "", "s:1:0", "mail", b"{}", b"")],
        [("SCRIPT", "LOAD", "return 'ü€'"), ("EVALSHA", 0, -1, 2.5, 1e300)],
        [("SET", "key", b"\r\n$0\r\n" * 3), ("SET", "key", b"\xff\x00")],
        [("SET", "key", b"x" * 100_000, "y" * 70_000, "z"), ("GET", "key")],
        [("GET", str(number)) for number in range(100)],
    ],
)
def test_commands_are_packed_as_by_redis_py(commands: list[tuple[Arg, ...]]) -> None:
    assert b"".join(in_bytes(commands)) == b"".join(redis.Connection().pack_commands(commands))


def test_a_large_argument_is_not_copied() -> None:
    data = b"x" * 1_000_000

    pieces = in_bytes([("SET", "key", data), ("GET", "key")])

    assert any(piece is data for piece in pieces)
    assert len(pieces) == 3
