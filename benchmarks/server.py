"""Version and CPU time of the server."""

from __future__ import annotations

import redis


def version_of(connection: redis.Redis) -> str:
    """Return the name and version of a server."""
    info = connection.info("server")
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info['redis_version']}"


def cpu_seconds(connection: redis.Redis) -> float:
    """Return the CPU time that the server process has used, in seconds."""
    info = connection.info("cpu")
    return float(info["used_cpu_user"] + info["used_cpu_sys"])
