"""Who sends a request, and what they may do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from qless_py.auth.identity import Access, Role
from qless_py.http.problems import Problem
from qless_py.protocol.tokens import Token

Scope = Literal["read", "put", "work", "operate"]

SCOPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "read": "see jobs, queues, workers and statistics",
        "put": "put jobs",
        "work": "pop jobs, and complete, fail or return those it holds",
        "operate": "change jobs, queues, workers, schedules and settings",
    }
)

_OF_ROLE: Final[Mapping[Role, frozenset[str]]] = MappingProxyType(
    {
        Role.VIEWER: frozenset({"read"}),
        Role.OPERATOR: frozenset({"read", "put", "operate"}),
        Role.ADMIN: frozenset(SCOPES),
    }
)


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request: its name, its scopes, and the token that limits it, if any.

    With `shows_data` it sees values that are redacted for others.
    """

    name: str
    scopes: frozenset[str]
    token: Token | None = None
    shows_data: bool = True

    @property
    def queues(self) -> tuple[str, ...]:
        """The names and patterns of the queues that it is limited to; none means any."""
        return self.token.queues if self.token else ()

    def require(self, scope: str) -> None:
        """Refuse a caller without a scope."""
        if scope not in self.scopes:
            raise Problem("forbidden", f"{self.name} lacks the scope {scope}", scope=scope)

    def may_use(self, queue: str) -> bool:
        """Return whether a queue is one of the caller's."""
        return self.token is None or self.token.allows_queue(queue)

    def require_queue(self, *queues: str) -> None:
        """Refuse a queue that is not the caller's."""
        for queue in queues:
            if not self.may_use(queue):
                raise Problem("forbidden", f"{self.name} may not use the queue {queue}")

    def require_entries(self, entries: Iterable[str]) -> None:
        """Refuse queues to pop from, patterns and exclusions among them, that are not its own."""
        if not self.queues or "*" in self.queues:
            return
        for entry in entries:
            if entry.startswith("!") or entry in self.queues:
                continue
            if "*" in entry:
                raise Problem(
                    "forbidden",
                    f"{self.name} may not use the pattern {entry}: name its own queues or "
                    f"patterns, {', '.join(self.queues)}",
                )
            self.require_queue(entry)

    def require_all_queues(self, what: str) -> None:
        """Refuse a caller that is limited to some queues, for what belongs to no queue."""
        if self.queues:
            raise Problem("forbidden", f"{self.name} is limited to queues: it may not use {what}")

    def require_klass(self, klass: str) -> None:
        """Refuse a klass that the caller may not put."""
        if self.token is not None and not self.token.allows_klass(klass):
            raise Problem("forbidden", f"{self.name} may not put jobs of the klass {klass}")


def of_token(token: Token) -> Caller:
    """Return the caller that a token of the store stands for."""
    name = f"token {token.id} ({token.name})"
    scopes = frozenset(SCOPES) & frozenset(token.scopes)
    return Caller(name, scopes, token, shows_data=token.shows_data)


def of_access(access: Access) -> Caller:
    """Return the caller that an authenticator of the dashboard has found."""
    return Caller(access.name, _OF_ROLE[access.role], shows_data=access.shows_data)


LOCAL: Final = Caller("local", frozenset(SCOPES))

Verify = Callable[[str], Caller | None]
"""Returns the caller that a token of the store belongs to."""
