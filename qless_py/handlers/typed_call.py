"""Convert the arguments and the result of a function by its annotations, with pydantic.

Data is JSON-compatible on its way: a `datetime` travels as text, a dataclass as a map, and a
handler gets back what its annotations name. What has no annotation, or `Any`, travels unchanged.
pydantic is imported with the first annotation that needs it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, get_type_hints

from qless_py.errors import BadArgumentError

if TYPE_CHECKING:  # Importing pydantic takes a tenth of a second.
    from pydantic import TypeAdapter, ValidationError

_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL)
_MAX_SHOWN: Final = 60
_MASK: Final = "*" * 10
_RESULT: Final = "return"


class TypedCall:
    """What a function takes and returns, as Python values and as data of a job."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._function = function
        self._name = name
        try:
            self._signature = inspect.signature(function)
        except ValueError:
            raise BadArgumentError(
                f"{name}: its parameters are unknown; write a function"
            ) from None
        parameters = self._signature.parameters.values()
        wrong = [one.name for one in parameters if one.kind in _POSITIONAL]
        if wrong:
            raise BadArgumentError(
                f"{name}: arguments are stored by name, so {', '.join(wrong)} cannot be positional"
            )
        self._more = next((one.name for one in parameters if one.kind is one.VAR_KEYWORD), None)

    def to_data(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Check arguments as a call would, and return them by name as they are stored."""
        self.check()
        bound = self._bound(args, kwargs)
        return {name: self._stored(name, value) for name, value in bound.items()}

    def from_data(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Return stored arguments as the function takes them."""
        bound = self._bound((), stored)
        return {name: self._loaded(name, value) for name, value in bound.items()}

    def result_to_data(self, value: Any) -> Any:
        """Return what the function returned as it is stored."""
        adapter = self._adapters.get(_RESULT)
        return value if adapter is None else self._dumped("result", adapter, value)

    def result_from_data(self, stored: Any) -> Any:
        """Return a stored result as the function returned it."""
        adapter = self._adapters.get(_RESULT)
        return stored if adapter is None else self._validated("result", adapter, stored)

    def check(self) -> None:
        """Resolve the annotations; raises `BadArgumentError` for one that cannot be."""
        _ = self._adapters

    def _bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        try:
            bound = dict(self._signature.bind(*args, **kwargs).arguments)
        except TypeError as error:
            raise BadArgumentError(f"{self._name}: {error}") from None
        if self._more is not None:
            bound |= bound.pop(self._more, {})
        return bound

    def _adapter(self, name: str) -> TypeAdapter[Any] | None:
        named = name if name in self._signature.parameters else self._more
        return self._adapters.get(named or name)

    def _stored(self, name: str, value: Any) -> Any:
        adapter = self._adapter(name)
        if adapter is None:
            return value
        from pydantic import ValidationError  # noqa: PLC0415 - only for annotated functions

        try:
            checked = adapter.validate_python(value)
        except ValidationError as error:
            raise BadArgumentError(f"{self._name}: {_first(name, error, value)}") from None
        stored = self._dumped(name, adapter, checked)
        self._check_stored(name, adapter, checked, stored)
        return stored

    def _check_stored(
        self, name: str, adapter: TypeAdapter[Any], checked: Any, stored: Any
    ) -> None:
        """Refuse a value that the handler could not read, or would read as asterisks."""
        try:
            loaded = self._validated(name, adapter, stored)
        except BadArgumentError as error:
            raise BadArgumentError(f"{error}, when it is read again as it is stored") from None
        if _holds_mask(stored) and repr(loaded) == repr(checked) and loaded != checked:
            raise BadArgumentError(
                f"{self._name}: {name}: a secret is stored as asterisks; annotate it with str, "
                "and encrypt the data with EncryptedCodec"
            )

    def _loaded(self, name: str, value: Any) -> Any:
        adapter = self._adapter(name)
        return value if adapter is None else self._validated(name, adapter, value)

    def _dumped(self, name: str, adapter: TypeAdapter[Any], value: Any) -> Any:
        from pydantic_core import PydanticSerializationError  # noqa: PLC0415

        try:
            return adapter.dump_python(
                value, mode="json", by_alias=True, round_trip=True, warnings="none"
            )
        except (PydanticSerializationError, ValueError, TypeError) as error:
            raise BadArgumentError(f"{self._name}: {name}: {error}") from None

    def _validated(self, name: str, adapter: TypeAdapter[Any], stored: Any) -> Any:
        """Validate as JSON, so that a strict model accepts the text of a date."""
        from pydantic import ValidationError  # noqa: PLC0415
        from pydantic_core import to_json  # noqa: PLC0415

        try:
            return adapter.validate_json(
                to_json(stored, bytes_mode="base64", inf_nan_mode="constants")
            )
        except ValidationError as error:
            raise BadArgumentError(f"{self._name}: {_first(name, error)}") from None

    @functools.cached_property
    def _adapters(self) -> dict[str, TypeAdapter[Any]]:
        if not getattr(inspect.unwrap(self._function), "__annotations__", None):
            return {}
        try:
            hints = get_type_hints(self._function, include_extras=True)
        except Exception as error:
            raise BadArgumentError(
                f"{self._name}: an annotation cannot be resolved: {error}; import its names "
                "outside TYPE_CHECKING, or annotate with Any to pass the value unchanged"
            ) from error
        return {
            name: self._adapter_of(name, hint)
            for name, hint in hints.items()
            if hint not in (Any, object, type(None))
        }

    def _adapter_of(self, name: str, hint: Any) -> TypeAdapter[Any]:
        from pydantic import ConfigDict, TypeAdapter  # noqa: PLC0415
        from pydantic.errors import (  # noqa: PLC0415
            PydanticUndefinedAnnotation,
            PydanticUserError,
        )

        config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
        try:
            try:
                return TypeAdapter(hint, config=config)
            except PydanticUserError as error:
                if error.code != "type-adapter-config-unused":
                    raise
                return TypeAdapter(
                    hint
                )  # Models and dataclasses have a configuration of their own.
        except (PydanticUserError, PydanticUndefinedAnnotation) as error:
            reason = str(error).splitlines()[0].rstrip(".")
            raise BadArgumentError(
                f"{self._name}: the annotation of {name} cannot travel as data: {reason}; annotate "
                "with Any to pass the value unchanged"
            ) from None


def _first(name: str, error: ValidationError, *values: Any) -> str:
    """Return the first problem in one line, with its path, and the value that was passed."""
    found = error.errors(include_url=False)
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in found[0]["loc"])
    problem = f"{name}{path}: {found[0]['msg']}"
    given = "".join(f", not {_shown(value)}" for value in values)
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{problem}{given}{more}"


def _holds_mask(stored: Any) -> bool:
    """Return whether text in stored data is what pydantic writes in place of a secret."""
    if isinstance(stored, dict):
        return any(map(_holds_mask, stored.values()))
    return any(map(_holds_mask, stored)) if isinstance(stored, list) else stored == _MASK


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
