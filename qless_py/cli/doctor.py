"""`qless-py doctor`: check the store, and advise what to do about problems."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import redis

from qless_py import package, protocol
from qless_py.cli.base import command, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.errors import FAILED
from qless_py.client.client import Client
from qless_py.client.humanize import duration, plural, size
from qless_py.errors import QlessError
from qless_py.scripts import assemble
from qless_py.store import parse, resolve
from qless_py.store.embedded.binary import OLDEST_REDIS, OLDEST_VALKEY

_PROBES: Final = 50
_SLOW: Final = 0.02
_SKEW: Final = 2.0
_FULL: Final = 0.8
_LONG_PAUSE: Final = 86400
_MARKS: Final = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}


@dataclass(frozen=True, slots=True)
class Check:
    """What was checked, its status (ok, warn, fail), and what to do about it."""

    name: str
    status: str
    detail: str
    advice: str = ""


@command("doctor", examples=("qless-py doctor", "qless-py doctor --url redis://localhost:6379/0"))
@pass_cli
def doctor(cli: CliContext) -> int:
    """Check the server: persistence, eviction, memory, clock, latency, scripts, queues, workers.

    For each problem it prints what to do; exit code 1 if a check fails.
    """
    checks = list(_checks(cli))

    def show() -> None:
        for one in checks:
            cli.out.line(f"{_MARKS[one.status]}  {one.name}: {one.detail}")
            if one.advice and one.status != "ok":
                cli.out.line(f"      {one.advice}")

    has_failed = any(one.status == "fail" for one in checks)
    answer = {"healthy": not has_failed, "checks": [asdict(one) for one in checks]}
    cli.out.answer(answer, show)
    return FAILED if has_failed else 0


def _checks(cli: CliContext) -> Iterator[Check]:
    versions = f"qless_py {package.__version__}, Python {platform.python_version()}"
    yield Check("versions", "ok", f"{versions}, redis-py {redis.__version__}")
    yield Check("store", "ok", parse(resolve(cli.url)).shown)
    try:
        client = cli.client
    except (QlessError, redis.RedisError, OSError) as error:
        advice = "start the server, or choose another with --url or QLESS_PY_URL"
        yield Check("server", "fail", " ".join(str(error).split()), advice)
        return
    facts = _facts(client)
    yield _server(facts)
    yield _persistence(facts, is_embedded=parse(resolve(cli.url)).kind == "embedded")
    yield _eviction(facts)
    yield _memory(facts)
    for test in (_clock, _latency, _scripts, _schema, _queues, _workers):
        yield _guarded(test, client)


def _guarded(test: Callable[[Client], Check], client: Client) -> Check:
    try:
        return test(client)
    except (QlessError, redis.RedisError) as error:
        name = test.__name__.lstrip("_")
        return Check(name, "fail", " ".join(str(error).split()), "see docs/cli.md, doctor")


def _facts(client: Client) -> dict[str, Any]:
    try:
        facts = dict(client.redis.info())
    except redis.ResponseError:
        return {}  # Managed servers may refuse INFO.
    for option in ("save", "appendfsync"):
        try:
            facts |= {f"config {key}": value for key, value in _config(client, option).items()}
        except redis.ResponseError:
            continue
    return facts


def _config(client: Client, option: str) -> Mapping[str, Any]:
    return {_text(key): _text(value) for key, value in client.redis.config_get(option).items()}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _server(facts: Mapping[str, Any]) -> Check:
    if not facts:
        return Check(
            "server", "warn", "INFO is refused", "make sure that it is Redis 7.0, Valkey 8 or newer"
        )
    name = "Valkey" if "valkey_version" in facts else "Redis"
    version = str(facts.get(f"{name.lower()}_version", ""))
    oldest = OLDEST_VALKEY if name == "Valkey" else OLDEST_REDIS
    shown = f"{name} {version}, up {duration(float(facts.get('uptime_in_seconds', 0)))}"
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < oldest:
        return Check("server", "fail", shown, f"update it to {oldest[0]}.{oldest[1]} or newer")
    role = str(facts.get("role", "master"))
    if role != "master":
        return Check("server", "fail", f"{shown}, a {role}", "connect to the primary")
    return Check("server", "ok", shown)


def _persistence(facts: Mapping[str, Any], *, is_embedded: bool) -> Check:
    advice = "set appendonly yes and appendfsync everysec, so that a crash loses at most 2 s"
    if is_embedded:
        return Check("persistence", "ok", "append-only file; a power failure may lose 30 s")
    if not facts:
        return Check("persistence", "warn", "unknown", advice)
    for what in ("aof_last_write_status", "rdb_last_bgsave_status", "aof_last_bgrewrite_status"):
        if str(facts.get(what, "ok")) != "ok":
            advice = "look for a full disk or missing rights in the log of the server"
            return Check("persistence", "fail", f"{what} is {facts[what]}", advice)
    return Check("persistence", *_kept(facts), advice)


def _kept(facts: Mapping[str, Any]) -> tuple[str, str]:
    if int(facts.get("aof_enabled", 0)):
        sync = facts.get("config appendfsync", "everysec")
        return "warn" if sync == "no" else "ok", f"append-only file, appendfsync {sync}"
    if facts.get("config save"):
        return "warn", "snapshots only: a crash loses all changes since the last one"
    return "warn", "none: all jobs are lost when the server stops"


def _eviction(facts: Mapping[str, Any]) -> Check:
    policy = str(facts.get("maxmemory_policy", "unknown"))
    if policy in ("noeviction", "unknown"):
        return Check("eviction", "ok" if policy == "noeviction" else "warn", policy)
    advice = "set maxmemory-policy noeviction: this policy deletes jobs when memory is full"
    has_limit = int(facts.get("maxmemory", 0)) > 0
    return Check("eviction", "fail" if has_limit else "warn", policy, advice)


def _memory(facts: Mapping[str, Any]) -> Check:
    used, most = int(facts.get("used_memory", 0)), int(facts.get("maxmemory", 0))
    if not most:
        return Check("memory", "ok", f"{size(used)} used, no limit")
    detail = f"{size(used)} of {size(most)} used"
    if used < _FULL * most:
        return Check("memory", "ok", detail)
    advice = "raise maxmemory, or keep fewer jobs: qless-py config set jobs-history-count"
    return Check("memory", "warn", detail, advice)


def _clock(client: Client) -> Check:
    before = time.time()
    seconds, micros = client.redis.time()
    after = time.time()
    skew = seconds + micros / 1e6 - (before + after) / 2
    detail = f"{abs(skew) * 1000:.0f} ms {'ahead of' if skew > 0 else 'behind'} this machine"
    if abs(skew) - (after - before) / 2 < _SKEW:
        return Check("clock", "ok", detail)
    return Check("clock", "warn", detail, "synchronize both with NTP; jobs use the server's clock")


def _latency(client: Client) -> Check:
    client.run(protocol.namespace.meta())  # loads the script
    bare = _times(client.redis.ping)
    script = _times(lambda: client.run(protocol.namespace.meta()))
    detail = (
        f"ping {duration(bare[len(bare) // 2])}, a script {duration(script[len(script) // 2])}, "
        f"slowest of {_PROBES} {duration(script[-1])}"
    )
    if script[len(script) // 2] < _SLOW:
        return Check("latency", "ok", detail)
    advice = "run workers closer to the server, or check SLOWLOG"
    return Check("latency", "warn", detail, advice)


def _times(call: Callable[[], object]) -> list[float]:
    times = []
    for _ in range(_PROBES):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return sorted(times)


def _scripts(client: Client) -> Check:
    names = assemble.names()
    for name in names:
        client.redis.script_load(assemble.script(name).text)
    return Check("scripts", "ok", f"all {len(names)} compile on this server")


def _schema(client: Client) -> Check:
    meta = client.run(protocol.namespace.meta())
    if meta.get("schema") is None:
        return Check("schema", "ok", f"nothing in namespace {client.namespace} yet")
    client.config.all  # noqa: B018 - raises SchemaError when another version wrote it
    detail = f"{meta['schema']} in namespace {client.namespace}"
    if meta.get("clock") == "test":
        advice = "use it for tests only: its time moves only when a client sets it"
        return Check("schema", "warn", f"{detail}, with a test clock", advice)
    return Check("schema", "ok", detail)


def _queues(client: Client) -> Check:
    rows = client.queues.counts
    stalled = [row["name"] for row in rows if row.get("stalled")]
    now = time.time()
    old = [
        row["name"]
        for row in rows
        if row.get("paused") and now - row.get("pause", {}).get("since", now) > _LONG_PAUSE
    ]
    if stalled:
        advice = "jobs lost their worker: start one for these queues"
        return Check("queues", "warn", f"stalled jobs in {', '.join(stalled)}", advice)
    if old:
        advice = "qless-py queue unpause NAME"
        return Check("queues", "warn", f"paused for more than a day: {', '.join(old)}", advice)
    waiting = sum(row.get("waiting", 0) for row in rows)
    return Check("queues", "ok", f"{plural(len(rows), 'queue')}, {plural(waiting, 'job')} waiting")


def _workers(client: Client) -> Check:
    number = len(client.workers.counts)
    idle = [row["name"] for row in client.queues.counts if row.get("waiting") and not number]
    if idle:
        advice = "start one: qless-py work --queue NAME --import MODULE"
        return Check("workers", "warn", f"none, but jobs are waiting in {', '.join(idle)}", advice)
    return Check("workers", "ok", f"{number} known")
