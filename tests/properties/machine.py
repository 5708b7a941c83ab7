"""The state machine: every transition with any arguments, in any order, at any time."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.properties import initial_states, strategies
from tests.properties.comparison import Bench
from tests.properties.model.state import Namespace
from tests.properties.strategies import Held, Known


class Machine(RuleBasedStateMachine):
    """Draws calls; the bench compares. Its rules are added below, one for each transition."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self.bench = bench

    def teardown(self) -> None:
        self.bench.close()

    @initialize(calls=initial_states.beginnings)
    def begin(self, calls: list[initial_states.Call]) -> None:
        """Begin with jobs that have to do with each other: few calls have a meaning without."""
        for name, *args in calls:
            self.bench.step(name, *args)

    @rule(wait=st.sampled_from(strategies.WAITS))
    def time_passes(self, wait: int) -> None:
        self.bench.wait(wait)
        self.bench.look()

    def run(self, name: str, args: tuple[Any, ...], wait: int) -> None:
        """Run one call after a while, with what its arguments stand for."""
        self.bench.wait(wait)
        prepare = getattr(self, f"_{name}", None)
        if prepare is not None:
            name, args = prepare(*args)
        self.bench.step(name, *self._resolved(args))

    def _resolved(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        flat: list[Any] = []
        for one in args:
            if isinstance(one, Held):
                flat += self.bench.resolve(one)
            elif isinstance(one, Known):
                flat.append(self.bench.named(one))
            elif isinstance(one, list):
                flat.append([self._job(job) if isinstance(job, dict) else job for job in one])
            elif isinstance(one, dict):
                jobs = {"jobs": [self._job(job) for job in one["jobs"]]} if "jobs" in one else {}
                flat.append(self._job(one | jobs))
            else:
                flat.append(one)
        return tuple(flat)

    def _job(self, options: dict[str, Any]) -> dict[str, Any]:
        """Put in the lease of the job on whose behalf another is put."""
        if "behalf" not in options:
            return options
        parent, lease = self.bench.resolve(options["behalf"])
        rest = {name: value for name, value in options.items() if name != "behalf"}
        return rest | {"parent": parent, "lease": lease}

    def _leases(self, held: list[Held]) -> list[tuple[str, str]]:
        return list(dict(map(self.bench.resolve, held)).items())

    def _heartbeat_many(self, held: list[Held]) -> tuple[str, tuple[Any, ...]]:
        return "heartbeat_many", (self._leases(held),)

    def _complete_many(self, held: list[Held]) -> tuple[str, tuple[Any, ...]]:
        leases = self._leases(held)
        return "complete_many", (leases, *("" if len(jid) % 2 else "r" for jid, _ in leases))

    def _timeout_held(self, held: list[Held]) -> tuple[str, tuple[Any, ...]]:
        return "timeout", ([jid for jid, _ in self._leases(held)],)

    def _log(self, jid: str | Known, what: str, data: str) -> tuple[str, tuple[Any, ...]]:
        return "log", (jid, "", what, data)

    def _log_held(self, held: Held, what: str, data: str) -> tuple[str, tuple[Any, ...]]:
        return "log", (*self.bench.resolve(held), what, data)

    def _pause_for(self, queues: list[str], time: int) -> tuple[str, tuple[Any, ...]]:
        return "pause", (queues, {"until": self.bench.now + time})

    def _worker_died_running(self, held: Held) -> tuple[str, tuple[Any, ...]]:
        jid, lease = self.bench.resolve(held)
        job = self.bench.model.jobs.get(jid)
        worker = (job.worker if job else None) or "w"
        return "worker_died", (worker, lease.partition(".")[2].replace("-", "n"), jid, "killed")

    def _worker_died_several(self, *args: Any) -> tuple[str, tuple[Any, ...]]:
        return "worker_died", args

    def _batch_open_owned(
        self, batch: str, callbacks: dict[str, Any], held: Held
    ) -> tuple[str, tuple[Any, ...]]:
        owner, lease = self.bench.resolve(held)
        return "batch_open", (batch, callbacks | {"owner": owner, "lease": lease}, "data")


def _in_state(state: str) -> Callable[[Namespace], bool]:
    return lambda model: any(job.state == state for job in model.jobs.values())


_runs = _in_state("running")
_depends = _in_state("depends")
NEEDS: dict[str, Callable[[Namespace], bool]] = {
    **dict.fromkeys(
        ("heartbeat", "complete", "fail", "retry", "release", "snooze", "hand_off", "discard"),
        _runs,
    ),
    **dict.fromkeys(
        ("progress", "log_held", "timeout_held", "worker_died_running", "job_died"), _runs
    ),
    **dict.fromkeys(("batch_open_owned", "complete_many"), _runs),
    **dict.fromkeys(("depends_on", "depends_off"), _depends),
    **dict.fromkeys(("batch_add", "batch_close"), lambda model: bool(model.batches)),
    **dict.fromkeys(("recur_update", "recur_run"), lambda model: bool(model.recurring)),
    "unfail": _in_state("failed"),
}
"""What the rules of a transition wait for; the last one tries it whatever there is."""


def _add_rule(name: str, label: str, needs: Callable[[Namespace], bool]) -> None:
    def call(self: Machine, args: tuple[Any, ...], wait: int) -> None:
        self.run(name, args, wait)

    # Rules are switched off and on by the names of their functions.
    call.__name__ = label
    adorn = rule(args=strategies.TRANSITIONS[name], wait=st.sampled_from(strategies.WAITS))
    setattr(Machine, label, precondition(lambda self: needs(self.bench.model))(adorn(call)))


def _add_rules() -> None:
    for name in strategies.TRANSITIONS:
        _add_rule(name, f"{name}_at_any_time", bool)
        for number in range(strategies.OFTEN.get(name, 0)):
            _add_rule(name, f"{name}_{number}", NEEDS.get(name, bool))


_add_rules()
