"""Time zones by their IANA names, and how old the data is that tells when clocks are set."""

import difflib
import functools
import zoneinfo
from importlib import import_module
from pathlib import Path
from typing import Final

from qless_py.errors import ScheduleError

_SUGGESTIONS: Final = 3
_LONGEST: Final = 64


def zone(name: object) -> zoneinfo.ZoneInfo:
    """Give the zone of that name; an unknown one is refused with what may have been meant."""
    if not isinstance(name, str):
        raise ScheduleError(f"zone {name!r} is not the name of a time zone")
    try:
        if 1 <= len(name) <= _LONGEST:
            return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise ScheduleError(f"zone {name[:_LONGEST]!r} is unknown{_meant(name[:_LONGEST])}")


def _meant(name: str) -> str:
    known = sorted(zoneinfo.available_timezones())
    wanted = name.replace(" ", "_").lower()
    places = {one.lower(): one for one in known}
    near = [one for one in known if one.lower().rsplit("/", 1)[-1] == wanted]
    near += [places[one] for one in difflib.get_close_matches(wanted, places, _SUGGESTIONS, 0.75)]
    chosen = list(dict.fromkeys(near))[:_SUGGESTIONS]
    return f"; did you mean {' or '.join(chosen)}?" if chosen else ""


@functools.cache
def version() -> str:
    """Name the release of the zone data in use, as `2025b`; empty when nothing tells.

    Later releases sort behind earlier ones, and the unknown one before all.
    """
    for folder in zoneinfo.TZPATH:
        if Path(folder, "UTC").exists():
            return _version_of(Path(folder))
    return str(import_module("tzdata").IANA_VERSION)


def _version_of(folder: Path) -> str:
    for file, words in (("tzdata.zi", "# version "), ("+VERSION", "")):
        try:
            with Path(folder, file).open(encoding="utf-8") as lines:
                first = lines.readline().strip()
        except (OSError, UnicodeDecodeError):
            continue
        told = first.removeprefix(words)
        if first.startswith(words) and told.isascii() and told.isalnum():
            return told
    return ""
