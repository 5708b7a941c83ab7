"""A namespace in which every pop is checked against limits kept in plain Python.

What the jobs are like is read from the scripts, since other tests hold those to a model; what may
run, and whether anything was left that may, is decided here.
"""

import math
from typing import Any

import msgpack
import redis as redis_py

from qless_py.errors import QlessError
from tests import invariants
from tests.properties.admission.limits import EASE, Limits, Settings, Waiting
from tests.properties.comparison import BreakdownError
from tests.script_runner import Scripts

START = 1_700_000_000_000
READY = ("waiting", "stalled", "throttled")
SETTLING = 50
View = dict[str, Any]


class World:
    """Jobs, throttles and users of one namespace under a clock that only moves forward."""

    def __init__(
        self, redis: redis_py.Redis, call: Scripts | None = None, settling: int = SETTLING
    ) -> None:
        redis.flushall()
        self.settling = settling
        self.redis = redis
        self.now = START
        self.scripts = call or Scripts(redis, lambda: 0)
        self.limits = Limits()
        self.jids: list[str] = []
        self.excused: set[tuple[str, str, str]] = set()
        self.fresh: dict[str, int] = {}
        self.queues = {"a", "b"}
        self.lives: dict[str, int] = {}
        self.trace: list[str] = []

    def call(self, name: str, *args: Any) -> Any:
        """Run a script; returns None if it rejects the call."""
        self.trace.append(f"{self.now - START:>9} {name}{args}")
        try:
            reply = self.scripts(name, *args, now=str(self.now))
        except QlessError as refusal:
            if not refusal.code:
                raise BreakdownError(self.with_trace(f"{name} broke down")) from refusal
            self.trace.append(f"{'':>9} refused: {refusal}")
            return None
        self.trace.append(f"{'':>9} {str(reply)[:300]}")
        return reply

    def with_trace(self, what: str) -> str:
        return what + "\nafter\n" + "\n".join(self.trace)

    def look(self) -> None:
        """Run fsck on the namespace."""
        found = invariants.findings(self.redis)
        assert not found, self.with_trace("\n".join(map(str, found)))

    def views(self) -> dict[str, View]:
        """Read all jobs that are there."""
        found: dict[str, View] = {}
        for start in range(0, len(self.jids), 100):
            some = self.jids[start : start + 100]
            shown = self.scripts("read/jobs", some, now=str(self.now))
            found |= {one["jid"]: one for one in shown if one}
        return found

    def running(self) -> list[tuple[str, str]]:
        """List the running jobs with their leases."""
        return [
            (jid, job["lease"])
            for jid, job in sorted(self.views().items())
            if job["state"] == "running"
        ]

    @staticmethod
    def costs(job: View) -> dict[str, float]:
        """Return every throttle that a job meets, with its cost there."""
        own = {name: (job.get("costs") or {}).get(name, 1) for name in job.get("throttles") or []}
        user = {f"user:{job['user']}": 1} if job.get("user") else {}
        return {f"queue:{job['queue']}": 1, **user, **own}

    def record(self, throttle: str) -> dict[str, Any]:
        """Read the stored settings of a throttle."""
        stored = self.redis.get(f"{{ql}}:throttle:{throttle}:record")
        assert stored is None or isinstance(stored, bytes)
        found = msgpack.unpackb(stored) if stored else {}
        return found or {}

    # Settings.

    def set(self, throttle: str, settings: Settings) -> None:
        if self.call("throttle_set", throttle, settings) is not None:
            self.limits.of(throttle).change(settings, self.now)

    def delete(self, throttle: str) -> None:
        self.call("throttle_delete", throttle)
        self.limits.throttles.pop(throttle, None)

    def block(self, throttle: str, time: int) -> None:
        until = self.call("throttle_block", throttle, time)
        assert until == (self.now + time if time else 0), self.with_trace(
            "blocked until another time"
        )
        self.limits.of(throttle).blocked_until = until

    def release(self, throttle: str, jids: list[str]) -> None:
        leases = dict(self.running())
        self.call("throttle_release", throttle, jids)
        self.excused |= {(jid, leases[jid], throttle) for jid in jids if jid in leases}

    def back_off(self, jid: str, lease: str, time: int, throttle: str) -> None:
        before = self.views().get(jid) or {}
        names = self.call("back_off", jid, lease, time, throttle)
        if names is None:
            return
        own = [throttle] if throttle else before.get("throttles") or [f"queue:{before['queue']}"]
        assert names == own, self.with_trace(f"{names} back off instead of {own}")
        for name in names:
            least = max(self.limits.of(name).blocked_until, self.now + time)
            until = self.record(name)["blocked_until"]
            assert until == least, self.with_trace(f"{name} is blocked until {until}, not {least}")
            self.limits.of(name).blocked_until = until
        self.fresh.pop(jid, None)

    def user_set(self, user: str, options: Settings) -> None:
        if self.call("user_set", user, options) is None or "max_running" not in options:
            return
        settings = dict(self.limits.of(f"user:{user}").settings)
        settings.pop("concurrency", None)
        if options["max_running"] is not False:
            settings["concurrency"] = options["max_running"]
        self.limits.of(f"user:{user}").settings = settings

    def user_unset(self, user: str) -> None:
        self.call("user_unset", user)
        throttle = self.limits.of(f"user:{user}")
        throttle.settings = {}
        throttle.blocked_until = self.record(f"user:{user}").get("blocked_until", 0)

    # Work.

    def put(self, queue: str, jid: str, options: Settings) -> None:
        reply = self.call("put", queue, jid, "K", "{}", options)
        self.queues.add(queue)
        if jid not in self.jids:
            self.jids.append(jid)
        if reply is not None:
            self.fresh.pop(jid, None)
            if "delay" not in options:
                self.fresh[jid] = len(self.trace)

    def wait(self, time: int) -> None:
        self.now += time

    def settle(self) -> None:
        """Run all due maintenance, so that a pop finds the jobs in the state seen before it."""
        for _ in range(self.settling):
            if not self.call("tick")["more"]:
                return
        raise AssertionError(self.with_trace("there is no end of what is due"))

    def pop(self, queues: list[str], worker: str, count: int) -> list[str]:
        """Pop, and judge what came and what did not."""
        self.settle()
        before = self.views()
        self._seat(before)
        nonce = f"{worker}.{self.lives.get(worker, 0)}"
        reply = self.call("pop", queues, worker, count, {"nonce": nonce})
        jids = [job["jid"] for job in reply["jobs"]]
        for jid in jids:
            job = before[jid]
            is_due = job["state"] in READY and job["queue"] in queues
            assert is_due, self.with_trace(f"{jid} was not due")
            assert not self.is_paused(job["queue"]), self.with_trace(
                f"the queue of {jid} is paused"
            )
            self._admit(self._waiting(job))
        assert len(set(jids)) == len(jids) <= count, self.with_trace("too many, or one twice")
        left = {jid: job for jid, job in before.items() if jid not in jids}
        self._in_order(jids, before, left)
        if len(jids) < count and not reply["more"]:
            self._nothing_left(queues, left, reply.get("next"))
        return jids

    def die(self, jid: str) -> None:
        """Report the death of the process that runs a job."""
        worker = str((self.views().get(jid) or {}).get("worker") or "w1")
        life = self.lives.get(worker, 0)
        self.call("worker_died", worker, f"{worker}.{life}", jid, "killed")
        self.lives[worker] = life + 1

    def is_paused(self, queue: str) -> bool:
        return bool(self.scripts("read/counts", queue, now=str(self.now))["paused"])

    def _waiting(self, job: View) -> Waiting:
        return Waiting(job["jid"], job["queue"], self.costs(job))

    def _seat(self, views: dict[str, View]) -> None:
        running = [job for job in views.values() if job["state"] == "running"]
        self.limits.seat(
            (
                self._waiting(job),
                {name for jid, lease, name in self.excused if (jid, lease) == _lease(job)},
            )
            for job in running
        )

    def _admit(self, job: Waiting) -> None:
        try:
            self.limits.admit(job, self.now)
        except AssertionError as wrong:
            raise AssertionError(self.with_trace(str(wrong))) from wrong

    def _in_order(self, jids: list[str], before: dict[str, View], left: dict[str, View]) -> None:
        """Of jobs that differ in nothing but their age the oldest must have come first."""
        taken = [before[jid] for jid in jids if jid in self.fresh]
        after = [job for jid, job in left.items() if jid in self.fresh and job["state"] in READY]
        for number, job in enumerate(taken):
            for other in [*taken[number + 1 :], *after]:
                is_older = self.fresh[other["jid"]] < self.fresh[job["jid"]]
                assert not (is_older and _alike(job, other)) or self._reserves(job), (
                    self.with_trace(f"{job['jid']} came before {other['jid']}, which is older")
                )
        for jid in jids:
            self.fresh.pop(jid, None)

    def _reserves(self, job: View) -> bool:
        return any(self.record(name).get("reserved") for name in self.costs(job))

    def _nothing_left(self, queues: list[str], left: dict[str, View], after: int | None) -> None:
        """Nothing that is left may run now, and somebody will look when something may."""
        open_queues = [queue for queue in queues if not self.is_paused(queue)]
        ready = [
            self._waiting(job)
            for job in left.values()
            if job["state"] in READY and job["queue"] in open_queues
        ]
        names = {name for job in ready for name in job.costs}
        reserved = {name: kept for name in names if (kept := self._kept(name))}
        for job in ready:
            why = self.limits.refusal(job, self.now, reserved)
            if why is None and not self._yields(job, ready):
                raise AssertionError(self.with_trace(f"{job.jid} may run and did not come"))
            at = self.limits.opens_at(job, self.now)
            held_back = self._yields(job, ready) or any(name in reserved for name in job.costs)
            if at == math.inf or held_back:
                continue
            is_in_time = after is not None and self.now + after <= math.ceil(at - EASE)
            assert is_in_time, self.with_trace(
                f"{job.jid} may run at {at - START}, the next check is {after} from now"
            )

    def _kept(self, name: str) -> Settings | None:
        kept: Settings | None = self.record(name).get("reserved")
        return kept if kept and kept["until"] > self.now else None

    def _yields(self, job: Waiting, ready: list[Waiting]) -> bool:
        """Whether one that needs more tokens of a throttle waits for them in the same queue.

        Cheaper ones do not overtake it, or it would never get them.
        """
        for other in ready:
            for name in job.costs.keys() & other.costs.keys():
                throttle = self.limits.of(name)
                if other is job or other.queue != job.queue or "rate" not in throttle.settings:
                    continue
                tokens, needed = throttle.full_at(self.now), other.costs[name]
                is_dearer = job.costs[name] + EASE < needed <= throttle.burst
                if is_dearer and tokens < needed + EASE:
                    return True
        return False

    def drain(self) -> None:
        """Lift all limits: everything that waits comes within a few pops, and nothing is held."""
        for name in list(self.limits.throttles):
            self.delete(name)
        queues = sorted(self.queues)
        self.call("unpause", queues)
        for _ in range(self.settling):
            for jid, lease in self.running():
                self.call("complete", jid, lease, "", "", {})
            states = {job["state"] for job in self.views().values()}
            if not states & {*READY, "scheduled", "running"}:
                break
            self.wait(0 if self.pop(queues, "w", 100) else 100_000)
        else:
            raise AssertionError(self.with_trace("jobs are left that nobody gets"))
        held = list(self.redis.keys("{ql}:throttle:*"))
        assert held == [], self.with_trace(f"left over: {held}")
        self.look()


def _lease(job: View) -> tuple[str, str]:
    return job["jid"], job["lease"]


def _alike(job: View, other: View) -> bool:
    return all(
        job.get(name) == other.get(name)
        for name in ("queue", "user", "throttles", "costs", "priority")
    )
