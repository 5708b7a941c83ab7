"""What an error reply of the server means for the call that it answers; no I/O.

Scripts that write declare so in their first line, so the server checks before it runs one whether
writes are possible: it answers MISCONF, NOREPLICAS, READONLY or OOM before the script has changed
anything, never half way through (checked with Redis 7.0 and Valkey 9.1). A missing permission is
found only by the command inside the script that needs it.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import Final

import redis
from redis import exceptions

from qless_py import errors


class Meaning(enum.Enum):
    """What follows from an error reply."""

    REFUSED = "a script of ours refused the call with one of our codes"
    FULL = "the server is at maxmemory and the script makes new work; it was not run"
    UNAVAILABLE = "the server cannot run the call now, and may later or on another node"
    FORBIDDEN = "the server rejects the call until an operator changes something"
    FAULTY = "this call fails each time: a bug in a script, damaged data, or too large a call"


# Answered in place of running the command.
_NOT_RUN: Final = frozenset(
    {
        *("ASK", "BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF"),
        *("MOVED", "NOREPLICAS", "READONLY", "TRYAGAIN"),
    }
)
_FORBIDDEN: Final = frozenset({"DENIED", "NOAUTH", "NOPERM", "WRONGPASS"})
_FAULTY: Final = frozenset({"CROSSSLOT", "EXECABORT", "NOPROTO", "WRONGTYPE"})
_MEANINGS: Final[Mapping[str, Meaning]] = {
    **dict.fromkeys(errors.BY_CODE, Meaning.REFUSED),
    **dict.fromkeys(_NOT_RUN, Meaning.UNAVAILABLE),
    **dict.fromkeys(_FORBIDDEN, Meaning.FORBIDDEN),
    **dict.fromkeys(_FAULTY, Meaning.FAULTY),
    errors.StoreFullError.code: Meaning.FULL,
}
# Replies with the code ERR to a command in a script that the user may not run (Redis 7.0 uses
# another text than later versions and Valkey), and to a script ended by FUNCTION KILL, which is
# possible only before its first write.
_MAY_HELP: Final = (
    *("ACL failure in script", "The user executing the script can't"),
    "Script killed by user",
)
_OF_THE_CALL: Final = (
    *("Error compiling", "Error registering functions", "Protocol error"),
    "Can not execute a script with write flag",
)
_IN_SCRIPT: Final = re.compile(r"\bscript: .*@user_(?:function|script)|^Error running script")
_MISSING: Final = "Function not found"
_LOADED: Final = re.compile(r"Library '\w+' already exists")
_OF_CLASS: Final[Mapping[type[Exception], str]] = {
    exceptions.AskError: "ASK",
    exceptions.ClusterCrossSlotError: "CROSSSLOT",
    exceptions.ClusterDownError: "CLUSTERDOWN",
    exceptions.ExecAbortError: "EXECABORT",
    exceptions.MasterDownError: "MASTERDOWN",
    exceptions.MovedError: "MOVED",
    exceptions.NoPermissionError: "NOPERM",
    exceptions.OutOfMemoryError: "OOM",
    exceptions.ReadOnlyError: "READONLY",
    exceptions.TryAgainError: "TRYAGAIN",
}
_CODE: Final = re.compile(r"[A-Z]{3,}\b")


def meaning(error: redis.ResponseError) -> Meaning:
    """Return what an error reply means for the call that it answers."""
    code, text = _code(error), str(error)
    if code in _MEANINGS:
        return _MEANINGS[code]
    if text.startswith(_MAY_HELP):
        return Meaning.FORBIDDEN
    if text.startswith(_OF_THE_CALL) or _IN_SCRIPT.search(text):
        return Meaning.FAULTY
    # With ERR the server rejects a command that it will not run the next time either. Anything
    # else is no reply of a script, perhaps that of a proxy whose server is down.
    return Meaning.FORBIDDEN if code == "ERR" else Meaning.UNAVAILABLE


def is_missing_function(error: redis.ResponseError) -> bool:
    """Return whether the server lacks the function of the call that it answers with this."""
    return _text(error) == _MISSING


def is_loaded_already(error: redis.ResponseError) -> bool:
    """Return whether the server refused to load a library because it has it."""
    return _LOADED.fullmatch(_text(error)) is not None


def was_not_run(error: redis.ResponseError) -> bool:
    """Return whether the server certainly did not run the call that it answers with this error."""
    code = _code(error)
    return code in _NOT_RUN or code in _FORBIDDEN


def exception(error: redis.ResponseError) -> Exception:
    """Return our exception for a refusal by a script or a full server; any other error as it is."""
    found = meaning(error)
    if found is Meaning.FULL:
        return errors.StoreFullError(str(error))
    return errors.error_from_reply(str(error)) if found is Meaning.REFUSED else error


def _text(error: redis.ResponseError) -> str:
    return str(error).removeprefix("ERR ")


def _code(error: redis.ResponseError) -> str:
    # redis-py cuts off the codes that it knows, and keeps them aside since version 7.2.
    kept = getattr(error, "status_code", None)
    if kept:
        return str(kept)
    named = _OF_CLASS.get(type(error))
    if named is not None:
        return named
    word = _CODE.match(str(error))
    return "" if word is None else word[0]
