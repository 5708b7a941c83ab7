"""fsck finds nothing in what transitions leave behind."""

import threading
from collections.abc import Callable, Iterator

import pytest

from qless_py import fsck
from tests import invariants, servers
from tests.conftest import Clock
from tests.random_transitions import Mixture
from tests.script_runner import Scripts


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_found_after_any_mixture_of_transitions(
    call: Scripts, clock: Clock, seed: int
) -> None:
    mixture = Mixture(call, clock, seed)

    for number in range(400):
        mixture.step()
        if number % 20 == 0:
            found = fsck.check(call.redis)
            assert not found, "\n".join([*mixture.trace[-60:], *map(str, found)])

    for _ in range(50):
        call("tick")
    invariants.assert_sound(call.redis)


@pytest.fixture
def busy(server: servers.Server, redis: object, clock: Clock) -> Iterator[Callable[[], int]]:
    """Run transitions from another thread until asked to stop; return how many there were."""
    del redis
    stopping, working = threading.Event(), threading.Event()
    steps = 0

    def run() -> None:
        nonlocal steps
        with server.connect() as connection:
            mixture = Mixture(Scripts(connection, clock), clock, 1)
            while not stopping.is_set():
                mixture.step()
                steps += 1
                working.set()

    thread = threading.Thread(target=run)

    def stop() -> int:
        stopping.set()
        thread.join()
        return steps

    thread.start()
    assert working.wait(30)  # Without it, all checks may be over before the first transition.
    yield stop
    stop()


def test_nothing_is_found_while_other_clients_work(call: Scripts, busy: Callable[[], int]) -> None:
    found = [finding for _ in range(20) for finding in fsck.check(call.redis)]

    assert busy() > 0
    assert not found
