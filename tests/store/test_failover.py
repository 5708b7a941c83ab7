"""Real Sentinel and Cluster processes: find the node, run a script, survive one failover."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py
from redis.crc import key_slot

from qless_py import store
from qless_py.store.async_runner import AsyncRunner
from qless_py.store.resend import ResendPolicy
from qless_py.store.runner import Runner
from tests import servers
from tests.eventually import eventually
from tests.store.calls import length, put
from tests.store.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

PATIENT = ResendPolicy(limit=30.0, longest_pause=0.1)
PATIENCE = 40.0


@dataclass(frozen=True)
class Node:
    server: servers.Server
    port: int

    def run(self, *command: object) -> Any:
        with self.server.connect() as connection:
            return connection.execute_command(*command)

    def info(self, section: str) -> dict[str, Any]:
        return dict(self.run("INFO", section))

    def has(self, section: str, **facts: object) -> bool:
        found = self.info(section)
        return all(found.get(name) == value for name, value in facts.items())


@contextlib.contextmanager
def node(*settings: str) -> Iterator[Node]:
    port = free_port()
    with servers.running("redis", "--port", str(port), "--bind", "127.0.0.1", *settings) as server:
        yield Node(server, port)


@contextlib.contextmanager
def sentinel(folder: Path, master: Node) -> Iterator[int]:
    """Run a sentinel that watches the master, and give its port."""
    port = free_port()
    settings = folder / "sentinel.conf"
    settings.write_text(
        f"port {port}\n"
        "bind 127.0.0.1\n"
        f'dir "{folder}"\n'
        f'logfile "{folder / "sentinel.log"}"\n'
        f"sentinel monitor service 127.0.0.1 {master.port} 1\n"
        "sentinel down-after-milliseconds service 500\n"
        "sentinel failover-timeout service 3000\n"
    )
    command = [servers.binary("redis"), str(settings), "--sentinel"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            with redis_py.Redis(port=port) as connection:
                eventually(lambda: answers(connection))
                eventually(lambda: connection.sentinel_master("service")["num-slaves"])
            yield port
        finally:
            process.kill()


def answers(connection: redis_py.Redis) -> bool:
    with contextlib.suppress(redis_py.ConnectionError):
        return bool(connection.ping())
    return False


def test_the_sentinels_lead_to_the_master_before_and_after_its_death(tmp_path: Path) -> None:
    with (
        node() as master,
        node("--replicaof", f"127.0.0.1 {master.port}") as replica,
        sentinel(tmp_path, master) as port,
    ):
        url = f"redis+sentinel://127.0.0.1:1,127.0.0.1:{port}/service/0"
        with store.connect(url) as connection:
            runner = Runner(connection, "ql", policy=PATIENT)
            assert runner.run(put("before")).created
            eventually(lambda: replica.has("replication", master_link_status="up"))
            eventually(lambda: replica.run("DBSIZE") == master.run("DBSIZE"))
            master.server.process.kill()

            assert runner.run(put("after")).created

            assert runner.run(length()) == 2
            assert replica.has("replication", role="master")

        async def after() -> int:
            async with store.connect_async(url) as again:
                return await AsyncRunner(again, "ql", policy=PATIENT).run(length())

        assert asyncio.run(after()) == 2


@pytest.fixture(scope="module")
def cluster() -> Iterator[list[Node]]:
    """Run two masters of half the slots each, and a replica of the one that serves "ql"."""
    with contextlib.ExitStack() as running:
        nodes: list[Node] = []
        for _ in range(3):
            bus = str(free_port())
            settings = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"]
            nodes.append(running.enter_context(node(*settings, "--cluster-port", bus)))
            nodes[0].run("CLUSTER", "MEET", "127.0.0.1", nodes[-1].port, bus)
        half = 8192
        nodes[0].run("CLUSTER", "ADDSLOTSRANGE", 0, half - 1)
        nodes[1].run("CLUSTER", "ADDSLOTSRANGE", half, 16383)
        owner = nodes[0 if key_slot(b"{ql}") < half else 1].run("CLUSTER", "MYID")
        eventually(lambda: all(b"cluster_state:ok" in one.run("CLUSTER", "INFO") for one in nodes))
        eventually(lambda: all(len(one.run("CLUSTER", "NODES").splitlines()) == 3 for one in nodes))
        nodes[2].run("CLUSTER", "REPLICATE", owner)
        eventually(lambda: nodes[2].has("replication", master_link_status="up"))
        yield nodes


def test_a_namespace_is_found_in_a_cluster_before_and_after_a_failover(
    cluster: list[Node],
) -> None:
    url = ",".join(f"127.0.0.1:{port}" for port in (1, *(one.port for one in cluster)))
    (replica,) = (one for one in cluster if one.has("replication", role="slave"))
    with store.connect(f"redis+cluster://{url}") as connection:
        runner = Runner(connection, "ql", policy=PATIENT)
        assert runner.run_many([put("a"), put("b")])[1].created
        eventually(lambda: replica.run("KEYS", "{ql}:job:b"))
        replica.run("CLUSTER", "FAILOVER")
        eventually(lambda: replica.has("replication", role="master"))

        assert runner.run_many([put("c"), put("d")])[1].created

        assert runner.run(length()) == 4
        assert replica.run("KEYS", "{ql}:job:d")

    async def after() -> int:
        async with store.connect_async(f"redis+cluster://{url}") as again:
            runner = AsyncRunner(again, "ql", policy=PATIENT)
            await runner.run(put("e"))
            return await runner.run(length())

    assert asyncio.run(after()) == 5


def test_namespaces_spread_over_the_nodes_of_a_cluster(cluster: list[Node]) -> None:
    for number in range(12):
        name = f"name{number}"
        url = f"redis+cluster://127.0.0.1:{cluster[0].port}"
        with store.connect(url, namespace=name) as connection:
            assert Runner(connection, name, policy=PATIENT).run(put("job")).created

    masters = [one for one in cluster if one.has("replication", role="master")]
    assert len(masters) == 2
    assert all(one.run("KEYS", "{name*}:job:job") for one in masters)
