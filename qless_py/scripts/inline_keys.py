"""Write the keys into an assembled script where the sources call functions that spell them."""

import re
from functools import cache

_KEY = re.compile(
    r"^function keys\.(\w+)\((\w*)\)\n  return (namespace \.\. [^\n]+)\nend\n", re.MULTILINE
)
_KEY_CALL = re.compile(r"(?<![\w.])keys\.(\w+)\(")


@cache
def inline_keys(text: str, keys: str) -> str:
    """Put the expression of a key in the place of each call that builds one.

    A call of a one-line function costs more than the line, and forty of them have to be made
    first. ``keys`` is the source of the module that spells them.
    """
    known = _known(keys)
    parts: list[str] = []
    rest = text
    while found := _KEY_CALL.search(rest):
        end = _closing(rest, found.end())
        name, given = found[1], rest[found.end() : end]
        if name in known:
            argument, body = known[name]
            value = f"({inline_keys(given, keys)})" if re.search(r"\W", given) else given
            if argument:
                # A backslash in the value is its own, not a reference to a group.
                literal = value.replace("\\", r"\\")
                body = re.sub(rf"\b{argument}\b(?=$| )", literal, body)
            parts.append(f"{rest[: found.start()]}({body})")
        else:
            parts.append(rest[: end + 1])
        rest = rest[end + 1 :]
    return "".join((*parts, rest))


def without_unused_alias(text: str) -> str:
    """Drop the line that requires the keys when nothing is left to ask of them."""
    if re.search(r"(?<![\w.])keys\.", text):
        return text
    return text.replace('local keys = require("lib.core.keys")\n', "")


@cache
def _known(keys: str) -> dict[str, tuple[str, str]]:
    return {name: (argument, body) for name, argument, body in _KEY.findall(keys)}


def _closing(text: str, start: int) -> int:
    """Find the bracket that closes the one before ``start``."""
    depth = 1
    for place in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if not depth:
            return place
    raise ValueError("a bracket is never closed")
