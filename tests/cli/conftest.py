"""Run the command line in this process against the private server."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from qless_py.cli import cli
from tests import servers


def pytest_itemcollected(item: pytest.Item) -> None:
    """Run these tests on one server only: the client hides which one it is."""
    item.add_marker(pytest.mark.any_server)


@dataclass(frozen=True, slots=True)
class Program:
    """`program("queues")` runs a command and gives its result; `json` reads its answer."""

    url: str | None

    def __call__(
        self, *words: str, code: int | None = 0, stdin: str | None = None, **environment: str
    ) -> Result:
        ended = CliRunner().invoke(
            cli, words, input=stdin, env={"QLESS_PY_URL": self.url, **environment}
        )
        if ended.exception is not None and not isinstance(ended.exception, SystemExit):
            raise ended.exception
        assert code is None or ended.exit_code == code, ended.output
        return ended

    def json(self, *words: str, code: int = 0, stdin: str | None = None) -> Any:
        return json.loads(self(*words, "--json", code=code, stdin=stdin).stdout)


@pytest.fixture
def program(server: servers.Server, redis: object) -> Program:
    """Return the program with an empty namespace as its store."""
    del redis  # wanted only so that the keyspace is empty
    return Program(server.url)


@pytest.fixture(autouse=True)
def _plain_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QLESS_PY_CONFIG", "QLESS_PY_ENV", "QLESS_PY_NAMESPACE", "REDIS_URL", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
