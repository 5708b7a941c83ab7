from __future__ import annotations

from pathlib import Path

import pytest

from qless_py import errors
from qless_py.store import urls

SECRET = "s3cr#t/?x"
QUOTED = "s3cr%23t%2F%3Fx"


@pytest.mark.parametrize(
    ("url", "kind", "hosts", "tls"),
    [
        ("redis://", "tcp", (("localhost", 6379),), False),
        ("redis://h:1/2", "tcp", (("h", 1),), False),
        ("redis://[::1]:7", "tcp", (("::1", 7),), False),
        ("REDISS://h", "tcp", (("h", 6379),), True),
        ("redis+sentinel://a,b:2/service/0", "sentinel", (("a", 26379), ("b", 2)), False),
        ("rediss+sentinel://a/service", "sentinel", (("a", 26379),), True),
        ("redis+cluster://a,b:2", "cluster", (("a", 6379), ("b", 2)), False),
    ],
)
def test_a_url_names_its_hosts(
    url: str, kind: str, hosts: tuple[urls.Address, ...], *, tls: bool
) -> None:
    found = urls.parse(url)

    assert (found.kind, found.hosts, found.tls) == (kind, hosts, tls)


def test_a_url_carries_user_password_database_and_options() -> None:
    found = urls.parse(f"redis://me:{QUOTED}@h/3?socket_timeout=2.5&client_name=x")

    assert found.options == {
        "username": "me",
        "password": SECRET,
        "db": 3,
        "socket_timeout": 2.5,
        "client_name": "x",
    }


def test_a_sentinel_url_names_the_service_and_the_sentinels_own_password() -> None:
    found = urls.parse("redis+sentinel://:a@h/my%20service/4?sentinel_password=b")

    assert found.service == "my service"
    assert found.options == {"password": "a", "db": 4, "sentinel_password": "b"}


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("unix:///run/redis.sock?db=1", "/run/redis.sock"),
        ("unix://me:pw@/run/a%20b@c.sock", "/run/a b@c.sock"),
        ("embedded:///var/my%20jobs", "/var/my jobs"),
    ],
)
def test_a_url_names_a_path(url: str, path: str) -> None:
    assert urls.parse(url).path == path


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:6379",
        "http://localhost",
        "redis://h:99999",
        "redis://h:x",
        "redis://a,b",
        "redis://h/x",
        "redis://h/0/1",
        "redis://h?socket_timeout=abc",
        "redis://[::1",
        "unix://",
        "unix:///",
        "embedded://folder",
        "embedded:///folder?db=1",
        "embedded:///a%00b",
        "redis+sentinel://h",
        "redis+sentinel:///service",
        "redis+cluster://",
        "redis+cluster://a,",
        "redis+cluster://h/1",
    ],
)
def test_a_bad_url_is_rejected(url: str) -> None:
    with pytest.raises(errors.StoreError):
        urls.parse(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hunter2@h",
        "redis://hunter2@h",
        "redis://me:hunter2@h:99999",
        "redis://me:hun/ter2@h",
        "redis://me:hun?ter2@h",
        "redis://me:hun#ter2@h",
        "redis://me:hun@ter2@h",
        "redis://h:hunter2",
        "redis://h?password=hunter2",
        "unix:///run/s?PASSWORD=hunter2",
        "redis+sentinel://:hunter2@h1,h2/service?sentinel_password=hunter2",
        "redis+cluster://:hunter2@h1,h2/1",
        "nonsense://:hunter2@h",
        "me:hunter2@h",
    ],
)
def test_a_password_is_shown_nowhere(url: str) -> None:
    texts = [urls.redacted(url)]

    try:
        found = urls.parse(url)
        texts += [str(found), repr(found)]
    except errors.StoreError as error:
        texts += [str(error), repr(error), repr(error.__cause__)]

    assert not [text for text in texts if "hunter2" in text or "ter2" in text]


def test_the_shown_url_still_says_who_and_where() -> None:
    assert urls.redacted("redis://me:pw@h:1/2?db=3") == "redis://me:***@h:1/2?db=3"
    assert urls.redacted("embedded:///a@b:c") == "embedded:///a@b:c"


def test_a_missing_url_is_looked_up_in_order() -> None:
    both = {"QLESS_PY_URL": "redis://a", "REDIS_URL": "redis://b"}

    assert urls.resolve("redis://x", environ=both) == "redis://x"
    assert urls.resolve(configured="redis://c", environ=both) == "redis://a"
    assert urls.resolve(configured="redis://c", environ={"REDIS_URL": "redis://b"}) == "redis://b"
    assert urls.resolve(configured="redis://c", environ={"REDIS_URL": ""}) == "redis://c"


def test_the_last_resort_is_the_users_own_embedded_store() -> None:
    absolute = urls.resolve(environ={"XDG_DATA_HOME": "/x y"})
    relative = urls.resolve(environ={"XDG_DATA_HOME": "x"})

    assert urls.parse(absolute).path == "/x y/qless_py"
    assert Path(urls.parse(relative).path) == Path.home() / ".local/share/qless_py"
