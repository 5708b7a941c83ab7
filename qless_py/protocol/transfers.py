"""Restore exported jobs, and read what an export needs beyond the jobs themselves."""

from collections.abc import Mapping, Sequence
from typing import Any

from qless_py.protocol import arguments, puts
from qless_py.protocol.call import Call, boolean, pack, unpack, unpack_raw
from qless_py.protocol.puts import PutReply

Edges = dict[str, tuple[str, bool]]
"""The parents of a job, each with the policy of the edge and whether the job still waits for it."""


def restore(
    remember: int, jobs: Sequence[Mapping[str, Any]], data: Sequence[bytes]
) -> Call[list[PutReply]]:
    """Restore up to 100 encoded jobs, all or none; each jid is remembered for `remember` ms.

    Results follow the data of the jobs, and each job with a result has its position.
    """
    return Call("restore", (remember, pack(jobs), *data), puts.put_replies)


def parents(jids: Sequence[str]) -> Call[list[Edges | None]]:
    """Read the parents of up to 100 jobs; `None` for a job whose parents do not fit in the reply.

    The first job always fits.
    """
    return Call("read/parents", (pack(list(jids)),), _edges)


def _edges(reply: bytes | None) -> list[Edges | None]:
    return [None if one is False else _parents(one) for one in unpack(reply)]


def _parents(shown: Any) -> Edges:
    return {str(jid): (str(policy), bool(waits)) for jid, (policy, waits) in dict(shown).items()}


def batch_restore(name: str, fields: Mapping[str, Any], data: Sequence[bytes]) -> Call[bool]:
    """Restore a batch; returns whether it did not exist.

    `data` in the fields, and in each callback, is a 1-based index into `data`.
    """
    return Call("batch_restore", (name, pack(fields), *data), boolean)


def batch_record(name: str) -> Call[tuple[dict[str, bytes], bytes | None] | None]:
    """Read the stored fields of a batch and the data that it remembers; `None` if unknown."""

    def decode(reply: bytes | None) -> tuple[dict[str, bytes], bytes | None] | None:
        found = unpack_raw(reply)
        if not found:
            return None
        fields = {name.decode(): value for name, value in found[b"fields"].items()}
        return fields, found.get(b"data")

    return Call("read/batch_record", (arguments.name("batch", name),), decode)
