"""What can be done to many jobs: each act for a hundred of them in one round trip."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from qless_py import protocol
from qless_py.client.client import Client
from qless_py.client.job import Job
from qless_py.errors import JobNotFoundError, QlessError
from qless_py.protocol import Call

DONE: Final = "done"

Answers = list[Any]
"""For each jid "done", "CODE detail" as the store says it, or an exception."""


@dataclass(frozen=True, slots=True)
class InBackground:
    """The action as an operation, which the workers carry out; only jobs of `states`, if any."""

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    states: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Action:
    """What is done to up to 100 jobs, and its name in the two forms that messages need."""

    name: str
    done: str
    act: Callable[[Client, list[str]], Answers]
    operation: InBackground | None = None


@dataclass(frozen=True, slots=True)
class How:
    """How a work on many jobs is to be done."""

    agreed: bool = False
    dry_run: bool = False
    limit: int | None = None
    everything: bool = False
    in_background: bool = False


def of_store(
    name: str, done: str, act: str | None = None, states: tuple[str, ...] = (), **options: Any
) -> Action:
    """Make an action of the store: one call for 100 jobs, each judged as it is at that moment."""
    given = {**options, "states": list(states)} if states else options

    def run_it(client: Client, jids: list[str]) -> Answers:
        answers: Answers = client.run(protocol.jobs.bulk(act or name, jids, given))
        return answers

    return Action(name, done, run_it, InBackground(act or name, options, states))


def one_by_one(name: str, done: str, call: Callable[[Job], Call[Any]]) -> Action:
    """Make an action out of a call for one job, sent for 100 of them in one round trip."""

    def run_it(client: Client, jids: list[str]) -> Answers:
        answers: dict[str, Any] = dict.fromkeys(jids, JobNotFoundError())
        calls: dict[str, Call[Any]] = {}
        for one in client.jobs.get(*jids):
            if isinstance(one, Job):
                try:
                    calls[one.jid] = call(one)
                except QlessError as refusal:
                    answers[one.jid] = refusal
        for jid, reply in zip(calls, _sent(client, calls), strict=True):
            answers[jid] = reply if isinstance(reply, Exception) else DONE
        return list(answers.values())

    return Action(name, done, run_it)


def _sent(client: Client, calls: Mapping[str, Call[Any]]) -> list[Any]:
    return client.run_many(list(calls.values())) if calls else []


def _untracked(client: Client, jids: list[str]) -> Answers:
    """Stop tracking; jobs may be gone and still be on the list of those that are tracked."""
    replies = client.run_many([protocol.jobs.untrack(jid) for jid in jids])
    known = {one.jid for one in client.jobs.get(*jids)}
    return [
        DONE if reply is True or (reply is False and jid in known) else reply or JobNotFoundError()
        for jid, reply in zip(jids, replies, strict=True)
    ]


CANCEL: Final = of_store("cancel", "canceled")
UNTRACK: Final = Action("untrack", "untracked", _untracked)
