"""The environment of an embedded server."""

import pytest

from qless_py.store.embedded import binary


def test_the_allocator_of_the_bundled_server_is_tuned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    monkeypatch.setenv("OTHER", "kept")

    given = binary.environment()

    assert given["GLIBC_TUNABLES"].startswith("glibc.malloc.")
    assert given["OTHER"] == "kept"


def test_what_the_user_has_tuned_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.check=1")

    assert binary.environment()["GLIBC_TUNABLES"] == "glibc.malloc.check=1"
