"""Find the node of a Redis Cluster that holds a namespace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import redis
from redis.crc import key_slot

from qless_py.store.urls import Address

# What may be passed on to a connection that only asks where a slot is.
_UNWANTED: Final = frozenset({"slot", "redis_connect_func", "host", "port", "retry"})


class SlotFinder:
    """Knows the nodes of a cluster, and asks them who serves the slot of one namespace.

    All keys of a namespace carry one hash tag, so it is one slot: a connection to that slot's
    master is all a client needs, and works like a connection to a single server.
    """

    def __init__(self, startup: tuple[Address, ...], namespace: str) -> None:
        self._startup = startup
        self._known = startup
        self.slot: int = key_slot(f"{{{namespace}}}".encode())

    def __repr__(self) -> str:
        return f"<SlotFinder slot={self.slot}>"

    def master(self, kind: type[redis.Connection], options: Mapping[str, Any]) -> Address:
        """Ask the nodes in turn for the slot's master. Raises ConnectionError when none knows."""
        wanted = {name: value for name, value in options.items() if name not in _UNWANTED}
        last: Exception | None = None
        for host, port in dict.fromkeys((*self._known, *self._startup)):
            connection = kind(host=host, port=port, **wanted)
            try:
                connection.connect()
                connection.send_command("CLUSTER", "SLOTS")
                found = self._read(host, connection.read_response(disable_decoding=True))
            except redis.RedisError as error:
                last = error
            else:
                if found is not None:
                    return found
            finally:
                connection.disconnect()
        raise redis.ConnectionError(f"no node of the cluster serves slot {self.slot}") from last

    def _read(self, asked: str, ranges: list[Any]) -> Address | None:
        masters: dict[Address, None] = {}
        found = None
        for first, last, master, *_ in ranges:
            # A node that does not know its own name gives an empty one: it means the asked host.
            host = (master[0] or b"").decode()
            address = (asked if host in ("", "?") else host, int(master[1]))
            masters[address] = None
            if first <= self.slot <= last:
                found = address
        if masters:
            self._known = tuple(masters)
        return found
