"""Check the arguments users pass, and convert them to what the scripts expect.

The scripts check everything again. Checking here first lets an error name the Python argument, and
catches values that would change silently on the way (a bool for a number, a NaN).
"""

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, TypeGuard, get_args

from qless_py.errors import BadArgumentError
from qless_py.protocol.options import JidConflict, ParentPolicy, UniqueConflict, UniqueScope

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@~+-]{0,127}", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_MAX_LINE: Final = 255
_MAX_SPAN: Final = 3155760000.0  # seconds in a hundred years
_MAX_INSTANT: Final = 4503599627370.0  # Unix seconds whose ms are whole numbers of a double.
_MAX_NUMBER: Final = 1e300  # Scores beyond it put reclaimed jobs before every priority.
MAX_PER_CALL: Final = 100
MAX_RETRIES: Final = 2**31 - 1
MAX_THROTTLES: Final = 8
MIN_COST: Final = 1e-6
MAX_COST: Final = 1e9
MAX_CONTEXT: Final = 1024  # Bytes of the names and values of a context.
_CONTEXT_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_PRINTABLE: Final = re.compile(r"[ -~]*")
_IMPLICIT: Final = ("queue", "user")


def name(what: str, value: Any) -> str:
    """Return a valid name of a jid, queue, tag, worker, unique key or batch."""
    if not is_name(value):
        raise BadArgumentError(
            f"{what} {value!r} is not a name of 1 to 128 letters, digits and _.:@~+-"
        )
    return value


def is_name(value: object) -> TypeGuard[str]:
    """Return whether the value is a valid name."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def names(what: str, values: Any, most: int | None = MAX_PER_CALL) -> list[str]:
    """Return a list of valid names without duplicates, in order."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise BadArgumentError(f"{what} is not a list of names")
    checked = list(dict.fromkeys(name(what, value) for value in values))
    if most is not None and len(checked) > most:
        raise BadArgumentError(f"{what} holds {len(checked)} names, more than {most}")
    return checked


def line(what: str, value: Any) -> str:
    """Return one line of free text, such as a klass or failure group: 1 to 255 bytes."""
    if not isinstance(value, str) or _CONTROL.search(value):
        raise BadArgumentError(f"{what} {value!r} is not text without control characters")
    if not 1 <= len(_encoded(what, value)) <= _MAX_LINE:
        raise BadArgumentError(f"{what} does not have 1 to {_MAX_LINE} bytes")
    return value


def text(what: str, value: Any, longest: int) -> str:
    """Return free text cut to at most `longest` bytes of UTF-8."""
    if not isinstance(value, str):
        raise BadArgumentError(f"{what} is not text")
    encoded = value.encode("utf-8", "backslashreplace")
    return encoded[:longest].decode("utf-8", "ignore")


def choice(what: str, value: Any, allowed: Iterable[str]) -> str:
    """Return a value that must be one of a few words."""
    choices = list(allowed)
    if not isinstance(value, str) or value not in choices:
        raise BadArgumentError(f"{what} {value!r} is none of {', '.join(choices)}")
    return value


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most like this one, None if none is like it."""
    return next(iter(difflib.get_close_matches(word, list(known), 1)), None)


def whole(what: str, value: Any, low: int, high: int) -> int:
    """Return an integer from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BadArgumentError(f"{what} {value!r} is not a whole number from {low} to {high}")
    return value


def finite(what: str, value: Any) -> float:
    """Return a finite number from -1e300 to 1e300, an int only if a double holds it exactly."""
    number = _number(what, value)
    if not -_MAX_NUMBER <= number <= _MAX_NUMBER:
        raise BadArgumentError(f"{what} {value!r} is too large")
    return value if isinstance(value, int) and abs(value) < 2**53 else number


def span(what: str, value: Any, low: float = 0.0) -> int:
    """Return a duration, given in seconds or as a timedelta, in ms."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else _number(what, value)
    if not low <= seconds <= _MAX_SPAN:
        raise BadArgumentError(f"{what} {value!r} is not from {low:g} to {_MAX_SPAN:g} seconds")
    return round(seconds * 1000)


def instant(what: str, value: Any) -> int:
    """Return a time, given in Unix seconds or as a datetime with a time zone, in ms."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise BadArgumentError(f"{what} {value!r} has no time zone")
        value = value.timestamp()
    seconds = _number(what, value)
    if not 0 <= seconds <= _MAX_INSTANT:
        raise BadArgumentError(f"{what} {value!r} is not a point in time")
    return round(seconds * 1000)


def klass_name(klass: Any) -> str:
    """Return the dotted name of a class or function; text must be such a name already."""
    if isinstance(klass, str):
        return line("klass", klass)
    module, qualified = (getattr(klass, part, None) for part in ("__module__", "__qualname__"))
    if not isinstance(module, str) or not isinstance(qualified, str):
        raise BadArgumentError(f"klass {klass!r} is no class, function or dotted name")
    if "<" in qualified:
        raise BadArgumentError(
            f"klass {qualified} is defined inside a function, so it cannot be imported"
        )
    return line("klass", f"{module}.{qualified}")


def throttle_id(what: str, value: Any) -> str:
    """Return a valid throttle id: a name, `queue:<name>` or `user:<name>`."""
    kind, colon, rest = value.partition(":") if isinstance(value, str) else ("", "", "")
    own = colon and kind in _IMPLICIT and is_name(rest)
    return value if own else name(what, value)


def throttles(value: Any) -> dict[str, Any]:
    """Return the put options `throttles` and `costs`; an empty dict for `None`."""
    if value is None:
        return {}
    ids = names("throttles", value, MAX_THROTTLES)
    for one in ids:
        kind, colon, _ = one.partition(":")
        if colon and kind in _IMPLICIT:
            raise BadArgumentError(
                f"every job of a {kind} has the throttle {one!r} already; leave it out"
            )
    costs = {one: _cost(one, value[one]) for one in ids} if isinstance(value, Mapping) else {}
    return {"throttles": ids, **({"costs": costs} if costs else {})}


def _cost(throttle: str, value: Any) -> float:
    cost = finite(f"cost of throttle {throttle}", value)
    if not MIN_COST <= cost <= MAX_COST:
        raise BadArgumentError(
            f"cost {value!r} of throttle {throttle} is not from {MIN_COST:f} to {MAX_COST:,.0f}"
        )
    return cost


def context(what: str, value: Any) -> dict[str, str]:
    """Return a map of text that travels with a job, such as W3C trace context."""
    if not isinstance(value, Mapping):
        raise BadArgumentError(f"{what} {value!r} is not a map of text")
    size = 0
    for key, one in value.items():
        if not isinstance(key, str) or _CONTEXT_NAME.fullmatch(key) is None:
            raise BadArgumentError(
                f"{what} holds {key!r}, not a name of 1 to 64 letters, digits and _.-"
            )
        if not isinstance(one, str) or _PRINTABLE.fullmatch(one) is None:
            raise BadArgumentError(f"{what}[{key!r}] {one!r} is not printable ASCII text")
        size += len(key) + len(one)
    if size > MAX_CONTEXT:
        raise BadArgumentError(f"{what} has {size:,} bytes; at most {MAX_CONTEXT:,} are allowed")
    return dict(value)


def user(what: str, value: Any) -> str | bool:
    """Return a valid user name; `False` means no user."""
    return False if value is False else name(what, value)


def _number(what: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadArgumentError(f"{what} {value!r} is not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise BadArgumentError(f"{what} {value!r} is not a finite number")
    return number


def _encoded(what: str, value: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise BadArgumentError(f"{what} is not text that UTF-8 can write") from error


def defaults(klass: Any, data: Any) -> dict[str, Any]:
    """Return the options a class defines for its jobs in `default_job_options(data)`."""
    if isinstance(klass, str):
        return {}
    made = getattr(klass, "default_job_options", None)
    if not callable(made):
        return {}
    options = made(data)
    if not isinstance(options, Mapping):
        raise BadArgumentError(f"default_job_options of {klass!r} gave no mapping")
    return dict(options)


def merged(defaults: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults overridden by the options that are given.

    An option also replaces a default that says the same in another way.
    """
    given = {what: value for what, value in options.items() if value is not None}
    if not defaults:
        return given
    replaced = {_INSTEAD_OF[what] for what in given if what in _INSTEAD_OF}
    return {**{what: defaults[what] for what in defaults if what not in replaced}, **given}


def put_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the put script; the caller handles `jid` and `codec`."""
    if not options:
        return {}
    _check_known(options.keys() - _PUT_NAMES)
    checked: dict[str, Any] = {}
    for what, value in options.items():
        if value is None:
            continue
        if (read := _PUT_READERS.get(what)) is not None:
            checked[what] = read(what, value)
        elif (read_several := _PUT_GROUPS.get(what)) is not None:
            checked |= read_several(options)
    if "at" in checked and "delay" in checked:
        raise BadArgumentError("at and delay exclude each other")
    return checked


def _check_known(unknown: Iterable[Any]) -> None:
    named = ", ".join(sorted(map(str, unknown)))
    if named:
        raise BadArgumentError(f"unknown options: {named}")


def _expiry(options: Mapping[str, Any]) -> dict[str, int]:
    """Return when the job expires; a duration counts from the server's clock."""
    value = options["expires"]
    if isinstance(value, datetime):
        return {"expires": instant("expires", value)}
    return {"expires_in": span("expires", value, 0.001)}


def attempts_policy(value: Any) -> str:
    """Return the retry policy, as the store keeps it, that `attempts` stands for."""
    return f'{{"retries":{whole("attempts", value, 1, MAX_RETRIES) - 1}}}'


def _attempts(options: Mapping[str, Any]) -> dict[str, str]:
    value = options.get("attempts")
    if value is None:
        return {}
    if options.get("retry") is not None:
        raise BadArgumentError("attempts and retry exclude each other: a policy has its own budget")
    return {"retry": attempts_policy(value)}


def _policy(what: str, value: Any) -> str:
    write = getattr(value, "text", None)
    if not callable(write):
        raise BadArgumentError(f"{what} {value!r} is no RetryPolicy")
    return text(what, write(), 2**31)


def _unique(options: Mapping[str, Any]) -> dict[str, Any]:
    key, scope, window, conflict = (options.get(f"unique_{part}") for part in _UNIQUE_PARTS)
    if key is None:
        raise BadArgumentError("unique_scope, unique_window, unique_conflict need a unique_key")
    scope = scope or ("running" if window is None else "window")
    unique: dict[str, Any] = {
        "key": name("unique_key", key),
        "scope": choice("unique_scope", scope, get_args(UniqueScope)),
    }
    if (scope == "window") != (window is not None):
        raise BadArgumentError("unique_window and unique_scope='window' go together")
    if window is not None:
        unique["window"] = span("unique_window", window, 0.001)
    if conflict is None:
        return {"unique": unique}
    checked = choice("unique_conflict", conflict, get_args(UniqueConflict))
    return {"unique": unique, "unique_conflict": checked}


_INSTEAD_OF: Final = {"at": "delay", "delay": "at", "attempts": "retry", "retry": "attempts"}
PARENT_POLICIES: Final = get_args(ParentPolicy)
_RUN_READERS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "soft_limit": lambda what, value: span(what, value, 0.001),
    "hard_limit": lambda what, value: span(what, value, 0.001),
    "retry": _policy,
}
_PUT_READERS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "priority": finite,
    "tags": names,
    "retries": lambda what, value: whole(what, value, 0, MAX_RETRIES),
    "delay": span,
    "at": instant,
    "depends": names,
    "on_parent_failed": lambda what, value: choice(what, value, PARENT_POLICIES),
    "on_conflict": lambda what, value: choice(what, value, get_args(JidConflict)),
    "keep": lambda what, value: span(what, value, 0.001),
    **_RUN_READERS,
    "user": user,
    "batch": name,
    "context": context,
}
_UNIQUE_PARTS: Final = ("key", "scope", "window", "conflict")
# Options that are checked together, or that become several.
_PUT_GROUPS: Final[Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    **{f"unique_{part}": _unique for part in _UNIQUE_PARTS},
    "attempts": _attempts,
    "expires": _expiry,
    "throttles": lambda options: throttles(options["throttles"]),
}
_PUT_NAMES: Final = frozenset((*_PUT_READERS, *_PUT_GROUPS, "jid", "codec"))


RECUR_DEFAULTS: Final = frozenset(
    {
        *("attempts", "codec", "priority", "tags", "retries", "backlog", "user", "throttles"),
        "context",
        *_RUN_READERS,
    }
)
_RECUR_READERS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "priority": finite,
    "tags": names,
    "retries": lambda what, value: whole(what, value, 0, MAX_RETRIES),
    "backlog": lambda what, value: whole(what, value, 0, MAX_RETRIES),
    "expires": lambda what, value: span(what, value, 0.001),
    **_RUN_READERS,
    "user": user,
    "context": context,
    "klass": lambda _, value: klass_name(value),
    "queue": name,
    "interval": lambda what, value: span(what, value, 0.001),
}


def recur_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the recurring-job scripts."""
    apart = ("attempts", "throttles")
    plain = {what: value for what, value in options.items() if what not in apart}
    _check_known(plain.keys() - _RECUR_READERS.keys())
    checked = {what: _RECUR_READERS[what](what, value) for what, value in plain.items()}
    checked |= _attempts(options) | throttles(options.get("throttles"))
    if "expires" in checked:
        checked["expires_in"] = checked.pop("expires")
    return checked
