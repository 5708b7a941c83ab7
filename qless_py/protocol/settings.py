"""The settings that all objects of a client share; no I/O."""

import dataclasses
import os
import re
import socket
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from qless_py.errors import BadArgumentError, UndecodableDataError
from qless_py.protocol import arguments
from qless_py.protocol import codec as codecs
from qless_py.protocol.codec import Codec


@dataclass(frozen=True, slots=True)
class TickRequest:
    """A cron job whose next ticks are wanted: those after `horizon`, in ms.

    All ticks up to `covered` have been dealt with, `ahead` ticks are stored beyond it, and `final`
    means there are none after those. The answer carries `generation`, so only the first counts.
    """

    jid: str
    cron: str
    zone: str
    zone_version: str
    generation: int
    covered: int
    horizon: int
    ahead: int
    final: bool
    start: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a client, synchronous or asyncio."""

    namespace: str
    codec: Codec
    codecs: Mapping[str, Codec]
    clock: Callable[[], float]
    given_worker_name: str | None
    # The number of the database: channels carry it, since all databases of a server share them.
    database: int = 0
    # Requests for ticks that came with pops and are not answered yet: `qless_py.client.refill`.
    tick_requests: deque[TickRequest] = field(
        default_factory=lambda: deque(maxlen=100), compare=False
    )

    @property
    def worker_name(self) -> str:
        """The name under which jobs are popped; by default made of the host and the process id."""
        if self.given_worker_name is not None:
            return self.given_worker_name
        host = re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname()).lstrip(".-") or "host"
        return f"{host[:100]}-{os.getpid()}"

    def codec_named(self, name: str) -> Codec:
        """Return the codec of that name; raises UndecodableDataError if it is unknown."""
        found = self.codecs.get(name)
        if found is None:
            raise UndecodableDataError(f"this client does not know the codec {name!r}")
        return found

    def of_database(self, number: int) -> "Settings":
        """Return the same settings for the database of that number."""
        return dataclasses.replace(self, database=number) if number else self

    def channel(self, name: str) -> str:
        """Return the server's name of a channel."""
        return f"{channel_prefix(self.namespace, self.database)}:{name}"


def channel_prefix(namespace: str, database: int) -> str:
    """Return what the names of channels begin with; only databases other than 0 are named."""
    return f"{{{namespace}}}:db{database}" if database else f"{{{namespace}}}"


def make_settings(
    namespace: str,
    codec: str | Codec,
    more_codecs: Iterable[Codec],
    clock: Callable[[], float],
    worker_name: str | None,
) -> Settings:
    """Check the arguments of a client. Every client reads JSON and msgpack."""
    known: dict[str, Codec] = {one.name: one for one in (codecs.JsonCodec(), codecs.MsgpackCodec())}
    known |= {_codec_name(one): one for one in more_codecs}
    chosen = known[arguments.choice("codec", codec, known)] if isinstance(codec, str) else codec
    known[_codec_name(chosen)] = chosen
    if worker_name is not None:
        arguments.name("worker_name", worker_name)
    return Settings(arguments.name("namespace", namespace), chosen, known, clock, worker_name)


def _codec_name(codec: Any) -> str:
    if not all(hasattr(codec, part) for part in ("name", "encode", "decode")):
        raise BadArgumentError(f"codec {codec!r} has no name, encode and decode")
    return arguments.name("codec", codec.name)
