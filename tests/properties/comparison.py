"""Run each call on the scripts and on the model, and compare everything visible."""

import json
from collections.abc import Iterator
from typing import Any

import msgpack
import redis as redis_py

from qless_py.errors import QlessError
from qless_py.store import server_errors
from tests import invariants
from tests.properties.model import leases, listings, settings, state, transitions
from tests.properties.strategies import JIDS, QUEUES, WORKERS, Held, Known
from tests.script_runner import Scripts, packed, readable

MODULES = (transitions, leases, settings)
WOBBLE = 60_000
START = 1_700_000_000_000


def _differences(actual: Any, expected: Any, path: str) -> Iterator[str]:
    """Return the innermost path at which two values differ."""
    if isinstance(actual, dict) and isinstance(expected, dict):
        for key in sorted({*actual, *expected}):
            yield from _differences(actual.get(key), expected.get(key), f"{path}.{key}")
    elif isinstance(actual, list) and isinstance(expected, list) and len(actual) == len(expected):
        for number, (one, other) in enumerate(zip(actual, expected, strict=True)):
            yield from _differences(one, other, f"{path}[{number}]")
    elif actual != expected:
        yield f"{path} is {actual!r}, not {expected!r}"


class BreakdownError(AssertionError):
    """A script did not answer but stop with an error of its own."""


class Bench:
    """A namespace on the server beside its model.

    `trace` lists what was called, `given` every lease that each job ever had. `looks` says whether
    everything is compared after each call, or only its reply and its events.
    """

    def __init__(self, redis: redis_py.Redis, call: Scripts | None = None) -> None:
        redis.flushall()
        self.redis = redis
        self.now = START
        self.call = call or Scripts(redis, lambda: 0)
        self.model = state.Namespace(self._child_count)
        self.given: dict[str, list[str]] = {}
        self.trace: list[str] = []
        self.looks = True
        self.pubsub = redis.pubsub()
        self.pubsub.psubscribe("{ql}:*")
        self.read_events()

    def wait(self, time: int) -> None:
        """Advance the clock; a negative time sets it back, by less than the tolerated skew."""
        self.now = max(self.now + time, self.model.last - WOBBLE, START)

    def close(self) -> None:
        self.pubsub.close()

    def read_events(self) -> list[tuple[str, Any]]:
        """Return all events published so far."""
        self.pubsub.ping("end")
        found: list[tuple[str, Any]] = []
        while True:
            message = self.pubsub.parse_response()
            if message == b"end":
                return found
            if message[0] == b"pmessage":
                channel, text = message[2].decode().removeprefix("{ql}:"), message[3].decode()
                is_json = channel == "log" or channel.startswith("worker:")
                found.append((channel, json.loads(text) if is_json else text))

    def step(self, name: str, *args: Any) -> Any:
        """Run a transition on both; replies, events and resulting state must be equal."""
        self.trace.append(f"{self.now - START:>12} {name}{args}")
        reply = self._run(name, args)
        if name == "pop" and isinstance(reply, dict):
            reply = self._handed_out(reply, args)
        events = self.read_events()
        failed = [text for channel, text in events if channel == "log" and "group" in text]
        self.model.late = [text["jid"] for text in failed if text["group"] == "expired"]
        expected = self._expected(name, args)
        self._same(f"the reply of {name}", reply, expected)
        published = self.model.call.events
        if name == "complete_many":  # Jobs that nothing else depends on end before the others.
            events, published = sorted(events, key=repr), sorted(published, key=repr)
        self._same(f"the events of {name}", events, published)
        if self.looks:
            self.look()
        return reply

    def _run(self, name: str, args: tuple[Any, ...]) -> Any:
        try:
            reply = self.call(name, *args, now=str(self.now))
        except QlessError as refusal:
            if not refusal.code:
                raise BreakdownError(self._with_trace(f"{name} broke down")) from refusal
            return f"refused: {refusal.code}"
        if name in ("heartbeat_many", "complete_many"):
            return [one.partition(" ")[0] if isinstance(one, str) else one for one in reply]
        return reply

    def _expected(self, name: str, args: tuple[Any, ...]) -> Any:
        run = next(vars(module)[name] for module in MODULES if name in vars(module))
        self.model.begin(self.now)
        try:
            reply = run(self.model, *args)
        except state.Refused as refusal:
            return f"refused: {refusal}"
        self.model.end()
        return reply

    def _handed_out(self, reply: dict[str, Any], args: tuple[Any, ...]) -> dict[str, Any]:
        """Record the leases, check that they grow, and reduce the reply to what the model knows."""
        nonce = args[3].get("nonce", "-")
        for job in reply["jobs"]:
            number, _, suffix = job["lease"].partition(".")
            before = [int(one.partition(".")[0]) for ones in self.given.values() for one in ones]
            self._same("the nonce of a lease", suffix, nonce)
            assert int(number) > max(before, default=0), "a lease that does not grow"
            self.given.setdefault(job["jid"], []).append(job["lease"])
            self.model.leases[job["jid"]] = job["lease"]
        self._same("what to wait on", len(reply["wake"]), len(args[0]))
        self.model.taken = [job["jid"] for job in reply["jobs"]]
        self.model.told_next = reply.get("next")
        return {
            "jobs": self.model.taken,
            "next": reply.get("next"),
            "more": reply["more"],
        }

    def look(self) -> None:
        """Compare every listing, and let the checker go through the namespace."""
        self.model.now = max(self.now, self.model.last)
        limit = int(self.model.option("max-job-history"))
        wanted = list(listings.everything(self.model, queues=QUEUES, jids=JIDS, workers=WORKERS))
        for (name, args, expected), reply in zip(wanted, self._ask(wanted), strict=True):
            shown = listings.comparable(reply, limit)
            self._same(f"{name}{args}", shown, listings.comparable(expected, limit))
        found = invariants.findings(self.redis)
        assert not found, self._with_trace("\n".join(map(str, found)))

    def _ask(self, wanted: list[listings.Expected]) -> list[Any]:
        """Run all queries in one round trip."""
        functions = self.call.library.functions
        with self.redis.pipeline(transaction=False) as pipeline:
            for name, args, _ in wanted:
                pipeline.fcall_ro(functions[name].name, 1, "{ql}", self.now, *map(packed, args))
            replies = pipeline.execute(raise_on_error=False)
        refused = [one for one in replies if isinstance(one, redis_py.ResponseError)]
        if any(map(server_errors.is_missing_function, refused)):
            self.redis.function_load(self.call.library.text)
            return self._ask(wanted)
        for error in refused:
            raise error
        return [readable(msgpack.unpackb(one, raw=True, strict_map_key=False)) for one in replies]

    def _child_count(self, jid: str) -> int:
        """Return how many children a recurring job has had by now, which the model asks seldom."""
        shown = self._ask([("read/recurring", (queue, 0, 100), None) for queue in QUEUES])
        counted = {one["jid"]: int(one["count"]) for page in shown for one in page["jobs"]}
        return counted[jid]

    def _same(self, what: str, actual: Any, expected: Any) -> None:
        actual, expected = listings.plain(actual), listings.plain(expected)
        if actual != expected:
            where = "\n".join(_differences(actual, expected, ""))
            raise AssertionError(self._with_trace(f"{what}: {where}"))

    def _with_trace(self, what: str) -> str:
        return what + "\nafter\n" + "\n".join(self.trace)

    def named(self, known: Known) -> str:
        """Draw a job that exists, in the requested state."""
        jobs = self.model.jobs.values()
        jids = sorted(job.jid for job in jobs if known.state in ("", job.state)) or JIDS
        return jids[known.pick % len(jids)]

    def resolve(self, held: Held) -> tuple[str, str]:
        """Draw a running job and one of its leases, current or earlier."""
        running = sorted(job.jid for job in self.model.jobs.values() if job.state == "running")
        jids = running or JIDS
        jid = jids[held.pick % len(jids)]
        leases = ["0.-", "0.n", *self.given.get(jid, ["0.m"])]
        return jid, leases[-1 - held.past]
