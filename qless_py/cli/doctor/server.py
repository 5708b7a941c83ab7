"""Checks of the server: its role, writes, persistence, eviction, memory, clock, latency."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import redis

from qless_py import protocol
from qless_py.cli.doctor.report import Check, Commands, Examination
from qless_py.client.humanize import duration, size
from qless_py.scripts import assemble
from qless_py.store import server_errors
from qless_py.store.embedded.binary import OLDEST_REDIS, OLDEST_VALKEY
from qless_py.store.server_check import evicted

_PROBES: Final = 50
_SLOW: Final = 0.02
_SKEW: Final = 2.0
_JUMP: Final = 60.0
_FULL: Final = 0.8
_FEW: Final = 1000  # Completed jobs that are not worth deleting.
# What a user may do who puts and runs jobs; `info` is for the check on connecting.
_NEEDED: Final = ("+@read", "+@write", "+@scripting", "+@pubsub", "+@connection", "+time",
                  "-@dangerous", "+info")  # fmt: skip
_STATUSES: Final = (
    "aof_last_write_status", "rdb_last_bgsave_status", "aof_last_bgrewrite_status",
)  # fmt: skip


def facts(client: redis.Redis) -> dict[str, Any]:
    """Return what INFO and CONFIG GET say, nothing where they are refused."""
    try:
        found = dict(client.info())
    except redis.ResponseError:
        return {}  # Managed servers may refuse INFO.
    for option in ("save", "appendfsync", "min-replicas-to-write"):
        try:
            answer = client.config_get(option)
        except redis.ResponseError:
            continue
        found |= {f"config {_text(key)}": _text(value) for key, value in answer.items()}
    return found


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def address(client: redis.Redis, *, has_tls: bool) -> tuple[str, ...]:
    """Return the options of redis-cli that lead to the server, without a password."""
    pool = client.connection_pool
    options = pool.connection_kwargs
    connection: Any = pool.get_connection()
    try:
        embedded = options.get("server")  # The path of its connections is a folder.
        path = embedded.folder.socket() if embedded else getattr(connection, "path", "")
        where = ("-s", path) if path else ("-h", connection.host, "-p", str(connection.port))
    finally:
        pool.release(connection)
    user = ("--user", options["username"]) if options.get("username") else ()
    password = ("--askpass",) if options.get("password") else ()
    return (*where, *(("--tls",) if has_tls else ()), *user, *password)


def unreachable(error: Exception, commands: Commands) -> Check:
    """Report a server that does not answer, or answers that it cannot."""
    text = " ".join(str(error).split())
    if isinstance(error, redis.BusyLoadingError) or "LOADING" in text:
        return loading({}, commands)
    if isinstance(error, redis.AuthenticationError):
        return Check("server", "fail", text, "put the user and password into the URL")
    advice = "start the server, or choose another with --url or QLESS_PY_URL"
    return Check("server", "fail", text, advice)


def loading(known: Mapping[str, Any], commands: Commands) -> Check:
    """Report a server that is loading its file."""
    detail = "it is loading its file and answers nothing else yet"
    if "loading_loaded_perc" in known:
        left = duration(float(known.get("loading_eta_seconds", 0)))
        detail += f": {float(known['loading_loaded_perc']):.0f} %, about {left} left"
    return Check("server", "fail", detail, "wait until it is done", commands.qless("doctor"))


def server(examined: Examination) -> Iterator[Check]:
    """Check the version and the role."""
    known = examined.facts
    if not known:
        advice = "make sure that it is Redis 7.0, Valkey 8 or newer"
        yield Check("server", "warn", "INFO is refused", advice)
        return
    name = "Valkey" if "valkey_version" in known else "Redis"
    version = str(known.get(f"{name.lower()}_version", ""))
    oldest = OLDEST_VALKEY if name == "Valkey" else OLDEST_REDIS
    shown = f"{name} {version}, up {duration(float(known.get('uptime_in_seconds', 0)))}"
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < oldest:
        yield Check("server", "fail", shown, f"update it to {oldest[0]}.{oldest[1]} or newer")
        return
    role = str(known.get("role", "master"))
    if role != "master":
        url = f"redis://{known.get('master_host')}:{known.get('master_port')}"
        command = Commands().qless("doctor", "--url", url)
        detail = f"{shown}, a read-only {'replica' if role == 'slave' else role}"
        yield Check("server", "fail", detail, "use the URL of its primary everywhere", command)
        return
    yield Check("server", "ok", shown)


def writes(examined: Examination) -> Iterator[Check]:
    """Try a write, of a key that the namespace ignores and that expires at once, and a message."""
    client, namespace = examined.client.redis, examined.client.namespace
    key = f"{{{namespace}}}:request:doctor:0"
    refusals: list[redis.RedisError] = []
    for probe in (
        lambda: (client.set(key, b"0:\xc0", px=1000), client.delete(key)),
        lambda: client.publish(f"{{{namespace}}}:doctor", ""),
    ):
        try:
            probe()
        except redis.RedisError as error:
            refusals.append(error)
    if not refusals:
        yield Check("writes", "ok", "accepted")
    elif isinstance(refusals[0], redis.exceptions.NoPermissionError):
        yield _forbidden(examined, refusals)
    else:
        yield _refused(refusals[0], examined, examined.commands)


def _forbidden(examined: Examination, refusals: list[redis.RedisError]) -> Check:
    """Name the command of the server that gives the user of the URL what it was refused."""
    texts = [" ".join(str(error).split()) for error in refusals]
    pattern = f"{{{examined.client.namespace}}}*"
    rules = [f"~{pattern}"] if "access a key" in texts[0] else []
    rules += [f"&{pattern}"] if "a channel" in texts[-1] or "publish" in texts[-1] else []
    rules += _NEEDED if any("run the" in text for text in texts) else []
    options = examined.client.redis.connection_pool.connection_kwargs
    user = options.get("username") or "default"
    command = examined.commands.redis("ACL", "SETUSER", user, *rules)
    detail = f"refused: {texts[0]}"
    return Check("writes", "fail", detail, "give the user of this URL the permission", command)


def _refused(error: redis.RedisError, examined: Examination, commands: Commands) -> Check:
    known, text = examined.facts, " ".join(str(error).split())
    code = str(getattr(error, "status_code", None) or text.partition(" ")[0])

    def check(advice: str, command: str = "") -> Check:
        return Check("writes", "fail", f"refused: {text}", advice, command)

    if code == "OOM" or isinstance(error, redis.OutOfMemoryError):
        return check("free memory, or raise maxmemory", _more_memory(known, commands))
    if code == "MISCONF" or "unable to persist" in text or "writing to the AOF" in text:
        is_aof = str(known.get("aof_last_write_status", "ok")) != "ok"
        again = "BGREWRITEAOF" if is_aof else "BGSAVE"
        advice = "free space on its disk, see its log; then let it save again"
        return check(advice, commands.redis(again))
    if code == "NOREPLICAS" or "NOREPLICAS" in text or "enough good replicas" in text.lower():
        number = known.get("config min-replicas-to-write", "min-replicas-to-write")
        advice = f"start its replicas: it wants {number}; or accept writes without them"
        return check(advice, commands.redis("CONFIG", "SET", "min-replicas-to-write", "0"))
    if isinstance(error, redis.ReadOnlyError):
        return check("use the URL of the primary everywhere")
    return check("see the log of the server")


def persistence(examined: Examination, *, is_embedded: bool) -> Iterator[Check]:
    """Check whether jobs survive the end of the server."""
    known, commands = examined.facts, examined.commands
    if is_embedded:
        yield Check("persistence", "ok", "append-only file; a power failure may lose 30 s")
        return
    advice = "append to a file, so that a crash loses at most 2 s; set it in redis.conf as well"
    command = commands.redis("CONFIG", "SET", "appendonly", "yes")
    if not known:
        yield Check("persistence", "warn", "unknown: INFO is refused", advice, command)
        return
    for what in _STATUSES:
        if str(known.get(what, "ok")) != "ok":
            command = commands.redis("BGREWRITEAOF" if what.startswith("aof") else "BGSAVE")
            advice = "look for a full disk or missing rights in its log; then let it save again"
            yield Check("persistence", "fail", f"{what} is {known[what]}", advice, command)
            return
    if int(known.get("aof_enabled", 0)):
        sync = str(known.get("config appendfsync", "everysec"))
        status = "warn" if sync == "no" else "ok"
        advice = "let it sync every second, so that a power failure loses at most 2 s"
        command = commands.redis("CONFIG", "SET", "appendfsync", "everysec")
        detail = f"append-only file, appendfsync {sync}"
        yield Check("persistence", status, detail, advice, command)
    elif known.get("config save"):
        detail = "snapshots only: a crash loses all changes since the last one"
        yield Check("persistence", "warn", detail, advice, command)
    else:
        detail = "none: all jobs are lost when the server stops"
        yield Check("persistence", "warn", detail, advice, command)


def eviction(examined: Examination) -> Iterator[Check]:
    """Check that a full server deletes nothing of a namespace."""
    known = examined.facts
    policy = str(known.get("maxmemory_policy", "unknown"))
    command = examined.commands.redis("CONFIG", "SET", "maxmemory-policy", "noeviction")
    advice = "let it refuse new jobs instead; set it in redis.conf as well"
    if policy == "noeviction":
        yield Check("eviction", "ok", policy)
    elif policy == "unknown":
        yield Check("eviction", "warn", "unknown: INFO is refused", advice, command)
    else:
        has_limit = int(known.get("maxmemory", 0)) > 0
        detail = f"{policy}: when memory is full it deletes {evicted(policy)}"
        yield Check("eviction", "fail" if has_limit else "warn", detail, advice, command)


def memory(examined: Examination) -> Iterator[Check]:
    """Check that there is memory for more jobs."""
    known, commands = examined.facts, examined.commands
    used, most = int(known.get("used_memory", 0)), int(known.get("maxmemory", 0))
    if not most:
        yield Check("memory", "ok", f"{size(used)} used, no limit")
        return
    detail = f"{size(used)} of {size(most)} used"
    if used < _FULL * most:
        yield Check("memory", "ok", detail)
        return
    status = "fail" if used >= most else "warn"
    detail += ": new jobs are refused" if status == "fail" else ""
    complete = examined.client.run(protocol.jobs.in_state("complete", "", 0, 0)).total
    advice, command = "raise maxmemory, here and in redis.conf", _more_memory(known, commands)
    if complete > _FEW and status == "warn":
        advice = f"keep fewer of the {complete:,} completed jobs, or raise maxmemory"
        command = commands.qless("config", "set", "jobs-history-count", str(complete // 2))
    yield Check("memory", status, detail, advice, command)


def _more_memory(known: Mapping[str, Any], commands: Commands) -> str:
    most = max(int(known.get("maxmemory", 0)), int(known.get("used_memory", 0)))
    return commands.redis("CONFIG", "SET", "maxmemory", str(2 * most or 2**30))


def clock(examined: Examination) -> Iterator[Check]:
    """Compare the server's clock with this machine's and with the time of the namespace."""
    before = time.time()
    seconds, micros = examined.client.redis.time()
    after = time.time()
    server_time = seconds + micros / 1e6
    skew = server_time - (before + after) / 2
    jumped = float(examined.meta.get("time") or 0) / 1000 - server_time
    if jumped > _SKEW and examined.meta.get("clock") != "test":
        detail = f"the server's clock was set back by {duration(jumped)}"
        detail += ": leases and schedules keep the old time until a call notices it"
        command = examined.commands.qless("fsck", "--repair")
        yield Check("clock", "fail", detail, "let the namespace follow the clock", command)
        return
    detail = f"{duration(abs(skew))} {'ahead of' if skew > 0 else 'behind'} this machine"
    advice = "synchronize both with NTP, on this machine and on the server's"
    if abs(skew) - (after - before) / 2 < _SKEW:
        yield Check("clock", "ok", detail)
    else:
        status = "fail" if abs(skew) > _JUMP else "warn"
        yield Check("clock", status, detail, advice, "chronyc makestep")


def latency(examined: Examination) -> Iterator[Check]:
    """Time a round trip and a script."""
    client = examined.client
    client.run(protocol.namespace.meta())  # Loads the library.
    bare = _times(client.redis.time)
    script = _times(lambda: client.run(protocol.namespace.meta()))
    detail = (
        f"a round trip {duration(bare[len(bare) // 2])}, a script "
        f"{duration(script[len(script) // 2])}, slowest of {_PROBES} {duration(script[-1])}"
    )
    if script[len(script) // 2] < _SLOW:
        yield Check("latency", "ok", detail)
        return
    advice = "run workers closer to the server, or see what keeps it busy"
    command = examined.commands.redis("SLOWLOG", "GET", "10")
    yield Check("latency", "warn", detail, advice, command)


def _times(call: Callable[[], object]) -> list[float]:
    times = []
    for _ in range(_PROBES):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return sorted(times)


def scripts(examined: Examination) -> Iterator[Check]:
    """Load the library of all scripts, unless the server has it."""
    library = assemble.library()
    try:
        examined.client.redis.function_load(library.text)
    except redis.ResponseError as error:
        if not server_errors.is_loaded_already(error):
            detail = f"the server refuses to load them: {' '.join(str(error).split())}"
            advice = "run doctor as a user who may load functions, on a server that accepts writes"
            yield Check("scripts", "warn", detail, advice)
            return
    yield Check("scripts", "ok", f"all {len(library.functions)} are loaded, as {library.name}")


def schema(examined: Examination) -> Iterator[Check]:
    """Check that this version can use the namespace."""
    meta, namespace = examined.meta, examined.client.namespace
    if meta.get("schema") is None:
        yield Check("schema", "ok", f"nothing in namespace {namespace} yet")
        return
    examined.client.config.all  # noqa: B018 - raises SchemaError when another version wrote it
    detail = f"{meta['schema']} in namespace {namespace}"
    if meta.get("clock") == "test":
        advice = "use it for tests only: its time moves only when a client sets it"
        yield Check("schema", "warn", f"{detail}, with a test clock", advice)
        return
    yield Check("schema", "ok", detail)
