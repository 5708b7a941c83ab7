"""How long a client waits for a store that is away."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest
import redis as redis_py

from qless_py import Client, aio
from qless_py.client.connection import PATIENCE, resend_policy
from qless_py.errors import BadArgumentError
from tests import servers

_NOWHERE = "redis://127.0.0.1:1/0"


@pytest.mark.parametrize("patience", [0, 0.2, dt.timedelta(milliseconds=100)])
def test_after_the_patience_the_connection_error_is_raised(patience: Any) -> None:
    with Client(_NOWHERE, patience=patience) as client, pytest.raises(redis_py.ConnectionError):
        client.queues["q"].put("K")
    with Client(_NOWHERE) as patient, pytest.raises(redis_py.ConnectionError):
        patient.with_patience(patience).queues["q"].put("K")

    async def alike() -> None:
        async with aio.Client(_NOWHERE, patience=patience) as client:
            with pytest.raises(redis_py.ConnectionError):
                await client.queues["q"].put("K")
        async with aio.Client(_NOWHERE) as patient:
            with pytest.raises(redis_py.ConnectionError):
                await patient.with_patience(patience).queues["q"].put("K")

    asyncio.run(alike())


def test_a_client_of_another_patience_is_the_same_otherwise(
    server: servers.Server, client: Client
) -> None:
    del server
    client.queues["q"].put("K", jid="j")

    with client.with_patience(1) as other:
        assert other.queues["q"].pop() is not None
        assert (other.namespace, other.worker_name) == (client.namespace, client.worker_name)
        assert other.settings == client.settings

    assert client.queues["q"].counts["running"] == 1


@pytest.mark.parametrize("patience", [-1, 121, float("nan"), "1", None])
def test_an_invalid_patience_is_rejected(patience: Any) -> None:
    with pytest.raises(BadArgumentError):
        Client(_NOWHERE, patience=patience)
    with pytest.raises(BadArgumentError):
        aio.Client(_NOWHERE, patience=patience)


def test_a_client_waits_ten_seconds_by_default() -> None:
    assert resend_policy(PATIENCE).limit == 10
    with Client(_NOWHERE) as client:
        assert client.runner._policy == resend_policy(PATIENCE)
