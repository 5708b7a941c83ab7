from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis as redis_py
import redis.asyncio as async_redis

from qless_py import errors, store
from qless_py.store import server_check
from tests import servers
from tests.store.ports import free_port

PASSWORD = "hunter2"


@pytest.fixture
def evicting(redis: redis_py.Redis) -> Iterator[redis_py.Redis]:
    redis.config_set("maxmemory-policy", "volatile-lru")
    yield redis
    redis.config_set("maxmemory", 0)
    redis.config_set("maxmemory-policy", "noeviction")


@pytest.fixture
def guarded(redis: redis_py.Redis) -> Iterator[redis_py.Redis]:
    redis.config_set("requirepass", PASSWORD)
    yield redis
    redis.config_set("requirepass", "")


def test_the_environment_names_the_store(
    server: servers.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QLESS_PY_URL", server.url)

    with store.connect() as connection:
        assert connection.ping()


def test_without_any_url_the_store_is_embedded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("QLESS_PY_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))

    with store.connect() as connection:
        assert connection.ping()

    assert (tmp_path / "qless_py" / "appendonlydir").is_dir()


def test_nothing_is_connected_before_the_first_command() -> None:
    with (
        store.connect("redis://127.0.0.1:1") as connection,
        pytest.raises(redis_py.ConnectionError),
    ):
        connection.ping()


def test_the_library_itself_never_tries_a_command_again(server: servers.Server) -> None:
    with store.connect(server.url) as connection:
        made = connection.connection_pool.make_connection()

        assert made.retry._retries == 0
        assert made.retry_on_error == []


@pytest.mark.parametrize("option", ["retry", "retry_on_error", "retry_on_timeout"])
def test_options_that_would_run_a_script_twice_are_rejected(option: str) -> None:
    with pytest.raises(errors.StoreError, match=option):
        store.connect("redis://h", connection_pool=None, **{option: "1"})
    with pytest.raises(errors.StoreError, match=option):
        store.connect(f"redis://h?{option}=1")


@pytest.mark.parametrize(
    "url", ["redis://h", "unix:///s", "embedded:///f", "redis+cluster://h", "redis+sentinel://h/s"]
)
def test_an_unknown_option_is_rejected_at_once(url: str) -> None:
    for connect in (store.connect, store.connect_async):
        with pytest.raises(errors.StoreError, match="colour"):
            connect(url, colour="red")


def test_an_existing_pool_is_used_and_left_open(server: servers.Server) -> None:
    pool = redis_py.ConnectionPool(redis_py.UnixDomainSocketConnection, path=server.socket)
    with contextlib.closing(pool):
        with store.connect(connection_pool=pool) as connection:
            connection.ping()

        assert connection.connection_pool is pool
        assert pool.get_connection()._sock is not None


def test_a_pool_with_options_is_rejected() -> None:
    pool = redis_py.ConnectionPool()

    with pytest.raises(errors.StoreError, match="only"):
        store.connect("redis://h", connection_pool=pool)
    with pytest.raises(errors.StoreError, match="only"):
        store.connect_async(connection_pool=async_redis.ConnectionPool(), db=1)


def test_a_server_that_evicts_is_rejected_by_every_connection(
    server: servers.Server, evicting: redis_py.Redis
) -> None:
    evicting.config_set("maxmemory", 100_000_000)
    pool = redis_py.ConnectionPool(redis_py.UnixDomainSocketConnection, path=server.socket)

    async def ping() -> None:
        async with store.connect_async(server.url) as connection:
            await connection.ping()

    with (
        contextlib.closing(pool),
        store.connect(server.url) as own,
        store.connect(connection_pool=pool) as given,
    ):
        for _ in range(2):
            with pytest.raises(errors.StoreError, match="noeviction"):
                own.ping()
            with pytest.raises(errors.StoreError, match="noeviction"):
                given.ping()
    with pytest.raises(errors.StoreError, match="noeviction"):
        asyncio.run(ping())


def test_a_server_that_could_evict_is_warned_about(
    server: servers.Server, evicting: redis_py.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    del evicting
    with store.connect(server.url) as connection:
        connection.ping()

    assert "volatile-lru" in caplog.text
    assert "could take effect twice" in caplog.text


def test_a_server_that_writes_nothing_down_is_warned_about_once(
    server: servers.Server, caplog: pytest.LogCaptureFixture
) -> None:
    with store.connect(server.url) as connection:
        connection.ping()
        connection.connection_pool.disconnect()
        connection.ping()

    assert caplog.text.count("appendonly yes") == 1


def test_a_server_that_loads_its_file_is_warned_about_only_once_it_has(
    server_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with servers.loading(server_name) as server, store.connect(server.url) as connection:
        with pytest.raises(redis_py.BusyLoadingError):
            connection.ping()
        before = caplog.text
        servers.finish_loading(server)
        connection.connection_pool.disconnect()
        connection.ping()

    assert (before, caplog.text.count("appendonly yes")) == ("", 1)


def test_a_server_that_writes_everything_down_is_not_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with store.connect(f"embedded://{tmp_path}/data") as connection:
        connection.ping()

    assert caplog.text == ""


@pytest.mark.parametrize(
    ("info", "fine"),
    [
        (b"redis_version:7.0.0", True),
        (b"redis_version:10.1.0", True),
        (b"redis_version:6.2.14", False),
        (b"redis_version:7.2.4\r\nvalkey_version:8.0.1", True),
        (b"redis_version:7.2.4\r\nvalkey_version:7.2.9", False),
    ],
)
def test_a_server_that_is_too_old_is_rejected(info: bytes, *, fine: bool) -> None:
    if fine:
        server_check.check_server("here", info, None)
        return

    with pytest.raises(errors.StoreError, match="oldest"):
        server_check.check_server("here", info, None)


def test_a_server_that_shows_nothing_is_used_with_a_warning(
    server: servers.Server, redis: redis_py.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    redis.acl_setuser("shy", enabled=True, nopass=True, commands=["+ping"], keys=["*"])

    with store.connect(server.url, username="shy", password="any") as connection:
        assert connection.ping()

    redis.acl_deluser("shy")
    assert "refuses INFO" in caplog.text


def test_a_password_reaches_the_server_and_nothing_else(
    server: servers.Server,
    guarded: redis_py.Redis,
    caplog: pytest.LogCaptureFixture,
) -> None:
    del guarded
    caplog.set_level(logging.DEBUG)
    url = f"unix://:{PASSWORD}@{server.socket}"

    with store.connect(url) as connection:
        assert connection.ping()
        shown = [repr(connection), repr(connection.connection_pool), str(store.parse(url))]
        shown.append(repr(connection.connection_pool.make_connection()))

    assert PASSWORD not in "".join([*shown, caplog.text])


def test_an_error_of_the_connection_does_not_tell_the_password() -> None:
    with (
        store.connect(f"redis://:{PASSWORD}@127.0.0.1:1") as connection,
        pytest.raises(redis_py.ConnectionError) as caught,
    ):
        connection.ping()

    assert PASSWORD not in f"{caught.value!r}{caught.value}{caught.value.__context__!r}"


def test_sentinels_that_do_not_answer_are_named_by_their_addresses() -> None:
    url = "redis+sentinel://127.0.0.1:1,127.0.0.1:2/service/0"
    wanted = r"'service' by the sentinels 127.0.0.1:1, 127.0.0.1:2: no sentinel answers$"

    async def ping() -> None:
        async with store.connect_async(url) as connection:
            await connection.ping()

    with store.connect(url) as connection, pytest.raises(redis_py.ConnectionError, match=wanted):
        connection.ping()
    with pytest.raises(redis_py.ConnectionError, match=wanted):
        asyncio.run(ping())


def test_a_server_is_reached_over_tls(tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    port = free_port()
    settings = ["--tls-port", str(port), "--tls-auth-clients", "no"]
    settings += ["--tls-cert-file", str(certificate), "--tls-key-file", str(key)]

    with servers.running("redis", *settings):
        with store.connect(f"rediss://localhost:{port}?ssl_ca_certs={certificate}") as trusting:
            assert trusting.ping()
        with (
            store.connect(f"rediss://localhost:{port}") as wary,
            pytest.raises(redis_py.ConnectionError) as caught,
        ):
            wary.ping()

    assert isinstance(caught.value.__context__, ssl.SSLCertVerificationError)


def test_the_choice_of_the_embedded_store_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    environ = {"XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}

    with caplog.at_level(logging.INFO, "qless_py.store.urls"):
        urls = {store.resolve(environ=environ) for _ in range(3)}
        store.resolve("redis://named", environ=environ)

    assert urls == {f"embedded://{tmp_path}/qless_py"}
    (line,) = [one.getMessage() for one in caplog.records]
    assert str(tmp_path) in line
    assert "QLESS_PY_URL" in line
