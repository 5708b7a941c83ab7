"""Forms of several fields: what was typed, how each text is read, what is wrong beside which."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask import request

from qless_py.dashboard import commands
from qless_py.dashboard.context import access
from qless_py.errors import UndecodableDataError

Readers = Mapping[str, Callable[[str], Any]]
_LONGEST: Final = 100_000


def number(text: str) -> float:
    """Read a number; raises `ValueError`."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"this is a number, not {text!r}") from None


def whole(text: str) -> int:
    """Read a whole number; raises `ValueError`."""
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"this is a whole number, not {text!r}") from None


def data(text: str) -> Any:
    """Read JSON; raises `ValueError`."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"this is not JSON: {error}") from None


def names(text: str) -> list[str]:
    """Read names with spaces or commas between."""
    return text.replace(",", " ").split()


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form and how the text of each is read; those `needed` may not be empty.

    What the core refuses is told beside the field that its message begins with, else beside `main`.
    """

    readers: Readers
    needed: Sequence[str]
    main: str

    def given(self, fields: Mapping[str, str] | None = None) -> dict[str, str]:
        """Give the text of every field, by default as it was sent."""
        found = request.form if fields is None else fields
        return {name: found.get(name, "").strip() for name in self.readers}

    def read(self, given: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
        """Give the values of the fields that are not empty, and what is wrong with the others."""
        options: dict[str, Any] = {}
        errors = {name: "this is needed" for name in self.needed if not given.get(name, "x")}
        for name, text in given.items():
            try:
                if text:
                    options[name] = self.readers[name](text)
            except ValueError as error:
                errors[name] = str(error)
        return options, errors

    def refused(self, message: str) -> dict[str, str]:
        """Tell beside which field a refusal of the core stands."""
        first = message.split(" ", 1)[0].strip(":'\"")
        return {first if first in self.readers else self.main: message}


def data_text(job: Any) -> tuple[str, str]:
    """Write the data of a job for a field, or nothing, and then why it is left out."""
    if not access().shows_data:
        return "", "Its data is left out, for parts of it are hidden from you."
    if len(job.raw) > _LONGEST:
        return "", "Its data is too long for a form."
    try:
        return commands.data_of(job), ""
    except (ValueError, UndecodableDataError) as error:
        return "", f"Its data is left out: {error}"
