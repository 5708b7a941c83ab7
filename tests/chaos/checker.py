"""Judge a chaos run by its ledger and by the final state of the store, without a connection."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.ledger import Line

# What may lie between two hand-outs of one job.
EXPLANATIONS = frozenset({"crashed", "timed-out", "released", "retried", "put"})
ENDED = frozenset({"complete", "failed"})


@dataclass(frozen=True, slots=True)
class Ending:
    """A job at the end: its state, its history entries by name, the lease that completed it."""

    state: str
    history: tuple[str, ...]
    lease: str = ""


@dataclass(slots=True)
class Verdicts:
    """Jids by what went wrong with them; all empty when all is well."""

    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    ghosts: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)


def judge(lines: Sequence[Line], endings: Mapping[str, Ending]) -> Verdicts:
    """Compare what was promised and done with how it ended.

    * lost: acknowledged, but not there any more.
    * stuck: there, but neither complete nor failed.
    * duplicated: completed twice, or one hand-out was started twice.
    * unexplained: handed out again although nothing had happened to the hand-out before.
    * ghosts: started, though nobody was told that it had been put, nor may have been.
    * late: completed by a hand-out that had been followed by another one.
    """
    acked = {line.jid for line in lines if line.what == "acked"}
    known = acked | {line.jid for line in lines if line.what == "unsure"}
    starts: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        if line.what == "start":
            starts[line.jid].append(line.lease)
    verdicts = Verdicts()
    verdicts.lost = sorted(acked - endings.keys())
    verdicts.stuck = sorted(jid for jid, one in endings.items() if one.state not in ENDED)
    verdicts.ghosts = sorted(starts.keys() - known)
    for jid, leases in sorted(starts.items()):
        ending = endings.get(jid)
        if max(Counter(leases).values()) > 1 or (ending and ending.history.count("done") > 1):
            verdicts.duplicated.append(jid)
        if ending and ending.lease and number(ending.lease) < max(map(number, leases)):
            verdicts.late.append(jid)
        if ending and not is_explained(ending.history, len(set(leases))):
            verdicts.unexplained.append(jid)
    return verdicts


def number(lease: str) -> int:
    """Return what tells a later hand-out from an earlier one."""
    return int(lease.partition(".")[0])


def is_explained(history: Iterable[str], started: int) -> bool:
    """Return whether a job's hand-outs follow from its history, and its starts from them."""
    hand_outs = 0
    is_held = False
    for what in history:
        if what == "popped":
            if is_held:
                return False
            hand_outs, is_held = hand_outs + 1, True
        elif what in EXPLANATIONS:
            is_held = False
    return started <= hand_outs
