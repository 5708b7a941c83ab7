"""A library lives as long as its server: no call may leave anything in it for a later one."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis as redis_py

from qless_py import package
from qless_py.errors import QlessError
from qless_py.scripts import assemble
from tests import servers
from tests.conftest import Clock
from tests.lua.good_calls import good_calls, good_queries
from tests.population import populate
from tests.random_transitions import Mixture
from tests.script_runner import Scripts

ROOT = package.path("lua")
MODULES = sorted(str(file.relative_to(ROOT)) for file in (ROOT / "lib").rglob("*.lua"))
STEPS = 60
_LOCAL = re.compile(r"^local (?!function\b)(\w+(?:, \w+)*)(?: =|$)", re.MULTILINE)
_LAST = re.compile(r"^return ", re.MULTILINE)

# A text of everything that the tables of all modules hold.
WATCHED = """\
local watched, tables = {}, {}
function watched.add(name, value)
  tables[#tables + 1] = { name, value }
end
local function described(value, seen)
  if type(value) ~= "table" or seen[value] then
    return tostring(value)
  end
  seen[value] = true
  local parts = {}
  for key, item in pairs(value) do
    parts[#parts + 1] = tostring(key) .. "=" .. described(item, seen)
  end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end
function watched.text()
  return described(tables, {})
end
return watched
"""
QUERY = 'return cmsgpack.pack(require("lib.core.watched").text())\n'


def module_locals(text: str) -> list[str]:
    return [name for names in _LOCAL.findall(text) for name in names.split(", ")]


@pytest.mark.parametrize("file", MODULES)
def test_a_module_never_assigns_its_variables_once_it_is_made(file: str) -> None:
    compiler = shutil.which("luac5.1")
    assert compiler, "luac5.1 is missing (Debian: lua5.1)"

    listing = subprocess.run(
        [compiler, "-l", "-p", ROOT / file], check=True, capture_output=True, text=True
    ).stdout

    assigned = set(re.findall(r"SETUPVAL.*; (\w+)", listing))
    assert assigned.isdisjoint(module_locals((ROOT / file).read_text()))


@pytest.fixture
def watched(redis: redis_py.Redis, clock: Clock, tmp_path: Path) -> Iterator[Scripts]:
    """Run scripts of a library that shows by `read/watched` what its modules hold."""
    shutil.copytree(ROOT, tmp_path / "lua")
    for file in (tmp_path / "lua" / "lib").rglob("*.lua"):
        if file.name != "call.lua":  # All of it is set anew before each call.
            text = file.read_text()
            names = [f'watched.add("{file.stem}.{one}", {one})\n' for one in module_locals(text)]
            end = _LAST.search(text)
            assert end, file
            watch = f'local watched = require("lib.core.watched")\n{"".join(names)}'
            file.write_text(text[: end.start()] + watch + text[end.start() :])
    (tmp_path / "lua" / "lib" / "core" / "watched.lua").write_text(WATCHED)
    (tmp_path / "lua" / "read" / "watched.lua").write_text(QUERY)
    yield Scripts(redis, clock, library=assemble.assemble(tmp_path / "lua"))
    redis.function_flush()


def test_no_call_changes_what_modules_hold(watched: Scripts, clock: Clock) -> None:
    populate(watched)
    before = watched("read/watched")

    for name, arguments in good_queries().items():
        watched(name, *arguments)
    for name, arguments in good_calls(watched).items():
        with contextlib.suppress(QlessError):  # The calls before it have moved its job.
            watched(name, *arguments)
    mixture = Mixture(watched, clock, seed=1)
    for _ in range(5 * STEPS):
        mixture.step()

    assert b"reclaim" in before
    assert watched("read/watched") == before


class World:
    """Random transitions, many of them refused, in one namespace of one database."""

    def __init__(self, server: servers.Server, database: int, namespace: str) -> None:
        self.redis = redis_py.Redis(unix_socket_path=server.socket, db=database)
        clock = Clock()
        call = Scripts(self.redis, clock, namespace=namespace)
        self.mixture = Mixture(call, clock, seed=database + len(namespace))
        self.pattern = f"{{{namespace}}}:*"

    def digests(self) -> dict[bytes, bytes]:
        keys = sorted(map(bytes, self.redis.scan_iter(self.pattern)))
        found: list[bytes] = self.redis.execute_command("DEBUG", "DIGEST-VALUE", *keys)
        return dict(zip(keys, found, strict=True))


def worlds(server: servers.Server) -> list[World]:
    places = [(0, "ql"), (0, "other"), (1, "ql"), (1, "other")]
    return [World(server, *place) for place in places]


def test_calls_of_several_namespaces_and_databases_do_not_affect_each_other(
    server: servers.Server, redis: redis_py.Redis
) -> None:
    together = worlds(server)
    for _ in range(STEPS):
        for world in together:
            world.mixture.step()
    found = [(world.mixture.trace, world.digests()) for world in together]

    redis.flushall()
    alone = worlds(server)
    for world in alone:
        redis.function_flush()  # So that it has a library that no other has used.
        for _ in range(STEPS):
            world.mixture.step()

    assert [(world.mixture.trace, world.digests()) for world in alone] == found
    assert all("Error(" in "".join(trace) and len(keys) > 20 for trace, keys in found)
    for world in (*together, *alone):
        world.redis.close()
