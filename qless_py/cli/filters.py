"""Options that choose jobs, and the jobs they choose."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import click

from qless_py import protocol
from qless_py.cli.params import GROUP, QUEUE, TAG, USER
from qless_py.client import bulk
from qless_py.client.client import Client
from qless_py.client.search import quote
from qless_py.handlers.resolve import OPERATIONS_QUEUE
from qless_py.protocol.jobs import JidPage

QUEUE_STATES: Final = ("waiting", "running", "stalled", "scheduled", "depends", "throttled")
STATES: Final = (*QUEUE_STATES, "failed", "complete")
_PAGE: Final = 1000

Command = TypeVar("Command", bound=Callable[..., Any])
List = Callable[[int, int], JidPage]
"""Reads a list of jids, by offset and count."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What jobs must be; an empty filter matches all."""

    states: Sequence[str] = ()
    queue: str | None = None
    klass: str | None = None
    tag: str | None = None
    group: str | None = None
    user: str | None = None
    text: str | None = None
    search: str | None = None

    def __bool__(self) -> bool:
        return bool(self.query())

    def query(self) -> str:
        """Return the search that matches the same jobs."""
        terms = [f"state:{','.join(self.states)}"] if self.states else []
        terms += [f"klass:{_pattern(self.klass)}"] if self.klass is not None else []
        for field in ("queue", "tag", "group", "user"):
            value = getattr(self, field)
            if value is not None:
                terms.append(f"{field}:{quote(value)}")
        terms += [quote(self.text)] if self.text is not None else []
        terms += [self.search] if self.search is not None else []
        return " ".join(terms)

    def jids(self, client: Client) -> Iterator[str]:
        """Yield the jids of the matching jobs, each once, without operations."""
        lists, rest = self._parts(client)
        pages = itertools.chain(_pages(lists), bulk.matching(client, rest) if rest else ())
        seen: set[str] = set()
        for page in pages:
            yield from (jid for jid in dict.fromkeys(page) if jid not in seen)
            seen.update(page)

    def count(self, client: Client) -> tuple[int, bool]:
        """Count the matching jobs, and return whether all were counted.

        The lengths of lists are read at once. A search looks at a limited number of jobs.
        """
        lists, rest = self._parts(client)
        listed = sum(one(0, 0).total for one in lists)
        found, is_all = bulk.count(client, rest) if rest else (0, True)
        return listed + found, is_all

    def _parts(self, client: Client) -> tuple[list[List], str]:
        """Return lists that hold just these jobs, and a search for the rest, if any.

        A list is faster than a search, which reads each job. Neither holds operations.
        """
        query = self.query() or " "  # Everything.
        if any(one is not None for one in (self.klass, self.user, self.text, self.search)):
            return [], query
        if self.tag is not None:
            is_alone = not self.states and self.queue is None and self.group is None
            return (
                ([_list(client, protocol.jobs.tagged, self.tag)], "") if is_alone else ([], query)
            )
        if self.group is not None:
            is_alone = self.queue is None and not set(self.states) - {"failed"}
            lists = [_list(client, protocol.jobs.failed, self.group)]
            return (lists, "") if is_alone else ([], query)
        if self.queue == OPERATIONS_QUEUE or not (self.states or self.queue):
            return [], query
        states = dict.fromkeys(self.states or STATES)
        # Failed and complete jobs are not listed by queue.
        rest = [one for one in states if self.queue is not None and one in {"failed", "complete"}]
        lists = [one for state in states if state not in rest for one in self._of(client, state)]
        return lists, replace(self, states=rest).query() if rest else ""

    def _of(self, client: Client, state: str) -> list[List]:
        if state == "failed":
            return [_list(client, protocol.jobs.failed, group) for group in client.jobs.failed()]
        if state == "complete":
            return [_list(client, protocol.jobs.in_state, "complete", "")]
        known = [row["name"] for row in client.queues.counts if row["name"] != OPERATIONS_QUEUE]
        queues = [self.queue] if self.queue else known
        return [_list(client, protocol.jobs.in_state, state, queue) for queue in queues]


def _pattern(value: str) -> str:
    """Return the value unquoted, so that `*` keeps its meaning, unless it needs quotes."""
    return value if re.fullmatch(r'[^\s"]+', value) else quote(value)


def _list(client: Client, call: Callable[..., Any], *what: Any) -> List:
    return lambda offset, count: client.run(call(*what, offset, count))


def _pages(lists: list[List]) -> Iterator[list[str]]:
    for one in lists:
        offset = 0
        while True:
            page = one(offset, _PAGE)
            yield page.jids
            offset += len(page.jids)
            if not page.jids or offset >= page.total:
                break


def filter_options(command: Command) -> Command:
    """Add the options that choose jobs; the command gets them as keyword arguments."""
    for option in (
        click.option("--text", help="Jobs with this text in jid, klass, tags, data or failure."),
        click.option("--user", type=USER, help="Jobs of this user."),
        click.option("--group", type=GROUP, help="Failed jobs of this failure group."),
        click.option("--tag", type=TAG, help="Jobs with this tag."),
        click.option("--klass", help="Jobs of this klass; * matches anything."),
        click.option("--queue", type=QUEUE, help="Jobs in this queue."),
        click.option(
            "--state",
            "states",
            multiple=True,
            type=click.Choice(STATES),
            help="Jobs in this state. May be repeated.",
        ),
    ):
        command = option(command)
    return command
