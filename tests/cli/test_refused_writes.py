"""What the command line does while the store refuses writes, or loads its file."""

from __future__ import annotations

import pytest
import redis as redis_py

from qless_py import Client
from tests import servers
from tests.cli.conftest import Program


@pytest.mark.parametrize(
    "words", [("queues",), ("job", "explain", "letter-1"), ("fsck",), ("failed", "groups")]
)
def test_commands_that_only_read_work(
    program: Program, live: Client, redis: redis_py.Redis, words: tuple[str, ...]
) -> None:
    live.queues["mail"].put("app.Send", jid="letter-1")

    with servers.unable_to_save(redis):
        program(*words)


def test_a_store_that_loads_its_file_is_reported_at_once(server_name: str) -> None:
    with servers.loading(server_name) as server:
        ended = Program(server.url)("queues", code=1)

    assert "loading" in ended.stderr
