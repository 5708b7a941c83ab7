"""Job data as text for a page: bounded in size, of any codec, without what must not be seen."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

HIDDEN: Final = "\u2022\u2022\u2022"
PAGE: Final = 50_000
LINE: Final = 160
_DEEPEST: Final = 50
_COST: Final = 8  # Letters that an item is counted as at least, for its place in the layout.


class Rules(Protocol):
    """What somebody may not see: values under some keys, and what looks like them in texts."""

    def is_redacted(self, key: str) -> bool:
        """Tell whether values under this key are hidden."""
        ...

    def hide_in(self, text: str) -> str:
        """Hide what looks like values of such keys in running text."""
        ...


def data_text(value: Any, rules: Rules | None, *, most: int = PAGE, pretty: bool = True) -> str:
    """Write a value as JSON of about `most` letters; what is left out is said in its place.

    What the `rules` hide is hidden at any depth. What JSON does not know is written as Python does;
    half letters of UTF-16 are written as escapes.
    """
    text = json.dumps(
        _Copy(rules, most).of(value, 0),
        ensure_ascii=False,
        indent=2 if pretty else None,
        separators=None if pretty else (",", ":"),
    )
    return whole(text)


def data_line(value: Any, rules: Rules | None) -> str:
    """Write a value in a line of a table."""
    text = data_text(value, rules, most=LINE, pretty=False)
    return text if len(text) <= LINE else f"{text[: LINE - 1]}…"


def whole(text: str) -> str:
    """Make text that can be sent as UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def cut(text: str, most: int = PAGE) -> str:
    """Bound a text; what is left out is said at its end."""
    if len(text) <= most:
        return whole(text)
    return whole(f"{text[:most]}… ({len(text) - most:,} characters left out)")


class _Copy:
    """Copies a value into what JSON knows, as long as there are letters left."""

    def __init__(self, rules: Rules | None, most: int) -> None:
        self._rules = rules
        self._left = most

    def of(self, value: Any, depth: int) -> Any:
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, (list, tuple, set, frozenset)):
            return self._items(value, depth)
        if value is None or isinstance(value, (bool, int, float)):
            self._left -= _COST
            return value
        text = cut(value if isinstance(value, str) else repr(value), max(self._left, 0))
        if self._rules is not None:
            text = self._rules.hide_in(text)
        self._left -= max(len(text), _COST)
        return text

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> Any:
        made: dict[str, Any] = {}
        for index, (key, one) in enumerate(value.items()):
            if self._left <= 0 or depth > _DEEPEST:
                made["…"] = f"{len(value) - index:,} more left out"
                break
            name = cut(key if isinstance(key, str) else repr(key), max(self._left, 0))
            self._left -= len(name) + _COST + 2 * depth
            is_hidden = self._rules is not None and self._rules.is_redacted(_plain(key))
            made[name] = HIDDEN if is_hidden else self.of(one, depth + 1)
        return made

    def _items(self, value: Iterable[Any], depth: int) -> Any:
        items, made = list(value), []
        for index, one in enumerate(items):
            if self._left <= 0 or depth > _DEEPEST:
                made.append(f"… {len(items) - index:,} more left out")
                break
            self._left -= _COST + 2 * depth
            made.append(self.of(one, depth + 1))
        return made


def _plain(key: Any) -> str:
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)


def text_hider(pattern: str) -> Callable[[str], str]:
    """Make what hides values in running text: `password=…`, `"token": "…"`, `//user:…@host`.

    Text has no structure that one could rely on, so this only does what can be done. It takes time
    in proportion to the text: what jobs say of themselves must not be able to hold up a server.
    """
    if not pattern:
        return str
    key = re.compile(rf"(?:{pattern})[\w-]*\\*[\"']?\s*\Z", re.IGNORECASE)

    def hide(text: str) -> str:
        parts, end, begin = [], 0, 0
        for found in _SEPARATOR.finditer(text):
            at = found.start()
            if at < end:
                continue
            before, begin = text[max(begin, at - _LONGEST_KEY) : at], found.end()
            value = key.search(before) and _VALUE.match(text, begin)
            if value:
                parts += [text[end : value.start("value")], HIDDEN]
                end = begin = value.end()
        return _ADDRESS.sub(lambda found: f"{found['head']}{HIDDEN}@", "".join(parts) + text[end:])

    return hide


_LONGEST_KEY: Final = 64
_SEPARATOR: Final = re.compile("[:=]")
_VALUE: Final = re.compile(
    r"\s*+(?:(?:bearer|basic)\s++)?+"
    r"(?P<value>[{\[][^}\]]*+[}\]]?|\"(?:[^\"\\]|\\.)*+\"|'(?:[^'\\]|\\.)*+'|\\++\"[^\"]*+\"|[^\s,;&)\]}]++)",
    re.IGNORECASE | re.DOTALL,
)
_ADDRESS: Final = re.compile(r"(?P<head>://[^\s/:@]*+:)[^\s/@]++@")
