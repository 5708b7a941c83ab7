"""Select, sort and summarize failure groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, get_args

from qless_py.client.clusters import Cluster, clusters, most_common
from qless_py.protocol import arguments
from qless_py.protocol.deploys import Deploy
from qless_py.protocol.failures import FailureText, GroupPage, SeenGroup

Sort = Literal["last", "first", "count"]
SORTS: Final = get_args(Sort)
MAX_EXAMINED: Final = 1000
MAX_SAMPLE: Final = 500


@dataclass(frozen=True, slots=True)
class FailureList:
    """Failure groups in the order asked for; `total` exist, of which 1,000 were examined.

    `deploy` is the newest deploy marker; `new` of the examined groups were first seen after it.
    """

    groups: list[SeenGroup]
    total: int
    new: int
    deploy: Deploy | None

    def is_new(self, group: SeenGroup) -> bool:
        """Return whether a group was first seen after the newest deploy."""
        return is_new(group, self.deploy)

    def as_dict(self, group: SeenGroup, now: float) -> dict[str, Any]:
        """Return a group as a JSON object, with the failures of the last 24 hours."""
        return {
            "group": group.group,
            "number": group.failed,
            "recent": group.recent,
            "oldest_failed_at": group.oldest_at,
            "first_failed_at": group.first_at,
            "last_failed_at": group.last_at,
            "failures": group.count,
            "hours": group.hours(now),
            "queues": list(group.queues),
            "klasses": list(group.klasses),
            "new": self.is_new(group),
        }


@dataclass(frozen=True, slots=True)
class GroupDetails:
    """What some of the failed jobs of a group have in common; `examined` of `total` were read.

    Klasses, queues and workers are the most frequent ones with their numbers of jobs.
    """

    group: str
    total: int
    examined: int
    clusters: list[Cluster]
    klasses: list[tuple[str, int]]
    queues: list[tuple[str, int]]
    workers: list[tuple[str, int]]

    def as_dict(self) -> dict[str, Any]:
        """Return the details as a JSON object."""
        named = {"klasses": self.klasses, "queues": self.queues, "workers": self.workers}
        return {
            "group": self.group,
            "total": self.total,
            "examined": self.examined,
            "clusters": [asdict(one) for one in self.clusters],
            **{what: [{"name": n, "number": k} for n, k in found] for what, found in named.items()},
        }


def is_new(group: SeenGroup, deploy: Deploy | None) -> bool:
    """Return whether a group was first seen after a deploy."""
    return deploy is not None and group.first_at > deploy.at


def select(  # noqa: PLR0913 - one for each filter
    pages: Sequence[GroupPage],
    deploys: Sequence[Deploy],
    *,
    since: float,
    new: bool,
    text: str,
    sort: Sort,
) -> FailureList:
    """Return the groups of some pages that match, sorted."""
    arguments.choice("sort", sort, SORTS)
    deploy = deploys[0] if deploys else None
    word = text.strip().lower()
    known = {one.group: one for page in pages for one in page.groups}.values()
    inside = [one for one in known if one.last_at >= since and _contains(one, word)]
    recent = [one for one in inside if is_new(one, deploy)]
    order: dict[str, Callable[[SeenGroup], tuple[float, str]]] = {
        "last": lambda one: (-one.last_at, one.group),
        "first": lambda one: (-one.first_at, one.group),
        "count": lambda one: (-(one.recent or 0), one.group),
    }
    found = sorted(recent if new else inside, key=order[sort])
    return FailureList(found, pages[0].total, len(recent), deploy)


def _contains(group: SeenGroup, word: str) -> bool:
    texts = (group.group, *group.queues, *group.klasses)
    return not word or any(word in one.lower() for one in texts)


def summarize(
    group: str, texts: Sequence[FailureText], total: int, redact: Callable[[str], str]
) -> GroupDetails:
    """Return what failures of a group have in common."""
    return GroupDetails(
        group=group,
        total=total,
        examined=len(texts),
        clusters=clusters(group, texts, redact),
        klasses=most_common(one.klass for one in texts),
        queues=most_common(one.queue for one in texts),
        workers=most_common(one.worker for one in texts),
    )
