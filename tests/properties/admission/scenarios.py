"""Short scripts that lead straight to what the state machine comes across only now and then."""

from collections.abc import Callable
from typing import Any

from tests.properties.admission import fairness_trials
from tests.properties.admission.judge import World

Scenario = Callable[[World], None]

ONE = {"concurrency": 1}
BIG = 9


def _put(world: World, *jids: str, **options: Any) -> None:
    for jid in jids:
        world.put("a", jid, options)


def _pop(world: World, count: int = BIG) -> list[str]:
    found = world.pop(["a"], "w", count)
    world.look()
    return found


def _complete(world: World, *jids: str) -> None:
    leases = dict(world.running())
    for jid in jids:
        world.call("complete", jid, leases[jid], "", "", {})
        world.look()


def concurrency(world: World) -> None:
    world.set("x", {"concurrency": 2})
    _put(world, "j0", "j1", "j2", "j3", throttles=["x"])
    _pop(world)
    _complete(world, "j0")
    _pop(world)
    _complete(world, "j1", "j2")


def rate(world: World) -> None:
    world.set("x", {"rate": 2, "burst": 3})
    _put(world, *(f"j{number}" for number in range(9)), throttles=["x"])
    for time in (0, 499, 1, 495, 5, 250, 5000):
        world.wait(time)
        _pop(world)


def cost(world: World) -> None:
    world.set("x", {"rate": 1, "burst": 4})
    _put(world, "j0", "j1", "j2", throttles=["x"], costs={"x": 3})
    _put(world, "j3", throttles=["x"])
    for _ in range(4):
        _pop(world)
        world.wait(1000)


def dear_before_cheap(world: World) -> None:
    world.set("x", {"rate": 1, "burst": 3})
    _put(world, "j0", throttles=["x"], costs={"x": 2})
    _pop(world)
    _put(world, "j1", throttles=["x"], costs={"x": 3})
    _put(world, "j2", throttles=["x"])
    assert _pop(world) == [], world.with_trace("the cheap one overtook the dear one")
    world.wait(2000)
    assert _pop(world) == ["j1"], world.with_trace("the dear one did not come")


def too_dear(world: World) -> None:
    world.set("x", {"rate": 1, "burst": 4})
    _put(world, "j0", throttles=["x"], costs={"x": 4})
    _pop(world)
    _put(world, "j1", throttles=["x"], costs={"x": 4})
    _put(world, "j2", "j3", throttles=["x"])
    world.set("x", {"rate": 1, "burst": 2})
    for _ in range(4):
        world.wait(3000)
        _pop(world)


def together(world: World) -> None:
    world.set("x", ONE)
    world.set("y", ONE)
    _put(world, "j0", throttles=["y"])
    _pop(world)
    _put(world, "j1", throttles=["x", "y"])
    _put(world, "j2", throttles=["x"])
    _pop(world)
    _complete(world, "j0", "j2")
    _pop(world)


def blocked(world: World) -> None:
    _put(world, "j0", "j1", throttles=["x"])
    world.block("x", 5000)
    _pop(world)
    world.wait(4999)
    _pop(world)
    world.wait(1)
    _pop(world, 1)
    world.back_off(*world.running()[0], 2000, "")
    _pop(world)
    world.block("x", 0)
    _pop(world)


def limits_change(world: World) -> None:
    world.set("x", ONE)
    _put(world, *(f"j{number}" for number in range(6)), throttles=["x"])
    _pop(world)
    world.set("x", {"concurrency": 3})
    _pop(world)
    world.set("x", {"concurrency": 2})
    _complete(world, "j0")
    _pop(world)
    world.delete("x")
    _pop(world)


def released(world: World) -> None:
    world.set("x", ONE)
    _put(world, "j0", "j1", throttles=["x"])
    _pop(world)
    world.release("x", ["j0"])
    _pop(world)
    _complete(world, "j0")
    _put(world, "j2", throttles=["x"])
    _pop(world)


def of_a_user(world: World) -> None:
    world.user_set("u", {"max_running": 1})
    _put(world, "j0", "j1", "j2", user="u")
    _put(world, "j3", user="v")
    _pop(world)
    _complete(world, "j0")
    _pop(world)
    world.user_set("u", {"max_running": False})
    _pop(world)


def of_a_queue(world: World) -> None:
    world.set("queue:a", {"concurrency": 2})
    _put(world, "j0", "j1", "j2")
    _pop(world)
    world.release("queue:a", ["j0"])
    _pop(world)
    _complete(world, "j1", "j0")
    _put(world, "j3", "j4")
    _pop(world)


def in_order(world: World) -> None:
    world.set("x", ONE)
    world.set("y", ONE)
    _put(world, "j0", throttles=["x"])
    _pop(world)
    _put(world, "j1", "j2", "j3", throttles=["x"])
    _pop(world)
    world.set("x", {"concurrency": 2})
    world.wait(1)
    _put(world, "j4", throttles=["x"])
    _pop(world)
    _complete(world, "j0")
    _pop(world, 1)
    world.call("priority", "j4", "3")
    _complete(world, "j1")
    assert _pop(world, 1) == ["j4"], world.with_trace("the priority does not count")


def leases_end(world: World) -> None:
    world.set("x", ONE)
    _put(world, "j0", "j1", throttles=["x"], user="u")
    _pop(world)
    for _ in range(4):
        world.wait(75_000)
        _pop(world)


def moves(world: World) -> None:
    world.set("x", ONE)
    _put(world, "j0", "j1", "j2", throttles=["x"], user="u")
    _pop(world)
    world.call("cancel", ["j1"], "")
    world.look()
    world.put("b", "j2", {"throttles": ["x"], "user": "v"})
    world.look()
    _complete(world, "j0")
    world.pop(["b"], "w", BIG)
    world.look()


def many_gates(world: World) -> None:
    names = [f"x{number}" for number in range(23)]
    for name in names:
        world.set(name, ONE)
        _put(world, f"{name}-0", f"{name}-1", throttles=[name], user=f"u{len(name)}")
    _pop(world, 50)
    _put(world, *(f"{name}-2" for name in names))
    world.call("complete_many", [list(one) for one in world.running()], *("" for _ in names))
    came: set[str] = set()
    while found := _pop(world, 7):
        came |= set(found)
    assert {f"{name}-1" for name in names} <= came, world.with_trace(f"only {came} came")


def many_queues(world: World) -> None:
    world.set("x", ONE)
    queues = [f"q{number}" for number in range(13)]
    for number, queue in enumerate(queues):
        world.put(queue, f"j{number}", {"throttles": ["x"]})
        world.put(queue, f"k{number}", {"throttles": ["x"], "user": "u"})
    world.pop(queues, "w", 50)
    for limit in (4, 9, 14, 30):
        world.set("x", {"concurrency": limit})
        world.pop(queues, "w", 50)
        world.look()
    for _ in range(3):
        leases = [list(one) for one in world.running()[:7]]
        world.call("complete_many", leases, *("" for _ in leases))
        world.pop(queues, "w", 50)
        world.look()


def many_users(world: World) -> None:
    world.set("x", {"concurrency": 3})
    for number in range(60):
        world.put("a", f"j{number}", {"user": f"u{number}", "throttles": ["x"]})
        world.put("a", f"k{number}", {"user": f"u{number}"})
        if number % 4 == 0:
            world.user_set(f"u{number}", {"max_running": 1})
    for _ in range(6):
        _pop(world, 25)
        leases = [list(one) for one in world.running()[:20]]
        world.call("complete_many", leases, *("" for _ in leases))


def shares(world: World) -> None:
    fairness_trials.share(world, [0.5, 3], [(1, 30), (2, 30), (0, 12), (1, 8)], [1, 7, 3])


def latecomers(world: World) -> None:
    fairness_trials.share(world, [1, 2], [(1, 30), (1, 30), (2, 20), (0, 20)], [20, 11, 5])


def contention(world: World) -> None:
    fairness_trials.contend(world, 3, 1, 0, [0, 7, 3, 11, 5, 2] * 10)


def users_in_contention(world: World) -> None:
    fairness_trials.contend(world, 4, 2, 3, [0, 7, 3, 11, 5, 2] * 10)


SCENARIOS: dict[str, Scenario] = {
    scenario.__name__.strip("_"): scenario
    for scenario in (
        *(
            concurrency,
            rate,
            cost,
            dear_before_cheap,
            too_dear,
            together,
            blocked,
            limits_change,
            released,
        ),
        *(of_a_user, of_a_queue, in_order, leases_end, moves),
        *(many_gates, many_queues, many_users),
        *(shares, latecomers, contention, users_in_contention),
    )
}


def play(world: World, scenario: Scenario) -> None:
    """Run a scenario to its end, then lift all limits."""
    scenario(world)
    world.drain()
