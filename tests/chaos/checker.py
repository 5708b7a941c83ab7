"""Check a chaos run from its ledger and the final state of the store, without a connection."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.ledger import Line

# History entries that may come between two pops of one job.
EXPLANATIONS = frozenset({"crashed", "timed-out", "released", "retried", "put"})
ENDED = frozenset({"complete", "failed"})


@dataclass(frozen=True, slots=True)
class Ending:
    """A job at the end: its state, its history entries by name, the lease that completed it."""

    state: str
    history: tuple[str, ...]
    lease: str = ""


@dataclass(slots=True)
class Violations:
    """Jids by what went wrong with them; all empty when nothing did."""

    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    ghosts: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)


def violations(lines: Sequence[Line], endings: Mapping[str, Ending]) -> Violations:
    """Compare what was promised and done with the final state of each job.

    * lost: acknowledged, but not there any more.
    * stuck: there, but neither complete nor failed.
    * duplicated: completed twice, or started twice under one lease.
    * unexplained: popped again although the earlier pop had not ended.
    * ghosts: started, although no put of it was or may have been acknowledged.
    * late: completed under a lease after which it was popped again.
    """
    acked = {line.jid for line in lines if line.what == "acked"}
    known = acked | {line.jid for line in lines if line.what == "unsure"}
    starts: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        if line.what == "start":
            starts[line.jid].append(line.lease)
    found = Violations()
    found.lost = sorted(acked - endings.keys())
    found.stuck = sorted(jid for jid, one in endings.items() if one.state not in ENDED)
    found.ghosts = sorted(starts.keys() - known)
    for jid, leases in sorted(starts.items()):
        ending = endings.get(jid)
        if max(Counter(leases).values()) > 1 or (ending and ending.history.count("done") > 1):
            found.duplicated.append(jid)
        if ending and ending.lease and number(ending.lease) < max(map(number, leases)):
            found.late.append(jid)
        if ending and not is_explained(ending.history, len(set(leases))):
            found.unexplained.append(jid)
    return found


def number(lease: str) -> int:
    """Return the fencing token of a lease; a later pop has a higher one."""
    return int(lease.partition(".")[0])


def is_explained(history: Iterable[str], started: int) -> bool:
    """Return whether a job's pops follow from its history, and its starts from its pops."""
    pops = 0
    is_held = False
    for what in history:
        if what == "popped":
            if is_held:
                return False
            pops, is_held = pops + 1, True
        elif what in EXPLANATIONS:
            is_held = False
    return started <= pops
