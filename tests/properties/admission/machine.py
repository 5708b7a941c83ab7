"""A state machine of workers, users and throttles at random times."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.properties.admission.judge import World

QUEUES = ["a", "b"]
JIDS = [f"j{number}" for number in range(24)]
USERS = ["u", "v", "w"]
THROTTLES = ["x", "y", "z"]
WORKERS = ["w1", "w2", "w3"]
LOOKS = 3
"""Calls between two checks of the namespace."""


def of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


queue, jid, user = st.sampled_from(QUEUES), st.sampled_from(JIDS), st.sampled_from(USERS)
any_throttle = of(*THROTTLES, *THROTTLES, "queue:a", "user:u")
pick = st.integers(0, 15)
time = of(0, 0, 0, 0, 1, 333, 500, 1000, 1000, 1500, 5000, 20_000, 61_000, 75_000)
several = st.lists(st.sampled_from(THROTTLES), min_size=1, max_size=3, unique=True)


def _with_costs(throttles: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    costs = st.fixed_dictionaries({name: of(1, 1, 2, 0.5, 3) for name in throttles})
    return st.fixed_dictionaries(
        {"throttles": st.just(throttles)},
        optional={"costs": costs, "user": user, "priority": of(0, 0, 1)},
    )


throttled = several.flatmap(_with_costs)
options = st.one_of(
    st.fixed_dictionaries({}, optional={"user": user, "priority": of(0, 1), "delay": of(0, 1500)}),
    throttled,
    throttled,
    throttled,
)
limits = st.one_of(
    st.fixed_dictionaries({"concurrency": of(0, 1, 1, 2, 3)}),
    st.fixed_dictionaries({"concurrency": of(1, 1, 2)}),
    st.fixed_dictionaries({"rate": of(1, 2, 5)}, optional={"burst": of(1, 3, 6)}),
    st.fixed_dictionaries({"rate": of(3), "per": of(60_000), "burst": of(0.5, 4)}),
    st.fixed_dictionaries({"rate": of(2), "burst": of(3), "concurrency": of(1, 2)}),
)
SETTINGS: dict[str, st.SearchStrategy[tuple[Any, ...]]] = {
    "set": st.tuples(of(*THROTTLES, *THROTTLES, "queue:a"), limits),
    "delete": st.tuples(of(*THROTTLES, "queue:a")),
    "block": st.tuples(any_throttle, of(0, 700, 5000, 100_000)),
    "user_set": st.tuples(
        user,
        st.one_of(
            st.fixed_dictionaries({"weight": of(0.5, 3)}),
            st.fixed_dictionaries({"max_running": st.sampled_from([False, 0, 1, 2])}),
        ),
    ),
    "user_unset": st.tuples(user),
}
settings = of("set", "set", "set", "delete", "block", "user_set", "user_set", "user_unset").flatmap(
    lambda name: st.tuples(st.just(name), SETTINGS[name])
)


class Admission(RuleBasedStateMachine):
    """Draws calls; `World` checks them."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.calls = 0

    def teardown(self) -> None:
        """Lift all limits: then nothing may be left, and no slot be taken."""
        self.world.drain()

    @initialize(
        limits=st.fixed_dictionaries(dict.fromkeys(THROTTLES, limits)),
        jobs=st.lists(options, min_size=4, max_size=12),
        weights=st.dictionaries(user, of(0.5, 2, 3)),
    )
    def begin(
        self,
        limits: dict[str, dict[str, Any]],
        jobs: list[dict[str, Any]],
        weights: dict[str, float],
    ) -> None:
        """Start with limits, and with jobs that need them."""
        for name, one in limits.items():
            self.world.set(name, one)
        for name, weight in weights.items():
            self.world.user_set(name, {"weight": weight})
        for number, options in enumerate(jobs):
            self.world.put("a", JIDS[number], options)

    def _held(self, pick: int) -> tuple[str, str]:
        running = self.world.running() or [("j0", "1.n")]
        return running[pick % len(running)]


Rule = Callable[..., None]


def _put(self: Admission, queue: str, first: int, number: int, options: dict[str, Any]) -> None:
    for jid in JIDS[first : first + number]:
        self.world.put(queue, jid, options)


def _pop(self: Admission, queues: list[str], worker: str, count: int, time: int) -> None:
    self.world.wait(time)
    self.world.pop(queues, worker, count)


def _leave(self: Admission, picks: list[int], way: str, time: int) -> None:
    self.world.wait(time)
    more = {"complete": ("", "", {}), "fail": ("g", "m", ""), "retry": (0, {}), "release": ()}
    for one in picks:
        self.world.call(way, *self._held(one), *more[way])


def _complete_many(self: Admission, number: int) -> None:
    leases = [list(one) for one in self.world.running()[:number]]
    self.world.call("complete_many", leases, *("" for _ in leases))


def _mishap(self: Admission, pick: int, way: str) -> None:
    jid, lease = self._held(pick)
    if way == "died":
        self.world.die(jid)
        return
    calls: dict[str, tuple[Any, ...]] = {
        "snooze": ("snooze", jid, lease, 2000),
        "advance": ("complete", jid, lease, "", "", {"next": {"queue": QUEUES[pick % 2]}}),
        "timeout": ("timeout", [jid]),
        "cancel": ("cancel", [jid], ""),
    }
    self.world.call(*calls[way])


def _back_off(self: Admission, pick: int, time: int, throttle: str) -> None:
    self.world.back_off(*self._held(pick), time, throttle)


def _release(self: Admission, throttle: str, picks: list[int]) -> None:
    self.world.release(throttle, sorted({self._held(one)[0] for one in picks}))


def _change(self: Admission, jid: str, way: str, queue: str, options: dict[str, Any]) -> None:
    calls: dict[str, tuple[Any, ...]] = {
        "cancel": ("cancel", [jid], ""),
        "priority": ("priority", jid, str(options.get("priority", -1))),
        "requeue": ("requeue", queue, jid, "", "", options),
        "pause": ("pause", [queue], {}),
        "unpause": ("unpause", [queue]),
    }
    self.world.call(*calls[way])
    self.world.fresh.pop(jid, None)


def _settings(self: Admission, setting: tuple[str, tuple[Any, ...]]) -> None:
    name, args = setting
    getattr(self.world, name)(*args)


def _expire(self: Admission, time: int) -> None:
    self.world.wait(time)
    self.world.settle()


def _any(_: Admission) -> bool:
    return True


def _busy(self: Admission) -> bool:
    return bool(self.world.running())


picks = st.lists(pick, min_size=1, max_size=3)
queues = of(["a"], ["a", "b"], ["b", "a"], ["b"])
number = st.integers(1, 6)
# Each rule with how often it is there, what it waits for, and what it draws.
RULES: list[tuple[Rule, int, Callable[[Admission], bool], dict[str, Any]]] = [
    (_put, 3, _any, {"queue": queue, "first": st.integers(0, 18), "number": number,
                     "options": options}),
    (_pop, 5, _any, {"queues": queues, "worker": of(*WORKERS), "count": of(1, 2, 9, 9),
                     "time": time}),
    (_leave, 4, _busy, {"picks": picks, "time": time,
                        "way": of("complete", "complete", "complete", "fail", "retry", "release")}),
    (_complete_many, 2, _busy, {"number": number}),
    (_mishap, 2, _busy, {"pick": pick,
                         "way": of("snooze", "advance", "timeout", "died", "cancel")}),
    (_back_off, 1, _busy, {"pick": pick, "time": of(500, 5000, 90_000),
                           "throttle": of("", "", "x", "queue:a", "user:u")}),
    (_release, 1, _busy, {"throttle": any_throttle, "picks": picks}),
    (_change, 2, _any, {"jid": jid, "queue": queue, "options": options,
                        "way": of("cancel", "priority", "priority", "requeue", "pause",
                                  "unpause", "unpause")}),
    (_settings, 3, _any, {"setting": settings}),
    (_expire, 1, _any, {"time": time}),
]  # fmt: skip


def _add_rule(
    run: Rule, label: str, needs: Callable[[Admission], bool], drawn: dict[str, Any]
) -> None:
    def call(self: Admission, **given: Any) -> None:
        run(self, **given)
        self.calls += 1
        if self.calls % LOOKS == 0:
            self.world.look()

    # Rules are switched off and on by the names of their functions.
    call.__name__ = label
    adorn: Callable[[Rule], Rule] = rule(**drawn)
    setattr(Admission, label, precondition(needs)(adorn(call)))


def _add_rules() -> None:
    for run, often, needs, drawn in RULES:
        for number in range(often):
            _add_rule(run, f"{run.__name__.strip('_')}_{number}", needs, drawn)


_add_rules()
