"""Replace calls of the functions that build keys by the expressions of those keys."""

import re
from functools import cache

_KEY = re.compile(
    r"^function keys\.(\w+)\((\w*)\)\n  return (namespace \.\. [^\n]+)\nend\n", re.MULTILINE
)
_KEY_CALL = re.compile(r"(?<![\w.])keys\.(\w+)\(")


@cache
def inline(text: str, keys: str) -> str:
    """Replace each call of a one-line function of `keys`, a module's source, by its expression.

    Calling a one-line function costs more than its line, and the script would have to create forty
    such functions first.
    """
    known = _known(keys)
    parts: list[str] = []
    rest = text
    while found := _KEY_CALL.search(rest):
        end = _closing(rest, found.end())
        name, given = found[1], rest[found.end() : end]
        if name in known:
            argument, body = known[name]
            value = f"({inline(given, keys)})" if re.search(r"\W", given) else given
            if argument:
                # Without this, `re.sub` would take a backslash in the value for a group reference.
                literal = value.replace("\\", r"\\")
                body = re.sub(rf"\b{argument}\b(?=$| )", literal, body)
            parts.append(f"{rest[: found.start()]}({body})")
        else:
            parts.append(rest[: end + 1])
        rest = rest[end + 1 :]
    return "".join((*parts, rest))


def without_unused_alias(text: str) -> str:
    """Drop the line that requires `keys` if the text no longer uses it."""
    if re.search(r"(?<![\w.])keys\.", text):
        return text
    return text.replace('local keys = require("lib.core.keys")\n', "")


@cache
def _known(keys: str) -> dict[str, tuple[str, str]]:
    return {name: (argument, body) for name, argument, body in _KEY.findall(keys)}


def _closing(text: str, start: int) -> int:
    """Return the position of the bracket that closes the one before `start`."""
    depth = 1
    for place in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if not depth:
            return place
    raise ValueError("unbalanced bracket")
