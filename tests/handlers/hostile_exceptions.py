"""Handlers that raise exceptions which resist being handled."""

from __future__ import annotations

from typing import Any, NoReturn

from qless_py import Job


def refuse(*_arguments: object) -> NoReturn:
    raise RuntimeError("do not look at me")


class NoTextError(Exception):
    __str__ = refuse
    __repr__ = refuse


class NoAttributesError(Exception):
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")


class NoAttributeAtAllError(Exception):
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")


class NoNotesError(Exception):
    __notes__ = property(refuse)


class NoChainError(Exception):
    __context__ = property(refuse)
    __cause__ = property(refuse)


class NoClassError(Exception):
    __class__ = property(refuse)


class ExitsError(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


class Nameless(type):
    __name__ = property(refuse)


class OfNamelessClassError(Exception, metaclass=Nameless):
    pass


def nested(levels: int) -> Exception:
    error: Exception = ValueError("innermost")
    for _ in range(levels):
        error = ExceptionGroup("level", [error])
    return error


def doubled(levels: int) -> Exception:
    error: Exception = ValueError("innermost")
    for _ in range(levels):
        error = ExceptionGroup("both", [error, error])
    return error


def chained(length: int) -> Exception:
    error: Exception = ValueError("first")
    for _ in range(length):
        following = ValueError("next")
        following.__context__ = error
        error = following
    return error


KINDS: dict[str, Any] = {
    "NoTextError": NoTextError,
    "NoAttributesError": NoAttributesError,
    "NoAttributeAtAllError": NoAttributeAtAllError,
    "NoNotesError": NoNotesError,
    "NoChainError": NoChainError,
    "NoClassError": NoClassError,
    "ExitsError": ExitsError,
    "OfNamelessClassError": OfNamelessClassError,
    "ExceptionGroup": lambda: nested(600),
    "BaseExceptionGroup": lambda: BaseExceptionGroup("", [doubled(60), SystemExit()]),
    "ValueError": lambda: chained(10_000),
    "KeyError": lambda: KeyError("x" * 5_000_000),
    "OSError": lambda: OSError("\ud800 \x00"),
}


def raises(job: Job) -> None:
    error: Exception = KINDS[job["kind"]]()
    raise error


async def raises_later(job: Job) -> None:
    error: Exception = KINDS[job["kind"]]()
    raise error
