"""`web`: what it rejects before it listens, and which address it listens on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from qless_py.auth.identity import BasicAuth, Role
from tests.cli.conftest import Program


@pytest.mark.parametrize("bind", ["0.0.0.0:0", ":0", "[::]:0", "192.0.2.7:0", "example.org:0"])
def test_no_other_machine_is_served_without_authentication(program: Program, bind: str) -> None:
    ended = program("web", "--bind", bind, code=2)

    output = [line for line in ended.stderr.splitlines() if line.startswith("Error")]
    assert len(output) == 1
    assert "without --people or --proxy-header: only on loopback" in output[0]


@pytest.mark.parametrize("bind", ["here", "localhost:", "127.0.0.1:99999", "127.0.0.1:http"])
def test_an_invalid_address_is_rejected(program: Program, bind: str) -> None:
    assert "is not HOST:PORT" in program("web", "--bind", bind, code=2).stderr


def test_a_hash_lets_its_password_in(program: Program) -> None:
    made = program("web", "--hash-password", stdin="horse\nhorse\n").stdout.splitlines()[-1]
    again = program("web", "--hash-password", stdin="horse\nhorse\n").stdout.splitlines()[-1]

    assert re.fullmatch(r"scrypt\$[0-9a-f]{32}\$[0-9a-f]{64}", made)
    assert made != again
    BasicAuth({"ann": (made, Role.VIEWER)})


def test_a_hash_needs_the_password_twice(program: Program) -> None:
    ended = program("web", "--hash-password", stdin="horse\nmule\n", code=None)

    assert ended.exit_code != 0
    assert "scrypt" not in ended.output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no users and no tokens"),
        ("[users.ann", "cannot read"),
        ("[people.ann]", "expected users or tokens"),
        ('[users.ann]\nrole = "admin"', "ann has no password"),
        ('[users.ann]\npassword = "plain"\nrole = "admin"', "hash_password"),
        ('[users.ann]\npassword = "scrypt$a$b"\nrole = "king"', "unknown role 'king'"),
        ('[tokens.ci]\nsha256 = "12"\nrole = "viewer"', "64 hexadecimal digits"),
        ("users = 5", "users"),
        ("[users]\nann = 5", "ann has no password"),
    ],
)
def test_a_file_of_people_must_be_right(
    program: Program, tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "people.toml"
    path.write_text(text, encoding="utf-8")

    ended = program("web", "--people", str(path), "--bind", "127.0.0.1:0", code=None)

    assert ended.exit_code in {1, 2}
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_header_of_a_proxy_needs_the_proxy(program: Program) -> None:
    ended = program("web", "--proxy-header", "X-User", "--bind", "0.0.0.0:0", code=None)

    assert ended.exit_code in {1, 2}
    assert "needs the addresses of the trusted proxies" in ended.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [(("--prefix", "ops"), "prefix must begin with /"), (("--secret", "short"), "16 characters")],
)
def test_other_settings_are_checked(
    program: Program, options: tuple[str, ...], message: str
) -> None:
    ended = program("web", *options, "--bind", "127.0.0.1:0", code=None)

    assert ended.exit_code in {1, 2}
    assert message in ended.stderr
