"""Form fields: how the text of each is parsed, and which error belongs beside which field."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask import request

from qless_py.dashboard.context import access
from qless_py.errors import BadArgumentError, UndecodableDataError

Parsers = Mapping[str, Callable[[str], Any]]
_MAX_DATA: Final = 100_000


def parse_number(text: str) -> float:
    """Parse a number; raises `ValueError`."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"must be a number, not {text!r}") from None


def parse_integer(text: str) -> int:
    """Parse a whole number, also one like 3.0; raises `ValueError`."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not value.is_integer():
        raise ValueError(f"must be a whole number, not {text!r}")
    return int(value)


def parse_json(text: str) -> Any:
    """Parse JSON; raises `ValueError`."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"must be JSON: {error}") from None


def parse_names(text: str) -> list[str]:
    """Parse names separated by spaces or commas."""
    return text.replace(",", " ").split()


def text_field(name: str) -> str:
    """Return the text of a submitted field, without spaces around it."""
    return request.form.get(name, "").strip()


def parse_field(name: str, parse: Callable[[str], Any], *, is_required: bool = False) -> Any:
    """Return the parsed value of a submitted field, None if it is empty and may be.

    Raises `BadArgumentError`.
    """
    text = text_field(name)
    if not text and not is_required:
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise BadArgumentError(f"{name} {error}") from None


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form with their parsers; those `required` may not be empty.

    An error of the store is shown beside the field its message begins with, else beside `main`.
    """

    parsers: Parsers
    required: Sequence[str]
    main: str

    def texts(self, fields: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the text of every field, by default as submitted."""
        source = request.form if fields is None else fields
        return {name: source.get(name, "").strip() for name in self.parsers}

    def parse(self, texts: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the values of the fields that are not empty, and the errors of invalid ones."""
        values: dict[str, Any] = {}
        errors = {name: "required" for name in self.required if not texts.get(name, "x")}
        for name, text in texts.items():
            try:
                if text:
                    values[name] = self.parsers[name](text)
            except ValueError as error:
                errors[name] = str(error)
        return values, errors

    def errors_of(self, message: str) -> dict[str, str]:
        """Assign an error message of the store to a field."""
        first = message.split(" ", 1)[0].strip(":'\"")
        return {first if first in self.parsers else self.main: message}


def editable_data(job: Any) -> tuple[str, str]:
    """Return a job's data as JSON for a form; or empty text and the reason why it is left out."""
    if not access().shows_data:
        return "", "Data left out: parts of it are hidden from you."
    if len(job.raw) > _MAX_DATA:
        return "", "Data left out: it is too long for a form."
    try:
        value = job.data
        text = json.dumps(value, indent=2, ensure_ascii=False)
    except (TypeError, RecursionError, UndecodableDataError) as error:
        return "", f"Data left out: it is not JSON ({error})."
    if job.codec_name == "json" and not keeps_numbers(stored := job.raw.decode()):
        return stored, ""
    return text, ""


def keeps_numbers(text: str) -> bool:
    """Return whether numbers of a JSON text stay as they are when Python reads and writes them.

    1.50, 1e400 and decimals of more digits than a float holds do not.
    """
    is_kept = True

    def parse_float(number: str) -> float:
        nonlocal is_kept
        is_kept = is_kept and repr(float(number)) == number
        return 0.0

    json.loads(text, parse_float=parse_float)
    return is_kept
