"""Time zones by IANA name, and the version of the time zone data."""

import difflib
import functools
import zoneinfo
from importlib import import_module
from pathlib import Path
from typing import Final

from qless_py.errors import ScheduleError

# Other names of time zones are old names of these.
_AREAS: Final = frozenset(
    {
        "Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian",
        "Pacific",
    }
)  # fmt: skip
_SUGGESTIONS: Final = 3
_MAX_NAME: Final = 64


def zone(name: object) -> zoneinfo.ZoneInfo:
    """Return the zone with this name; the error for an unknown one suggests similar names."""
    if not isinstance(name, str):
        raise ScheduleError(f"zone {name!r} is not the name of a time zone")
    try:
        if 1 <= len(name) <= _MAX_NAME:
            return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise ScheduleError(f"zone {name[:_MAX_NAME]!r} is unknown{_suggest(name[:_MAX_NAME])}")


def _suggest(name: str) -> str:
    known = sorted(zoneinfo.available_timezones())
    wanted = name.replace(" ", "_").lower()
    by_lower = {one.lower(): one for one in known}
    similar = [one for one in known if one.lower().rsplit("/", 1)[-1] == wanted]
    matches = difflib.get_close_matches(wanted, by_lower, _SUGGESTIONS, 0.75)
    similar += [by_lower[one] for one in matches]
    chosen = list(dict.fromkeys(similar))[:_SUGGESTIONS]
    return f"; did you mean {' or '.join(chosen)}?" if chosen else ""


@functools.cache
def zone_names() -> tuple[str, ...]:
    """Return the names to choose from: UTC, and every zone that is named by a city."""
    found = (name.partition("/") for name in zoneinfo.available_timezones())
    return ("UTC", *sorted(f"{area}/{city}" for area, _, city in found if city and area in _AREAS))


@functools.cache
def version() -> str:
    """Return the release of the time zone data, such as `2025b`, or "" if it is unknown.

    Later releases compare greater than earlier ones, and any greater than the unknown one.
    """
    for folder in zoneinfo.TZPATH:
        if Path(folder, "UTC").exists():
            return _version_of(Path(folder))
    return str(import_module("tzdata").IANA_VERSION)


def _version_of(folder: Path) -> str:
    for file, prefix in (("tzdata.zi", "# version "), ("+VERSION", "")):
        try:
            with Path(folder, file).open(encoding="utf-8") as lines:
                first = lines.readline().strip()
        except (OSError, UnicodeDecodeError):
            continue
        release = first.removeprefix(prefix)
        if first.startswith(prefix) and release.isascii() and release.isalnum():
            return release
    return ""
