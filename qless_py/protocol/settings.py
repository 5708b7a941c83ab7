"""The settings that every object of a client shares; no I/O."""

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
from qless_py.protocol.recurring import Question


@dataclass(frozen=True, slots=True)
class Settings:
    """What a client was told; the same for the synchronous and the asyncio client."""

    namespace: str
    codec: Codec
    codecs: Mapping[str, Codec]
    clock: Callable[[], float]
    given_worker_name: str | None
    # What pops were asked and nobody has answered yet: see `qless_py.client.refill`.
    questions: deque[Question] = field(default_factory=lambda: deque(maxlen=100), compare=False)

    @property
    def worker_name(self) -> str:
        """The name under which jobs are taken; by default of this host and this very process."""
        if self.given_worker_name is not None:
            return self.given_worker_name
        host = re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname()).lstrip(".-") or "host"
        return f"{host[:100]}-{os.getpid()}"

    def codec_named(self, name: str) -> Codec:
        """Give the codec of stored data."""
        found = self.codecs.get(name)
        if found is None:
            raise UndecodableDataError(f"this client does not know the codec {name!r}")
        return found

    def channel(self, name: str) -> str:
        """Give the full name of a channel."""
        return f"{{{self.namespace}}}:{name}"


def make_settings(
    namespace: str,
    codec: str | Codec,
    more_codecs: Iterable[Codec],
    clock: Callable[[], float],
    worker_name: str | None,
) -> Settings:
    """Check what a client was told. JSON and msgpack can be read by every client."""
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
