"""Paging on a server whose locale orders text unlike sorted sets."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.conftest import Clock
from tests.lua.steps import put
from tests.script_runner import Scripts

LETTERS = [f"<U{number:04X}>" for number in range(128)]


def make_locale(folder: Path) -> None:
    """Make a locale that orders ASCII from its end to its beginning."""
    codes = "".join(f"{letter} /x{number:02x} name\n" for number, letter in enumerate(LETTERS))
    head = "<code_set_name> ANSI_X3.4-1968\n<escape_char> /\n<comment_char> %\n"
    (folder / "codes").write_text(f"{head}CHARMAP\n{codes}END CHARMAP\n")
    order = "\n".join(["order_start forward", *reversed(LETTERS), "order_end"])
    (folder / "source").write_text(
        f"escape_char /\ncomment_char %\nLC_COLLATE\n{order}\nEND LC_COLLATE\n"
    )
    # It complains of all other categories, and writes this one.
    subprocess.run(
        ["localedef", "-c", "-i", folder / "source", "-f", folder / "codes", folder / "backwards"],
        check=False,
        capture_output=True,
    )
    assert (folder / "backwards" / "LC_COLLATE").exists()


@pytest.fixture
def backwards(
    server: servers.Server, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scripts]:
    if shutil.which("localedef") is None:
        pytest.skip("localedef of the C library is missing")
    make_locale(tmp_path)
    monkeypatch.setenv("LOCPATH", str(tmp_path))
    monkeypatch.setenv("LC_COLLATE", "backwards")
    monkeypatch.delenv("LC_ALL", raising=False)
    with servers.running(server.name) as other, other.connect() as connection:
        assert connection.eval("return 'b' < 'a'", 0) == 1
        yield Scripts(connection, clock)


def all_pages(read: Callable[[Any], tuple[list[str], Any]]) -> list[str]:
    found, after = read("")
    while after:
        some, after = read(after)
        found += some
    return found


def test_pages_go_on_behind_the_last_row_whatever_the_locale(backwards: Scripts) -> None:
    names = [f"{letter}{number}" for letter in "aBcDeF" for number in range(5)]
    for name in names:
        put(backwards, name, tags=["t"])
        backwards("throttle_set", name, {"concurrency": 1})
        backwards("user_set", name, {"weight": 2})

    def jobs(source: dict[str, str]) -> list[str]:
        def read(after: Any) -> tuple[list[str], Any]:
            reply = backwards.raw("read/search", [source], after, 0, 4, 4, [])
            return [row[0].decode() for row in reply[b"found"]], reply.get(b"after")

        return all_pages(read)

    def rows(kind: str, *args: str) -> list[str]:
        def read(after: Any) -> tuple[list[str], Any]:
            reply = backwards.raw(f"read/{kind}s", *args, after, 4)
            found = reply[f"{kind}s".encode()]
            return [row[kind.encode()].decode() for row in found], reply.get(b"after")

        return all_pages(read)

    assert jobs({"set": "waiting", "queue": "q"}) == names
    assert jobs({"set": "tag", "name": "t"}) == sorted(names)
    assert rows("throttle") == sorted(names)
    assert rows("user", "") == sorted(names)
