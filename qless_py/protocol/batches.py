"""Transitions of batches: sets of jobs that call back when all of them have ended."""

from collections.abc import Mapping, Sequence
from typing import Any

from qless_py.protocol.call import Call, integer, mapping, pack, text


def open_batch(batch: str, options: Mapping[str, Any], data: Sequence[bytes] = ()) -> Call[str]:
    """Open a batch; each call-back names by `data` its 1-based place among the trailing data.

    The option `data` names in the same way what the batch is to remember.
    """
    return Call("batch_open", (batch, pack(options), *data), text)


def add(batch: str, jids: Sequence[str]) -> Call[int]:
    """Add jobs that exist; gives how many are new in it."""
    return Call("batch_add", (batch, pack(list(jids))), integer)


def close(batch: str, mark: str = "") -> Call[dict[str, Any]]:
    """Take no more jobs, so that the call-backs can come; gives the batch as `reads.batch`.

    The mark `canceled` says that the jobs of the batch are being canceled.
    """
    return Call("batch_close", (batch, mark), mapping)
