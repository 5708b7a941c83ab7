"""Redaction: what viewers without the right to see data are not shown, and job data as text.

A `Redactor` hides the values of keys such as `password`, in data at any depth and, as far as text
can be parsed, in messages. It also rejects searches that could reveal hidden values. `data_text`
writes data of any codec as bounded text, redacted if a redactor is given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from qless_py.client.search import SearchError, parse

HIDDEN: Final = "\u2022\u2022\u2022"
MAX_TEXT: Final = 50_000
_MAX_LINE: Final = 160
_MAX_DEPTH: Final = 50
_MIN_COST: Final = 8  # Characters an item counts as at least, for its share of the layout.
SEARCHED_DATA: Final = frozenset({"data", "text", "error"})
# Short words must stand alone in a key: user_pin and userPin, but not shipping.
_SHORT_WORDS: Final = ("pw", "pin", "otp", "totp", "mfa", "jwt", "sid", "sas", "dsn")
_ALONE: Final = "|".join(_SHORT_WORDS)
_CAPITAL: Final = "|".join(word.capitalize() for word in _SHORT_WORDS)
DEFAULT_PATTERN: Final = (
    r"pass(word|wd|phrase|code)?|pwd|secret|token|auth(?!or(?!i[sz]))|cookie|cred(ential)?s?(?![a-z])"
    r"|(api|access|private|signing|signature|encryption|shared|master|account|license)[-_]?key"
    r"|session[-_]?(id|key)|connection[-_]?string|conn[-_]?str|csrf|xsrf|bearer|signature"
    r"|seed[-_]?phrase|mnemonic|recovery[-_]?code|security[-_]?(code|answer)"
    r"|ssn|social[-_]?security|iban|(card|account)[-_]?(number|no(?![a-z]))|cvc|cvv"
    rf"|(?<![a-z])({_ALONE})(?![a-z])|(?-i:(?<=[a-z])({_CAPITAL})(?![a-z]))"
)
_MAX_KEY: Final = 64
_PAIR: Final = 2
_SEPARATOR: Final = re.compile("[:=]")
_VALUE: Final = re.compile(
    r"\s*+(?:(?:bearer|basic)\s++)?+"
    r"(?P<value>[{\[][^}\]]*+[}\]]?|\"(?:[^\"\\]|\\.)*+\"|'(?:[^'\\]|\\.)*+'|\\++\"[^\"]*+\"|[^\s,;&)\]}]++)",
    re.IGNORECASE | re.DOTALL,
)
_URL_PASSWORD: Final = re.compile(r"(?P<head>://[^\s/:@]*+:)[^\s/@]++@")
# Before a text is truncated, so many characters more are redacted: a secret that continues after
# the cut is recognized by its end, such as the @ of a URL.
_LOOKAHEAD: Final = 4096
# A secret that continues even after those: a URL without its @, a quotation without its end.
_CUT_PASSWORD: Final = re.compile(r"(?P<head>://[^\s/:@]*+:)[^\s/@]++\Z")
_CUT_QUOTATION: Final = re.compile(
    r"\s*+(?P<value>\"(?:[^\"\\]|\\.)*+\\?|'(?:[^'\\]|\\.)*+\\?|\\++\"[^\"]*+)\Z", re.DOTALL
)


class Redactor:
    """Hides the values of keys that match a regular expression; an empty pattern hides nothing.

    Raises `re.error` for a pattern that is not valid.
    """

    def __init__(self, pattern: str) -> None:
        self.is_active = bool(pattern)
        self._key = re.compile(pattern or r"(?!)", re.IGNORECASE)
        self._key_at_end = re.compile(rf"(?:{pattern})[\w-]*\\*[\"']?\s*\Z", re.IGNORECASE)

    def is_redacted(self, key: str) -> bool:
        """Return whether values under this key are hidden."""
        return self._key.search(key) is not None

    def redact_text(self, text: str, limit: int | None = None) -> str:
        """Hide values in text: `password=…`, `"token": "…"`, `//user:…@host`.

        Text has no reliable structure, so this is best effort. It takes time proportional to the
        length of the text, because jobs must not be able to block the server with their messages.
        With a `limit` the redacted text is truncated to it, and only that part is examined.
        """
        if limit is None:
            return self._redact(text, is_cut=False) if self.is_active else text
        if not self.is_active or len(text) <= limit:
            return truncate(self.redact_text(text), limit)
        examined = text[: limit + _LOOKAHEAD]
        left_out = len(text) - len(examined)
        return truncate(self._redact(examined, is_cut=left_out > 0), limit, left_out)

    def _redact(self, text: str, *, is_cut: bool) -> str:
        parts, end, begin = [], 0, 0
        for found in _SEPARATOR.finditer(text):
            at = found.start()
            if at < end:
                continue
            before, begin = text[max(begin, at - _MAX_KEY) : at], found.end()
            if not self._key_at_end.search(before):
                continue
            value = (is_cut and _CUT_QUOTATION.match(text, begin)) or _VALUE.match(text, begin)
            if value:
                parts += [text[end : value.start("value")], HIDDEN]
                end = begin = value.end()
        joined = "".join(parts) + text[end:]
        if is_cut:
            joined = _CUT_PASSWORD.sub(rf"\g<head>{HIDDEN}", joined)
        return _URL_PASSWORD.sub(rf"\g<head>{HIDDEN}@", joined)

    def check_search(self, search: str) -> None:
        """Reject a search of data or errors: hidden values could be guessed letter by letter.

        Raises `SearchError`.
        """
        if self.is_active and any(term.field in SEARCHED_DATA for term in parse(search)):
            raise SearchError(
                "you may not search data or errors, because parts of them are hidden from you; "
                "name a field, such as jid:NAME or queue:NAME"
            )


def data_text(
    value: Any, redactor: Redactor | None, *, limit: int = MAX_TEXT, pretty: bool = True
) -> str:
    """Return a value as JSON of about `limit` characters; omissions are marked in place.

    Values that JSON cannot express are written as their `repr`, lone surrogates as escapes.
    """
    text = json.dumps(
        _BoundedCopy(redactor, limit).of(value, 0),
        ensure_ascii=False,
        indent=2 if pretty else None,
        separators=None if pretty else (",", ":"),
    )
    return encodable(text)


def redacted(value: Any, redactor: Redactor, limit: int = MAX_TEXT) -> Any:
    """Return a copy for JSON of about `limit` characters, in which secrets are hidden."""
    return _BoundedCopy(redactor, limit).of(value, 0)


def data_line(value: Any, redactor: Redactor | None, limit: int = _MAX_LINE) -> str:
    """Return a value as one short line for a table."""
    text = data_text(value, redactor, limit=limit, pretty=False)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def encodable(text: str) -> str:
    """Escape what cannot be encoded as UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def truncate(text: str, limit: int = MAX_TEXT, left_out: int = 0) -> str:
    """Shorten a text to `limit` characters, plus a note of how many were left out.

    `left_out` is how many the caller has left out already. Secrets are redacted before, with
    `Redactor.redact_text`: a secret that was cut is no longer recognized.
    """
    left_out += max(0, len(text) - limit)
    note = f"… ({left_out:,} characters left out)" if left_out else ""
    return encodable(f"{text[:limit]}{note}")


class _BoundedCopy:
    """Copies a value into types that JSON can express until its budget of characters is used up."""

    def __init__(self, redactor: Redactor | None, limit: int) -> None:
        self._redactor = redactor
        self._left = limit

    def of(self, value: Any, depth: int) -> Any:
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, (list, tuple, set, frozenset)):
            return self._items(value, depth)
        if value is None or isinstance(value, (bool, int, float)):
            self._left -= _MIN_COST
            return value
        text, limit = value if isinstance(value, str) else repr(value), max(self._left, 0)
        if self._redactor is None:
            text = truncate(text, limit)
        else:
            text = self._redactor.redact_text(text, limit)
        self._left -= max(len(text), _MIN_COST)
        return text

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> Any:
        made: dict[str, Any] = {}
        for index, (key, one) in enumerate(value.items()):
            if self._left <= 0 or depth > _MAX_DEPTH:
                made["…"] = f"{len(value) - index:,} more left out"
                break
            name = truncate(key if isinstance(key, str) else repr(key), max(self._left, 0))
            self._left -= len(name) + _MIN_COST + 2 * depth
            is_hidden = self._is_secret(key) or (key == "value" and self._is_named_secret(value))
            made[name] = HIDDEN if is_hidden else self.of(one, depth + 1)
        return made

    def _items(self, value: Iterable[Any], depth: int) -> Any:
        items, made = list(value), []
        for index, one in enumerate(items):
            if self._left <= 0 or depth > _MAX_DEPTH:
                made.append(f"… {len(items) - index:,} more left out")
                break
            self._left -= _MIN_COST + 2 * depth
            before = items[index - 1] if index else None
            is_hidden = self._is_option(before) or (len(items) == _PAIR and self._is_label(before))
            made.append(HIDDEN if is_hidden else self.of(one, depth + 1))
        return made

    def _is_secret(self, key: Any) -> bool:
        return self._redactor is not None and self._redactor.is_redacted(_key_text(key))

    def _is_named_secret(self, value: Mapping[Any, Any]) -> bool:
        """Return whether a mapping is a pair such as {"name": "Authorization", "value": …}."""
        return any(self._is_label(value.get(one)) for one in ("name", "key", "header"))

    def _is_label(self, text: Any) -> bool:
        """Return whether a text is the name of a secret, such as of a header."""
        is_word = isinstance(text, (str, bytes)) and len(text) <= _MAX_KEY
        return is_word and not re.search(r"[\s:=]", _key_text(text)) and self._is_secret(text)

    def _is_option(self, text: Any) -> bool:
        """Return whether a text is an option whose value follows it, such as --password."""
        return isinstance(text, str) and text.startswith("-") and self._is_label(text)


def _key_text(key: Any) -> str:
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)
