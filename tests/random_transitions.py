"""Random transitions on few names, so that calls meet the same jobs."""

import random
from typing import Any

from qless_py.errors import QlessError
from tests.conftest import Clock
from tests.script_runner import Scripts

JIDS = [f"j{i}" for i in range(12)]
QUEUES = ["a", "b", "c"]
POLICIES = ["wait", "cancel", "fail", "run"]
THROTTLES = ["t1", "t2", "t3"]
SCOPES = ["queued", "running", "window"]


class Mixture:
    """Draws transitions with their arguments and runs them; refusals are fine.

    `shares` is how likely a job has a user, and how likely throttles.
    """

    def __init__(self, call: Scripts, clock: Clock, seed: int) -> None:
        self.call = call
        self.clock = clock
        self.random = random.Random(seed)
        self.leases: dict[str, str] = {}
        self.tick_requests: list[dict[str, Any]] = []
        self.trace: list[str] = []
        self.shares = 0.3

    def step(self) -> None:
        name = self.random.choice(self.names())
        args = getattr(self, name)()
        self.trace.append(f"{name.strip('_')}{args}")
        try:
            reply = self.call(name.strip("_"), *args)
        except QlessError as error:
            self.trace.append(f"    {error!r}")
            return
        if name == "pop":
            self.leases |= {job["jid"]: job["lease"] for job in reply["jobs"]}
        if name in {"pop", "tick"}:
            self.tick_requests += reply.get("refill", [])
        self.clock.advance(self.random.choice([0, 0, 0.5, 1, 5, 30, 100]))

    def names(self) -> list[str]:
        return ["put", "put", "put", "pop", "pop", "pop", "tick", "complete", "complete", "fail",
                "retry", "release", "snooze", "timeout", "force_finish", "cancel", "requeue",
                "canceled_restore", "canceled_restore", "canceled_delete", "bulk", "undo",
                "unfail", "depends_on", "depends_off", "tag", "untag", "track", "untrack",
                "priority", "edit", "log", "progress", "heartbeat", "pause", "unpause", "recur",
                "recur_update", "recur_run", "recur_cancel", "recur_refill", "recur_sync",
                "worker_died", "worker_deregister",
                "queue_forget", "batch_open", "batch_add", "batch_close", "config_set", "put_many",
                "worker_register", "worker_beat", "worker_command", "heartbeat_many", "job_died",
                "throttle_set", "throttle_delete", "throttle_block", "throttle_release", "back_off",
                "user_set", "user_unset", "complete_many", "repair"]  # fmt: skip

    def _jid(self) -> str:
        return self.random.choice(JIDS)

    def _jids(self, most: int = 3) -> list[str]:
        return self.random.sample(JIDS, self.random.randint(1, most))

    def _queue(self) -> str:
        return self.random.choice(QUEUES)

    def _maybe(self, chance: float) -> bool:
        return self.random.random() < chance

    def _held(self) -> tuple[str, str]:
        jid = self.random.choice(list(self.leases) or JIDS)
        return jid, self.leases.get(jid, "1.n")

    def _data(self) -> str:
        return "d" * self.random.choice([2, 100, 1024, 1025, 4000])

    def _options(self) -> dict[str, object]:
        options: dict[str, object] = {}
        if self._maybe(0.3):
            options["priority"] = self.random.choice([0, 1, -1, 2.5])
        if self._maybe(0.4):
            options["depends"] = self._jids()
            options["on_parent_failed"] = self.random.choice(POLICIES)
        if self._maybe(0.3):
            options["tags"] = self.random.sample(["x", "y", "z"], self.random.randint(0, 2))
        if self._maybe(0.3):
            options["delay"] = self.random.choice([0, 500, 40_000])
        if self._maybe(0.3):
            options["retries"] = self.random.choice([0, 1, 3])
        if self._maybe(0.2):
            options["on_conflict"] = self.random.choice(["replace", "ignore", "raise"])
        return options | self._claims() | self._shares()

    def _shares(self) -> dict[str, object]:
        options: dict[str, object] = {}
        if self._maybe(self.shares):
            options["user"] = self.random.choice(["u", "v", False])
        if self._maybe(self.shares):
            throttles = self.random.sample(THROTTLES, self.random.randint(0, 3))
            options["throttles"] = throttles
            if throttles and self._maybe(0.3):
                options["costs"] = {throttles[0]: self.random.choice([0.5, 2])}
        return options

    def _claims(self) -> dict[str, object]:
        options: dict[str, object] = {}
        if self._maybe(0.3):
            scope = self.random.choice(SCOPES)
            window = {"window": 60_000} if scope == "window" else {}
            options["unique"] = {"key": self.random.choice("kl"), "scope": scope, **window}
            options["unique_conflict"] = self.random.choice(["ignore", "raise", "replace"])
        if self._maybe(0.2):
            options["batch"] = self.random.choice(["b1", "b2"])
        if self._maybe(0.1):
            options["keep"] = 50_000
        if self._maybe(0.1) and self.leases:
            options["parent"], options["lease"] = self._held()
        return options

    def put(self) -> tuple[object, ...]:
        return self._queue(), self._jid(), "K", self._data(), self._options()

    def put_many(self) -> tuple[object, ...]:
        jobs = [{"jid": jid, "klass": "K"} | self._options() for jid in self._jids()]
        return self._queue(), jobs, *("{}" for _ in jobs)

    def requeue(self) -> tuple[object, ...]:
        return self._queue(), self._jid(), "", "", self._options()

    def pop(self) -> tuple[object, ...]:
        queues = self.random.sample(QUEUES, self.random.randint(1, 3))
        return queues, self.random.choice(["w1", "w2"]), self.random.randint(1, 4), {"nonce": "n"}

    def tick(self) -> tuple[object, ...]:
        return ()

    def complete(self) -> tuple[object, ...]:
        options: dict[str, object] = {}
        if self._maybe(0.3):
            options["next"] = {"queue": self._queue(), "delay": self.random.choice([0, 700])}
        if self._maybe(0.2):
            options["next"] = {"queue": self._queue(), "depends": self._jids()}
        data = []
        if self._maybe(0.3):
            jobs = [{"jid": jid, "klass": "K", "queue": self._queue()} for jid in self._jids()]
            options["jobs"], data = jobs, ["{}" for _ in jobs]
        result = self.random.choice(["", "result"])
        return *self._held(), self.random.choice(["", "new"]), result, options, *data

    def fail(self) -> tuple[object, ...]:
        return *self._held(), self.random.choice(["g1", "g 2"]), "message", ""

    def retry(self) -> tuple[object, ...]:
        return *self._held(), self.random.choice([0, 900]), {}

    def release(self) -> tuple[object, ...]:
        return self._held()

    def snooze(self) -> tuple[object, ...]:
        return *self._held(), 5000

    def heartbeat(self) -> tuple[object, ...]:
        return *self._held(), self.random.choice(["", self._data()])

    def heartbeat_many(self) -> tuple[object, ...]:
        return ([list(self._held())],)

    def complete_many(self) -> tuple[object, ...]:
        held = dict([self._held(), self._held()])
        return [list(lease) for lease in held.items()], *("" for _ in held)

    def progress(self) -> tuple[object, ...]:
        return *self._held(), "half"

    def log(self) -> tuple[object, ...]:
        return self._jid(), "", "note", "data"

    def timeout(self) -> tuple[object, ...]:
        return (self._jids(1),)

    def force_finish(self) -> tuple[object, ...]:
        return self._jid(), self.random.choice(["", "forced"])

    def cancel(self) -> tuple[object, ...]:
        return self._jids(), {"by": "ann", "reason": "r"} if self._maybe(0.5) else ""

    def canceled_restore(self) -> tuple[object, ...]:
        return (self._jids(9),)

    def canceled_delete(self) -> tuple[object, ...]:
        return (self._jids(1),)

    def bulk(self) -> tuple[object, ...]:
        options: dict[str, dict[str, Any]] = {
            "cancel": {},
            "move": {"queue": self._queue()},
            "tag": {"tags": ["x"]},
            "untag": {"tags": ["x"]},
            "priority": {"priority": 3},
        }
        action = self.random.choice(list(options))
        return action, self._jids(), {**options[action], "undo": "u"}

    def undo(self) -> tuple[object, ...]:
        return "u", self.random.randint(1, 9)

    def unfail(self) -> tuple[object, ...]:
        groups = ["g1", "g 2", "parent-failed", "parent-canceled"]
        return self._queue(), self.random.choice(groups), 3

    def depends_on(self) -> tuple[object, ...]:
        return self._jid(), self._jids(), {"on_parent_failed": self.random.choice(POLICIES)}

    def depends_off(self) -> tuple[object, ...]:
        return self._jid(), self._jids() if self._maybe(0.7) else []

    def tag(self) -> tuple[object, ...]:
        return self._jid(), ["x", "t"]

    def untag(self) -> tuple[object, ...]:
        return self._jid(), ["y", "t"]

    def track(self) -> tuple[object, ...]:
        return (self._jid(),)

    untrack = track

    def priority(self) -> tuple[object, ...]:
        return self._jid(), self.random.choice(["0", "3", "-1.5"])

    def edit(self) -> tuple[object, ...]:
        options = {"priority": self.random.choice([0, 3, -1.5]), "tags": ["x", "e"]}
        return self._jid(), self._data() if self._maybe(0.5) else "", options

    def pause(self) -> tuple[object, ...]:
        until = round(self.clock() * 1000) + 3000
        return [self._queue()], {"until": until} if self._maybe(0.8) else {}

    def unpause(self) -> tuple[object, ...]:
        return (QUEUES,)

    def recur(self) -> tuple[object, ...]:
        start = (self._queue(), self.random.choice(["r1", "r2"]), "K", "{}")
        options: list[dict[str, Any]] = [
            {}, {"misfire": "one"}, {"limit": 2}, {"group": "g", "upsert": True}
        ]  # fmt: skip
        more = self.random.choice(options)
        if self._maybe(0.5):
            return *start, 0, 0, {**self._cron(), **more}
        return *start, 60_000, 500, more

    def _cron(self) -> dict[str, Any]:
        now = round(self.clock() * 1000)
        ticks = [now + 20_000 * number for number in range(1, self.random.choice([2, 5, 120]))]
        final = {"final": True} if self._maybe(0.3) else {}
        return {"cron": "* * * * *", "zone": "UTC", "after": now, "ticks": ticks, **final}

    def recur_refill(self) -> tuple[object, ...]:
        if not self.tick_requests:
            return "r1", 1, 5, [6], {}
        asked = self.random.choice(self.tick_requests)
        after = asked[self.random.choice(["covered", "horizon", "horizon"])]
        ticks = [after + 20_000 * number for number in range(1, self.random.choice([1, 5, 120]))]
        return asked["jid"], asked["generation"], after, ticks, {"final": self._maybe(0.2)}

    def recur_sync(self) -> tuple[object, ...]:
        return "g", self.random.choice([[], ["r1"], ["r1", "r2"]])

    def recur_update(self) -> tuple[object, ...]:
        changes = [{"paused": True}, {"paused": False}, {"interval": 10_000}]
        changes += [{"queue": self._queue()}, {"tags": ["x"]}, {"limit": 3}, self._cron()]
        return self.random.choice(["r1", "r2"]), "", self.random.choice(changes)

    def recur_run(self) -> tuple[object, ...]:
        return (self.random.choice(["r1", "r2"]),)

    recur_cancel = recur_run

    def worker_register(self) -> tuple[object, ...]:
        return self.random.choice(["w1", "w2"]), f"n{self.random.randint(2, 99)}", "info"

    def worker_beat(self) -> tuple[object, ...]:
        return self.random.choice(["w1", "w2"]), self.random.choice(["", "info"])

    def worker_died(self) -> tuple[object, ...]:
        started = self.random.choice(["", self._jid()])
        return self.random.choice(["w1", "w2"]), f"n{self.random.randint(2, 99)}", started, "killed"

    def worker_command(self) -> tuple[object, ...]:
        return (["w1", "w2"], self.random.choice(["quiet", "restart"]))

    def job_died(self) -> tuple[object, ...]:
        return *self._held(), "killed"

    def worker_deregister(self) -> tuple[object, ...]:
        return (["w1"],)

    def queue_forget(self) -> tuple[object, ...]:
        return ([self._queue()],)

    def batch_open(self) -> tuple[object, ...]:
        name = self.random.choice(["b1", "b2"])
        job = {"queue": self._queue(), "jid": self._jid(), "klass": "K", "data": 1}
        options = {self.random.choice(["on_success", "on_complete", "on_failure"]): job}
        return name, options, "{}"

    def batch_add(self) -> tuple[object, ...]:
        return self.random.choice(["b1", "b2"]), self._jids()

    def batch_close(self) -> tuple[object, ...]:
        return (self.random.choice(["b1", "b2"]),)

    def config_set(self) -> tuple[object, ...]:
        options = {
            "grace-period": ["0", "10"],
            "jobs-history": ["0", "60", "2592000"],
            "jobs-history-count": ["3", "50000"],
            "max-job-history": ["4", "100"],
        }
        option = self.random.choice(list(options))
        return option, self.random.choice(options[option])

    def _throttle(self) -> str:
        return self.random.choice([*THROTTLES, "queue:a", "user:u"])

    def throttle_set(self) -> tuple[object, ...]:
        limits = [{"concurrency": 0}, {"concurrency": 1}, {"rate": 2}, {"rate": 1, "burst": 3}]
        return self._throttle(), self.random.choice([*limits, {"concurrency": 2, "rate": 5}])

    def throttle_delete(self) -> tuple[object, ...]:
        return (self._throttle(),)

    def throttle_block(self) -> tuple[object, ...]:
        return self._throttle(), self.random.choice([0, 3000, 40_000])

    def throttle_release(self) -> tuple[object, ...]:
        return self._throttle(), self._jids()

    def back_off(self) -> tuple[object, ...]:
        return *self._held(), 2000, ""

    def user_set(self) -> tuple[object, ...]:
        given = [{"weight": 2}, {"max_running": 1}, {"max_running": False, "weight": 0.5}]
        return self.random.choice(["u", "v"]), self.random.choice(given)

    def user_unset(self) -> tuple[object, ...]:
        return (self.random.choice(["u", "v"]),)

    def repair(self) -> tuple[object, ...]:
        return "job", self._jid(), "", ""
