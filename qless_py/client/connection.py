"""The arguments by which a client chooses its connection and how long it resends calls."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments
from qless_py.protocol.options import Seconds
from qless_py.store.resend import ResendPolicy

R = TypeVar("R")

# Short enough for a web request, which waits for the store meanwhile.
PATIENCE: Final = 10.0
# Of clients in jobs: nobody waits for them, and another run would cost more.
PATIENCE_IN_JOBS: Final = 60.0
# The server remembers answers for five minutes. A call must not be sent again after that.
_MAX_PATIENCE: Final = 120_000


def choose_connection(
    given: R | None, connect: Callable[[], R], url: str | None, connection: Mapping[str, Any]
) -> R:
    """Return the client of redis-py that was passed, or connect."""
    if url is not None and not isinstance(url, str):
        raise BadArgumentError(f"url {url!r} is not text; a client of redis-py is given as redis=")
    if given is None:
        return connect()
    if url is not None or connection:
        raise BadArgumentError("a client of redis-py comes with its own address: give only that")
    return given


def resend_policy(patience: Seconds) -> ResendPolicy:
    """Return the policy that sends a call again for up to `patience` seconds."""
    span = arguments.span("patience", patience)
    if span > _MAX_PATIENCE:
        raise BadArgumentError(f"patience {patience!r} is more than {_MAX_PATIENCE // 1000} s")
    return ResendPolicy(limit=span / 1000)
