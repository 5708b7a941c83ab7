"""Whether the store can be used: the one decision behind every `/readyz` and `qless-py health`."""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import RedisError, ResponseError

from qless_py import protocol
from qless_py.client.client import Client
from qless_py.errors import QlessError
from qless_py.metrics.cached import Cached
from qless_py.store.server_check import evicted

CHECKS: Final = ("store", "scripts", "memory_policy", "writable")


@dataclass(frozen=True, slots=True)
class Health:
    """What was found: for each check that failed, why. Checks behind a failed one are left out."""

    problems: dict[str, str]

    @property
    def is_ready(self) -> bool:
        """Whether every check passed."""
        return not self.problems

    @property
    def status(self) -> int:
        """The HTTP status: 200 or 503."""
        return 200 if self.is_ready else 503

    def body(self) -> dict[str, Any]:
        """Return what a stranger may see: which checks failed, but no address and no reason."""
        return {"ready": self.is_ready, "failed": sorted(self.problems)}


def live() -> dict[str, Any]:
    """Return the body of `/healthz`, which says only that the process answers."""
    return {"live": True}


def check(client: Client) -> Health:
    """Decide whether the store can be used: it answers, runs the scripts, keeps jobs, takes writes.

    A reading serves everybody for a second; a store that does not answer within three seconds is
    not ready.
    """
    with _lock:
        found = _readings.get(client)
        if found is None:
            patient = client.with_patience(0)
            found = _readings[client] = Cached(lambda: examine(patient), _away)
    return found.get()


_readings: weakref.WeakKeyDictionary[Client, Cached[Health]] = weakref.WeakKeyDictionary()
_lock: Final = threading.Lock()


def examine(client: Client) -> Health:
    """Decide it now, in three round trips."""
    try:
        client.redis.ping()
    except (RedisError, OSError, QlessError) as error:
        return _away(error)
    try:
        client.run(protocol.config.read())
    except (ResponseError, QlessError) as error:
        return Health({"scripts": _line(error)})
    except (RedisError, OSError) as error:
        return _away(error)
    return Health(_problems_of_server(client))


def _problems_of_server(client: Client) -> dict[str, str]:
    try:
        facts: dict[str, Any] = client.redis.info()
    except ResponseError:
        return {}  # Managed servers may refuse INFO; a write then shows whether it is a replica.
    except (RedisError, OSError) as error:
        return {"store": _line(error)}
    found = {}
    policy = str(facts.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction" and int(facts.get("maxmemory", 0)):
        found["memory_policy"] = f"{policy}: when memory is full it deletes {evicted(policy)}"
    if str(facts.get("role", "master")) != "master":
        found["writable"] = "the server is a read-only replica"
    return found


def _away(error: object) -> Health:
    return Health({"store": _line(error) or "no answer"})


def _line(error: object) -> str:
    return " ".join(str(error).split())
