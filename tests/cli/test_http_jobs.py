"""`put --http` and `work --http`: requests from the command line."""

from __future__ import annotations

from typing import Any

import pytest

from qless_py import Client, Job
from qless_py.push.performer import RETRY
from qless_py.push.signatures import new_key
from qless_py.webhooks.deliveries import Deliveries
from tests.cli.conftest import Program
from tests.cli.test_work import options

__all__ = ["options"]  # A fixture.


def test_put_http_puts_a_request(program: Program, live: Client) -> None:
    words = ("--method", "put", "--header", "X-A: b: c", "--json-body", '{"a": 1}')
    more = ("--request-timeout", "2m", "--hand-off", "1h", "--attempts", "3", "--delay", "1m")
    ended = program("put", "hooks", "--http", "http://example.com/x", *words, *more)
    job = live.jobs[ended.stdout.strip()]
    assert isinstance(job, Job)
    assert (job.klass_name, job.state, job.attempts) == ("http", "scheduled", 3)
    assert job.data == {
        "url": "http://example.com/x",
        "method": "PUT",
        "headers": {"X-A": "b: c"},
        "json": {"a": 1},
        "timeout": 120.0,
        "hand_off": 3600.0,
    }
    found = program.json("put", "hooks", "--http", "http://a.example", "--form", "a=b=c")
    job = live.jobs[found["jid"]]
    assert job is not None
    assert job.data["form"] == [["a", "b=c"]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("klass", "--http", "http://a.example"), "--http takes neither KLASS"),
        (("--http", "ftp://a.example"), "does not start with http"),
        (("--http", "http://127.1/"), "four decimal numbers"),
        (("--http", "http://a.example", "--header", "x"), "'x' has no ':'"),
        (("--http", "http://a.example", "--header", "Host: x"), "Host cannot be set"),
        (("--http", "http://a.example", "--form", "x"), "'x' has no '='"),
        (("--http", "http://a.example", "--method", "FETCH"), "'FETCH' is none of"),
        (("--http", "http://a.example", "--body", "a", "--form", "a=b"), "exclude each other"),
        (("k", "{}", "--method", "GET"), "--method needs --http URL"),
        (("k", "{}", "--json-body", "1"), "--json-body needs --http URL"),
    ],
)
def test_a_wrong_request_is_one_line(
    program: Program, live: Client, words: tuple[str, ...], message: str
) -> None:
    ended = program("put", "hooks", *words, code=None)
    assert ended.exit_code != 0
    assert message in ended.stderr
    assert len([one for one in ended.stderr.splitlines() if one.startswith("Error")]) == 1
    assert live.queues.counts == []


def test_work_http_sends_requests_and_nothing_else(options: Any) -> None:
    made = options("-q", "hooks", "--http", "--allow-target", "10.0.0.0/8", "--https-only")
    assert isinstance(made.performer, Deliveries)
    assert made.performer.default_retry == RETRY
    assert (made.children, made.concurrency, made.imports) == (2, 100, ())


@pytest.mark.parametrize(
    ("words", "sizes"),
    [
        (("-c", "10"), (1, 10)),
        (("-c", "250"), (3, 84)),
        (("-n", "4"), (4, 50)),
        (("-n", "1"), (1, 100)),
        (("-n", "1", "-c", "100"), (1, 100)),
        (("--isolation", "none"), (1, 100)),
    ],
)
def test_requests_are_spread_over_children(
    options: Any, words: tuple[str, ...], sizes: tuple[int, int]
) -> None:
    made = options("-q", "hooks", "--http", *words)
    assert (made.children, made.concurrency) == sizes


def test_keys_come_from_the_environment(options: Any) -> None:
    keys = f"{new_key()} {new_key()}"
    made = options("-q", "hooks", "--http", QLESS_PY_WORK_SIGNING_KEYS=keys)
    assert len(made.performer._requests._keys) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--http", "--exec", "cat"), "--exec and --http exclude each other"),
        (("--http", "--import", "os"), "leave out --import"),
        (("--http", "--allow-any"), "leave out --allow-any"),
        (("--http", "--isolation", "job"), "use --isolation child"),
        (("--http", "-n", "1", "-c", "200"), "needs 2 --children"),
        (("--http", "--isolation", "none", "-c", "200"), "needs 2 --children"),
        (("--http", "--allow-target", "10.0.0.0/99"), "allow: '10.0.0.0/99' is not a network"),
        (("--http", "--signing-key", "secret"), "whsec_<base64>"),
        (("--allow-any", "--allow-target", "10.0.0.0/8"), "--allow-target needs --http"),
        (("--allow-any", "--https-only"), "--https-only needs --http"),
        (("--allow-any", "--signing-key", "x"), "--signing-key needs --http"),
    ],
)
def test_options_that_do_not_fit_are_one_line(
    program: Program, words: tuple[str, ...], message: str
) -> None:
    ended = program("work", "-q", "hooks", *words, code=2)
    assert message in ended.stderr
    assert "secret" not in ended.stderr
