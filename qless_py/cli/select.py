"""Choose jobs: by the lists of the store where those are enough, else by a search."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import click

from qless_py.cli.names import GROUP, QUEUE, TAG, USER
from qless_py.client.client import Client
from qless_py.client.job import Job
from qless_py.handlers.resolve import OPERATIONS_KLASS, OPERATIONS_QUEUE
from qless_py.protocol import reads
from qless_py.protocol.reads import JidPage

QUEUE_STATES: Final = ("waiting", "running", "stalled", "scheduled", "depends", "throttled")
STATES: Final = (*QUEUE_STATES, "failed", "complete")
PAGE: Final = 1000
READ: Final = 100

Command = TypeVar("Command", bound=Callable[..., Any])
Pages = Callable[[int, int], JidPage]


@dataclass(frozen=True, slots=True)
class Filters:
    """What the jobs must be; what is empty does not matter."""

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
        """Give the search that says the same."""
        terms = [f"state:{','.join(self.states)}"] if self.states else []
        terms += [f"klass:{_pattern(self.klass)}"] if self.klass is not None else []
        for field in ("queue", "tag", "group", "user"):
            value = getattr(self, field)
            if value is not None:
                terms.append(f"{field}:{_quoted(value)}")
        terms += [_quoted(self.text)] if self.text is not None else []
        terms += [self.search] if self.search is not None else []
        return " ".join(terms)

    def lists(self, client: Client) -> list[Pages] | None:
        """Give the lists of just these jobs, by offset and size of a page, if there are such."""
        if any(one is not None for one in (self.klass, self.user, self.text, self.search)):
            return None
        if self.tag is not None:
            is_alone = not self.states and self.queue is None and self.group is None
            return [_pages(client, reads.tagged, self.tag)] if is_alone else None
        if self.group is not None:
            is_alone = self.queue is None and not set(self.states) - {"failed"}
            return [_pages(client, reads.failed, self.group)] if is_alone else None
        if not self.states or (self.queue is not None and {"failed", "complete"} & {*self.states}):
            return None
        return [pages for state in dict.fromkeys(self.states) for pages in self._of(client, state)]

    def _of(self, client: Client, state: str) -> list[Pages]:
        if state == "failed":
            return [_pages(client, reads.failed, group) for group in client.jobs.failed()]
        if state == "complete":
            return [_pages(client, reads.state, "complete", "")]
        known = [row["name"] for row in client.queues.counts if row["name"] != OPERATIONS_QUEUE]
        queues = [self.queue] if self.queue else known
        return [_pages(client, reads.state, state, queue) for queue in queues]


def _pattern(value: str) -> str:
    """Leave a value as it is, so that `*` keeps its meaning, unless it could not stand there."""
    return value if re.fullmatch(r'[^\s"]+', value) else _quoted(value)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def last_queue(one: Job) -> str:
    """Give the queue that the job is in, or was in when it failed or completed."""
    if one.queue_name:
        return one.queue_name
    return next((str(e["queue"]) for e in reversed(one.history) if e.get("queue")), "")


def _pages(client: Client, call: Callable[..., Any], *what: Any) -> Pages:
    return lambda offset, count: client.run(call(*what, offset, count))


def jids(client: Client, filters: Filters) -> Iterator[str]:
    """Give the jids of the chosen jobs, each once, as the lists are now.

    Operations are left out, as they leave themselves out: what they are at goes on.
    """
    lists = filters.lists(client)
    found = _searched(client, filters.query()) if lists is None else _listed(lists)
    seen: set[str] = set()
    for page in found:
        yield from (jid for jid in dict.fromkeys(page) if jid not in seen)
        seen.update(page)


def _listed(lists: list[Pages]) -> Iterator[list[str]]:
    for pages in lists:
        offset = 0
        while True:
            page = pages(offset, PAGE)
            yield page.jids
            offset += len(page.jids)
            if not page.jids or offset >= page.total:
                break


def _searched(client: Client, query: str) -> Iterator[list[str]]:
    cursor: str | None = None
    while True:
        page = client.jobs.search(query, limit=READ, cursor=cursor)
        yield [one.jid for one in page.jobs if one.klass_name != OPERATIONS_KLASS]
        cursor = page.cursor
        if cursor is None:
            return


def filtered(command: Command) -> Command:
    """Add the options that choose jobs; the command gets them as keyword arguments."""
    for option in (
        click.option("--text", help="Jobs with this text in jid, klass, tags, data or failure."),
        click.option("--user", type=USER, help="Jobs of this user."),
        click.option("--group", type=GROUP, help="Failed jobs of this group."),
        click.option("--tag", type=TAG, help="Jobs with this tag."),
        click.option("--klass", help="Jobs of this klass; * stands for anything."),
        click.option("--queue", type=QUEUE, help="Jobs of this queue."),
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
