"""Rate limit of wrong passwords and tokens."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

import pytest
from flask import Request
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from qless_py.auth.login_limiter import LoginLimiter
from qless_py.dashboard import Access, BasicAuth, BearerAuth, ProxyAuth, Role, hash_password
from tests.conftest import Clock
from tests.dashboard.conftest import Visitor

Visit = Callable[..., Visitor]
GUESSER, OTHER = "192.0.2.7", "192.0.2.8"
TOKEN = "qlt_0123456789"
HOSTS = ("localhost",)


def _basic(password: str, name: str = "ann") -> str:
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


def _guarded(visit: Visit, *more: Callable[..., Access | None]) -> Visitor:
    users = {"ann": (hash_password("horse", "salt"), Role.OPERATOR)}
    tokens = {hashlib.sha256(TOKEN.encode()).hexdigest(): ("deploy", Role.VIEWER)}
    auth = [*more, BearerAuth(tokens), BasicAuth(users)]
    return visit(auth=auth, attempts=3, trusted_hosts=HOSTS)


def _asks(visitor: Visitor, given: str | None, address: str = GUESSER) -> int:
    headers = {} if given is None else {"Authorization": given}
    answer = visitor.get("/tags", headers=headers, environ_overrides={"REMOTE_ADDR": address})
    if answer.status_code == 429:
        assert 0 < int(answer.headers["Retry-After"]) <= 60
        assert "WWW-Authenticate" not in answer.headers
    return answer.status_code


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ([_basic("1"), _basic("2"), _basic("3", "eve")], _basic("horse")),
        (["Bearer qlt_1", "Bearer qlt_2", "Bearer qlt_3"], f"Bearer {TOKEN}"),
        (["Bearer qlt_1", _basic(""), "Other thing"], _basic("horse")),
    ],
    ids=["basic", "bearer", "mixed"],
)
def test_an_address_is_blocked_after_wrong_passwords(
    visit: Visit, caplog: pytest.LogCaptureFixture, wrong: list[str], right: str
) -> None:
    visitor = _guarded(visit)

    guesses = [_asks(visitor, one) for one in wrong]
    late = _asks(visitor, right)

    assert (guesses, late) == ([401, 401, 401], 429)
    assert _asks(visitor, None) == 401
    assert _asks(visitor, right, OTHER) == 200
    records = [one for one in caplog.records if one.name == "qless_py.dashboard.audit"]
    assert [one.getMessage() for one in records] == [
        f"Login blocked: address={GUESSER} failures=3 seconds=60"
    ]


def test_a_known_browser_is_not_locked_out_by_others_behind_its_proxy(
    visit: Visit,
) -> None:
    mine = _guarded(visit)
    stranger = Visitor(mine.flask.application.test_client())
    assert [_asks(mine, _basic("horse")) for _ in range(2)] == [200, 200]

    assert [_asks(stranger, _basic(str(one))) for one in range(4)] == [401, 401, 401, 429]

    assert _asks(mine, _basic("horse")) == 200
    assert [_asks(mine, _basic(str(one))) for one in range(4)] == [401, 401, 401, 429]


def test_proxy_auth_works_while_passwords_are_blocked(visit: Visit) -> None:
    visitor = _guarded(visit, ProxyAuth("X-User", [GUESSER], {"bob": Role.VIEWER}, default=None))
    assert [_asks(visitor, _basic(str(one))) for one in range(4)] == [401, 401, 401, 429]

    answer = visitor.get(
        "/tags",
        headers={"Authorization": _basic("1"), "X-User": "bob"},
        environ_overrides={"REMOTE_ADDR": GUESSER},
    )

    assert answer.status_code == 200


def _from(address: str, cookie: str = "") -> Request:
    headers = Headers({"Authorization": "Bearer x", "Cookie": f"qless_py_form={cookie}"})
    return Request(
        EnvironBuilder(headers=headers, environ_base={"REMOTE_ADDR": address}).get_environ()
    )


def test_a_block_ends_after_a_minute() -> None:
    clock = Clock()
    limiter = LoginLimiter(2, clock)
    for passed in (0, 61):
        clock.advance(passed)
        limiter.record_failure(_from(GUESSER))
    assert limiter.blocked_for(_from(GUESSER)) == 0
    limiter.record_failure(_from(GUESSER))
    assert limiter.blocked_for(_from(GUESSER)) == 60

    clock.advance(60)

    assert limiter.blocked_for(_from(GUESSER)) == 0


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8::1", "2001:db8::ffff", True), ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.7", GUESSER, True), ("", "", True), ("", GUESSER, False),
    ],
)  # fmt: skip
def test_ipv6_addresses_are_counted_by_network(one: str, other: str, is_same: bool) -> None:  # noqa: FBT001
    limiter = LoginLimiter(1)
    limiter.record_failure(_from(one))

    assert (limiter.blocked_for(_from(other)) > 0) == is_same


def test_many_clients_take_bounded_memory(visit: Visit) -> None:
    limiter = LoginLimiter(1)
    for number in range(5000):
        limiter.record_failure(_from(f"10.0.{number // 250}.{number % 250}"))
        limiter.record_success(_from(OTHER, f"cookie-{number}"))
    known = BasicAuth({"ann": (hash_password("horse", "salt"), Role.ADMIN)})
    visitor = visit(auth=[known], attempts=0, trusted_hosts=HOSTS)

    assert _asks(visitor, _basic("", "eve")) == 401

    assert len(limiter._failures) == len(limiter._trusted_cookies) == 4096
    assert limiter.blocked_for(_from("10.0.19.249")) > 0
    assert known._verified == {}
