"""Exceptions that handlers raise: as text, even if they resist, and the members of groups.

A handler may raise anything: an exception whose attributes raise, whose text is endless, or a group
of hundreds of levels. Nothing here calls code of an exception without catching what that raises, so
a handler can fail its own job only.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final

# Read from the type itself: a subclass or a metaclass may define attributes of these names.
_name: Final[Callable[[type], str]] = type.__dict__["__name__"].__get__
_mro: Final[Callable[[type], tuple[type, ...]]] = type.__dict__["__mro__"].__get__
_get: Final[dict[str, Callable[[BaseException], Any]]] = {
    "cause": BaseException.__dict__["__cause__"].__get__,
    "context": BaseException.__dict__["__context__"].__get__,
    "members": BaseExceptionGroup.__dict__["exceptions"].__get__,
}
_MAX_RELATED: Final = 200  # More exceptions than this, or deeper, are not formatted.
_MAX_DEPTH: Final = 20
_MAX_TEXT: Final = 20_000  # bytes
_MAX_LINE: Final = 500  # bytes


def is_a(error: BaseException, kinds: type | tuple[type, ...]) -> bool:
    """Return whether an exception is an instance of a class; `isinstance` reads `__class__`."""
    return issubclass(type(error), kinds)


def name(error: BaseException) -> str:
    """Return the name of the exception's class."""
    return _name(type(error))


def classes(error: BaseException) -> tuple[type, ...]:
    """Return the class of an exception and its bases, the closest first."""
    return _mro(type(error))


def members(error: BaseException) -> list[BaseException]:
    """Return the exceptions in a group and in the groups in it; of any other, itself."""
    found: list[BaseException] = []
    seen: set[int] = set()
    left = [error]
    while left:
        one = left.pop()
        if not is_a(one, BaseExceptionGroup):
            found.append(one)
        elif id(one) not in seen:
            seen.add(id(one))
            left += reversed(_get["members"](one))
    return found


def first_member(error: BaseException, kind: type) -> BaseException | None:
    """Return the first of the members that is an instance of a class."""
    return next((one for one in members(error) if is_a(one, kind)), None)


def text(error: BaseException) -> str:
    """Return the message of an exception."""
    try:
        return _cut(str(error), _MAX_TEXT)
    except BaseException as wrong:  # noqa: BLE001 - whatever __str__ raises
        return f"<the message cannot be read: __str__ raised {name(wrong)}>"


def line(error: BaseException) -> str:
    """Return the class and the message of an exception in one line of bounded length."""
    message = " ".join(text(error).split())
    return _cut(f"{name(error)}: {message}" if message else name(error), _MAX_LINE)


def describe(error: BaseException, trace: TracebackType | None) -> str:
    """Return an exception with the frames of `trace`, as Python prints it.

    If it cannot be printed that way, what can be read of it: the frames, the class and the message.
    """
    if _is_bounded(error):
        with contextlib.suppress(BaseException):
            return _format(error, trace)
    return "".join(_plain(error, trace))


def loggable(error: BaseException) -> BaseException:
    """Return an exception that any log formatter can print: this one, or one with its text."""
    trace = error.__traceback__
    if _is_bounded(error):
        with contextlib.suppress(BaseException):
            traceback.format_exception(type(error), error, trace)
            return error
    return RuntimeError("".join(_plain(error, trace)))


def has_flag(error: BaseException, attribute: str) -> bool:
    """Return whether an exception has a true attribute of this name."""
    try:
        return bool(getattr(error, attribute, False))
    except BaseException:  # noqa: BLE001 - whatever __getattr__ raises
        return False


def _format(error: BaseException, trace: TracebackType | None) -> str:
    found = traceback.TracebackException(type(error), error, trace)
    return "".join(_shortened(part) for part in found.format())


def _shortened(part: str) -> str:
    """Cut the text of one exception: its beginning says more than a rest of megabytes."""
    short = _cut(part, _MAX_TEXT)
    return part if short == part else f"{short}\n"


def _cut(message: str, size: int) -> str:
    """Return the first bytes of a text, and how many are left out."""
    if 4 * len(message) <= size:
        return message
    encoded = message.encode("utf-8", "backslashreplace")
    if len(encoded) <= size:
        return message
    return f"{encoded[:size].decode('utf-8', 'ignore')}… ({len(encoded) - size:,} more bytes)"


def _plain(error: BaseException, trace: TracebackType | None) -> Iterator[str]:
    if trace is not None:
        yield "Traceback (most recent call last):\n"
        yield from traceback.format_tb(trace)
    message = text(error)
    yield f"{name(error)}: {message}\n" if message else f"{name(error)}\n"
    if _count(error) > 1:
        yield "(exceptions in it, its causes and its contexts are left out)\n"


def _is_bounded(error: BaseException) -> bool:
    """Return whether formatting takes neither too much time nor too much of the stack."""
    return _count(error) <= _MAX_RELATED


def _count(error: BaseException) -> int:
    """Return the number of exceptions that are formatted with one, up to one more than the limit.

    A member that is in several groups counts each time. Groups that are nested too deeply count as
    too many.
    """
    count = 0
    chained: set[int] = set()
    left = [(error, 0)]
    while left:
        one, depth = left.pop()
        count += 1
        if count > _MAX_RELATED or depth > _MAX_DEPTH:
            return _MAX_RELATED + 1
        for related in ("cause", "context"):
            other = _get[related](one)
            if other is not None and id(other) not in chained:
                chained.add(id(other))
                left.append((other, depth))
        if is_a(one, BaseExceptionGroup):
            left += ((member, depth + 1) for member in _get["members"](one))
    return count
