"""The public names and the parts of a client are imported when they are first used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import qless_py
from qless_py import Client, protocol


def test_every_public_name_is_found() -> None:
    found = {name: getattr(qless_py, name) for name in qless_py.__all__}

    assert len(found) == len(qless_py.__all__)
    assert set(qless_py.__all__) <= set(dir(qless_py))
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = qless_py.Nothing  # type: ignore[attr-defined]


def test_packages_are_found_without_an_import_of_their_own() -> None:
    program = "import qless_py; qless_py.aio.Client, qless_py.tracing.turn_on, qless_py.store"

    subprocess.run([sys.executable, "-c", program], check=True)


def test_every_subject_of_the_protocol_is_found() -> None:
    assert all(getattr(protocol, name) for name in protocol.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = protocol.nothing  # type: ignore[attr-defined]


def test_a_part_of_a_client_is_made_once(client: Client) -> None:
    assert client.webhooks is client.webhooks
    assert client.jobs is not client.with_patience(1).jobs


def test_a_put_imports_no_part_that_it_does_not_use() -> None:
    program = (
        "import sys; from qless_py import Client; Client('redis://localhost').queues['q'];"
        "print(*[one for one in ('app', 'aio', 'task', 'client.webhooks', 'client.search',"
        " 'protocol.tokens', 'store.async_runner') if f'qless_py.{one}' in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert not done.stdout.strip()
