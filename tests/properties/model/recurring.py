"""Recurring jobs: their slots, and the children that come due."""

from typing import Any, Final

from tests.properties.model import submission
from tests.properties.model.state import Namespace, Recurring, Refused

MAX_RUNS: Final = 20


def load(ns: Namespace, jid: str) -> Recurring:
    if jid not in ns.recurring:
        raise Refused("NOJOB")
    return ns.recurring[jid]


def listed(ns: Namespace, queue: str) -> list[Recurring]:
    """List the recurring jobs of a queue, the next one first, paused ones last."""
    found = [own for own in ns.recurring.values() if own.queue == queue]
    return sorted(found, key=lambda own: (own.place, own.jid))


def set_slot(ns: Namespace, own: Recurring, slot: int) -> None:
    own.slot = slot
    if not own.paused:
        ns.look_at(f"recurring:{own.queue}", slot)


def make_children(ns: Namespace, own: Recurring, budget: int) -> int:
    """Make the children that are due, each with the time of its slot."""
    missed = (ns.now - own.slot) // own.interval
    if own.backlog and missed > own.backlog:
        own.slot += (missed - own.backlog) * own.interval
        missed = own.backlog
    made = min(missed + 1, budget)
    for number in range(made):
        spawn(ns, own, own.slot, made - 1 - number)
        own.slot += own.interval
    return made


def spawn(ns: Namespace, own: Recurring, slot: int, still_to_come: int = 0) -> str:
    """Put one child; a number that a job has already is skipped, as the scripts report the next."""
    own.count += 1
    if f"{own.jid}-{own.count}" in ns.jobs:
        skipped, own.count = own.count, ns.child_count(own.jid) - still_to_come
        assert own.count > skipped, "the number of a child went back"
    jid = f"{own.jid}-{own.count}"
    spec: dict[str, Any] = {
        "jid": jid,
        "klass": own.klass,
        "queue": own.queue,
        "data": own.data,
        "priority": own.priority,
        "retries": own.retries,
        "spawned_from": own.jid,
    }
    spec |= {"tags": own.tags} if own.tags else {}
    spec |= {"codec": own.codec} if own.codec else {}
    submission.apply(ns, submission.decide(ns, spec), slot)
    own.runs = [*own.runs, [own.count, slot]][-MAX_RUNS:]
    return jid
