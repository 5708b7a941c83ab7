"""Access tokens of the HTTP API: who may do what, on which queues, with which klasses."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal, get_args

from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments
from qless_py.protocol.call import Call, boolean, mapping, pack, unpack
from qless_py.protocol.reservers import fits, is_pattern

Scope = Literal["put", "work", "read", "operate", "data"]
SCOPES: Final = get_args(Scope)
MAX_TOKENS: Final = 1000
MAX_PATTERNS: Final = 20
# Jobs of these klasses make a worker call any URL, or sign any text as an event of a webhook, so a
# pattern such as `*` does not include them.
EXPLICIT_KLASSES: Final = frozenset({"http", "webhook"})
_ID_BYTES: Final = 8
_SECRET_BYTES: Final = 24
_ID: Final = re.compile(r"[a-z0-9]{1,32}")
_TEXT: Final = re.compile(r"qlt_([a-z0-9]{1,32})_([0-9a-f]{48})")


@dataclass(frozen=True, slots=True)
class Token:
    """An access token without its secret. Times are Unix seconds.

    Without `queues` or `klasses` it is not limited to any. `used_at` is exact to a minute.
    """

    id: str
    name: str
    scopes: tuple[Scope, ...]
    queues: tuple[str, ...] = ()
    klasses: tuple[str, ...] = ()
    created_at: float = 0.0
    created_by: str | None = None
    expires_at: float | None = None
    used_at: float | None = None

    def allows(self, scope: Scope, queue: str | None = None, klass: str | None = None) -> bool:
        """Return whether the token has a scope, for a queue and a klass where these are given."""
        if scope not in self.scopes:
            return False
        if queue is not None and not self.allows_queue(queue):
            return False
        return klass is None or self.allows_klass(klass)

    def allows_queue(self, queue: str) -> bool:
        """Return whether a queue matches one of the token's patterns, or it has none."""
        return not self.queues or any(fits(pattern, queue) for pattern in self.queues)

    def allows_klass(self, klass: str) -> bool:
        """Return whether a klass matches one of the token's patterns, or it has none.

        The klasses in `EXPLICIT_KLASSES` must be named in full.
        """
        if klass in EXPLICIT_KLASSES:
            return klass in self.klasses
        return not self.klasses or any(fits(pattern, klass) for pattern in self.klasses)

    @property
    def shows_data(self) -> bool:
        """Whether secrets in data, results and errors of jobs are shown to the token."""
        return "data" in self.scopes


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just created: only now `text`, which holds its secret, is known."""

    token: Token
    text: str

    def __repr__(self) -> str:
        return f"NewToken(token={self.token!r})"


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token and what is needed to check a request: the SHA-256 of its secret.

    `left` is for how many seconds it is valid. `is_use_due`: whether its last use may be noted.
    """

    token: Token
    digest: str
    left: float | None
    is_use_due: bool

    def matches(self, secret: str) -> bool:
        """Compare a secret with the stored digest, in constant time."""
        return hmac.compare_digest(digest_of(secret), self.digest)

    def noted(self) -> "StoredToken":
        """Return the same token after its use was noted."""
        return replace(self, is_use_due=False)


def generate() -> tuple[str, str]:
    """Return the id (64 random bits) and the secret (192 random bits) of a new token."""
    return secrets.token_hex(_ID_BYTES), secrets.token_hex(_SECRET_BYTES)


def digest_of(secret: str) -> str:
    """Return what the store keeps of a secret: its SHA-256 in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def split(text: Any) -> tuple[str, str] | None:
    """Return the id and the secret of `qlt_<id>_<secret>`, `None` for any other text."""
    found = _TEXT.fullmatch(text) if isinstance(text, str) else None
    return (found[1], found[2]) if found else None


def create(name: str, scopes: Any, options: Mapping[str, Any]) -> Call[NewToken]:
    """Create a token with a new id and secret; `options` may hold what `Tokens.create` takes."""
    token_id, secret = generate()
    stored = {
        "name": arguments.line("name", name),
        "scopes": _scopes(scopes),
        **_patterns("queues", options.get("queues")),
        **_patterns("klasses", options.get("klasses")),
        **_expiry(options.get("expires")),
    }
    if options.get("created_by") is not None:
        stored["created_by"] = arguments.line("created_by", options["created_by"])
    call = Call("token_create", (token_id, digest_of(secret), pack(stored)), mapping)
    return call.map(lambda row: NewToken(_token(row), f"qlt_{token_id}_{secret}"))


def revoke(token_id: str) -> Call[bool]:
    """Delete a token; returns whether there was one."""
    return Call("token_revoke", (_checked_id(token_id),), boolean)


def note_use(token_id: str) -> Call[bool]:
    """Store that a token was used now; returns whether the last use was longer ago."""
    return Call("token_used", (token_id,), boolean)


def read(token_id: str) -> Call[StoredToken | None]:
    """Read a token that may be used now."""
    return Call("read/token", (_checked_id(token_id),), mapping).map(_stored)


def read_all() -> Call[list[Token]]:
    """Read all tokens, the oldest first."""
    return Call("read/tokens", (), lambda reply: [_token(row) for row in unpack(reply)])


def _checked_id(value: Any) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise BadArgumentError(
            f"token {value!r} is not an id: the part between the underscores of qlt_<id>_<secret>"
        )
    return value


def _scopes(values: Any) -> list[str]:
    given = _listed("scopes", values)
    checked = list(dict.fromkeys(arguments.choice("scope", one, SCOPES) for one in given))
    if not checked:
        raise BadArgumentError(f"scopes is empty; give at least one of {', '.join(SCOPES)}")
    return checked


def _patterns(what: str, values: Any) -> dict[str, list[str]]:
    """Return the option for some patterns; none at all stands for no limit."""
    if values is None:
        return {}
    check = _queue_pattern if what == "queues" else arguments.line
    checked = list(dict.fromkeys(check(what, one) for one in _listed(what, values)))
    if not 1 <= len(checked) <= MAX_PATTERNS:
        raise BadArgumentError(f"{what} has {len(checked)} patterns, not 1 to {MAX_PATTERNS}")
    return {what: checked}


def _queue_pattern(what: str, value: Any) -> str:
    if not is_pattern(value):
        raise BadArgumentError(f"{what} holds {value!r}, which is no name or pattern with *")
    return value


def _listed(what: str, values: Any) -> list[Any]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise BadArgumentError(f"{what} {values!r} is not a list")
    return list(values)


def _expiry(value: Any) -> dict[str, int]:
    """Return when the token expires; a duration counts from the server's clock."""
    if value is None:
        return {}
    if isinstance(value, datetime):
        return {"expires_at": arguments.instant("expires", value)}
    return {"expires_in": arguments.span("expires", value, 0.001)}


def _token(row: Mapping[str, Any]) -> Token:
    created_by = row.get("created_by")
    return Token(
        id=str(row["id"]),
        name=str(row["name"]),
        scopes=tuple(row["scopes"]),
        queues=tuple(map(str, row.get("queues") or ())),
        klasses=tuple(map(str, row.get("klasses") or ())),
        created_at=row["created_at"] / 1000,
        created_by=None if created_by is None else str(created_by),
        expires_at=_seconds(row.get("expires_at")),
        used_at=_seconds(row.get("used_at")),
    )


def _stored(row: Mapping[str, Any]) -> StoredToken | None:
    if not row:
        return None
    return StoredToken(
        token=_token(row["token"]),
        digest=str(row["digest"]),
        left=_seconds(row.get("left")),
        is_use_due=bool(row["is_use_due"]),
    )


def _seconds(value: Any) -> float | None:
    return None if value is None else int(value) / 1000
