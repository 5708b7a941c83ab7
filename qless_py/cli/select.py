"""Choose jobs: by state, queue, group and tag in the store, by the rest after reading them."""

from __future__ import annotations

import fnmatch
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import click

from qless_py.cli import shapes
from qless_py.cli.options import GROUP, QUEUE, TAG
from qless_py.client import Client
from qless_py.job import Job
from qless_py.protocol import reads
from qless_py.protocol.reads import JidPage

QUEUE_STATES: Final = ("waiting", "running", "stalled", "scheduled", "depends", "throttled")
STATES: Final = (*QUEUE_STATES, "failed", "complete")
PAGE: Final = 1000
READ: Final = 100

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Filters:
    """What the jobs must be; what is empty does not matter."""

    states: Sequence[str] = ()
    queue: str | None = None
    klass: str | None = None
    tag: str | None = None
    group: str | None = None
    text: str | None = None

    def __bool__(self) -> bool:
        return any((self.states, self.queue, self.klass, self.tag, self.group, self.text))

    def accepts(self, one: Job) -> bool:
        """Tell whether a job is what was asked for, as far as the lists did not see to it."""
        return (
            (self.klass is None or fnmatch.fnmatchcase(one.klass_name, self.klass))
            and (self.tag is None or self.tag in one.tags)
            and (self.queue is None or self.queue == last_queue(one))
            and (self.group is None or one.failure.get("group") == self.group)
            and (self.text is None or self.text.casefold() in _text(one))
            # The lists of states know better: a running job may count as stalled.
            and (self.tag is None or not self.states or one.state in self.states)
        )

    @property
    def must_read(self) -> bool:
        """Whether the lists of the store alone cannot tell which jobs are meant."""
        beside_tag = self.tag is not None and any((self.states, self.queue, self.group))
        without_queue = {"failed", "complete"} & set(self._places())
        return bool(
            self.klass or self.text or beside_tag or (self.queue is not None and without_queue)
        )

    def lists(self, client: Client) -> Iterator[Pages]:
        """Give the lists to go through, each by the offset and size of its page."""
        if self.tag is not None:
            yield _pages(client, reads.tagged, self.tag)
            return
        for state in self._places():
            if state == "failed":
                groups = [self.group] if self.group else list(client.jobs.failed())
                for group in groups:
                    yield _pages(client, reads.failed, group)
            elif state == "complete":
                yield _pages(client, reads.state, "complete", "")
            else:
                for queue in [self.queue] if self.queue else _queues(client):
                    yield _pages(client, reads.state, state, queue)

    def _places(self) -> Sequence[str]:
        if self.group is not None:
            return ("failed",)
        if self.states:
            return self.states
        return QUEUE_STATES if self.queue is not None else STATES


def last_queue(one: Job) -> str:
    """Give the queue that the job is in, or was in when it failed or completed."""
    if one.queue_name:
        return one.queue_name
    return next((e["queue"] for e in reversed(one.history) if e.get("queue")), "")


def _text(one: Job) -> str:
    told = shapes.job(one)
    parts = (told["jid"], told["klass"], told["tags"], told["data"], told["failure"])
    return json.dumps(parts, ensure_ascii=False, default=str).casefold()


def _queues(client: Client) -> list[str]:
    return [row["name"] for row in client.queues.counts]


Pages = Callable[[int, int], JidPage]


def _pages(client: Client, call: Callable[..., Any], *what: Any) -> Pages:
    return lambda offset, count: client.run(call(*what, offset, count))


def jids(client: Client, filters: Filters) -> Iterator[str]:
    """Give the jids on the lists, each once, as the lists are now: not all need be accepted."""
    seen: set[str] = set()
    for pages in filters.lists(client):
        offset = 0
        while True:
            page = pages(offset, PAGE)
            yield from (jid for jid in page.jids if jid not in seen)
            seen.update(page.jids)
            offset += len(page.jids)
            if not page.jids or offset >= page.total:
                break


def total(client: Client, filters: Filters) -> int | None:
    """Count the jobs without reading them, or give None where only reading tells."""
    if filters.must_read:
        return None
    return sum(pages(0, 0).total for pages in filters.lists(client))


class Search:
    """Goes through the jobs that are accepted; looks at `most` jobs, then it `is_cut` short."""

    def __init__(self, client: Client, filters: Filters, most: int | None = None) -> None:
        self._client = client
        self._filters = filters
        self._most = most
        self.is_cut = False

    def __iter__(self) -> Iterator[Job]:
        looked, found = 0, jids(self._client, self._filters)
        while True:
            left = READ if self._most is None else min(READ, self._most - looked)
            batch = list(itertools.islice(found, left))
            if not batch:
                self.is_cut = left == 0 and next(found, None) is not None
                return
            looked += len(batch)
            for one in self._client.jobs.get(*batch):
                if isinstance(one, Job) and self._filters.accepts(one):
                    yield one


def filtered(*, tag: bool = True) -> Callable[[Command], Command]:
    """Add the options that choose jobs; the command gets them as keyword arguments."""
    options = [
        click.option(
            "--state",
            "states",
            multiple=True,
            type=click.Choice(STATES),
            help="Jobs in this state. May be repeated.",
        ),
        click.option("--queue", type=QUEUE, help="Jobs of this queue."),
        click.option("--klass", help="Jobs of this klass; * stands for anything."),
        click.option("--group", type=GROUP, help="Failed jobs of this group."),
        click.option("--text", help="Jobs with this text in jid, klass, tags, data or failure."),
    ]
    if tag:
        options.append(click.option("--tag", type=TAG, help="Jobs with this tag."))

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add
