"""How a browser wants to see the pages: theme, density, time zone, interval; kept in a cookie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, tzinfo
from typing import Final
from urllib.parse import parse_qsl, urlencode

from flask import g, request
from werkzeug.wrappers import Response

from qless_py.cron import zones
from qless_py.errors import ScheduleError

COOKIE: Final = "qless_py_view"
CHOICES: Final = {
    "theme": ("system", "light", "dark"),
    "density": ("comfortable", "compact"),
    "live": ("on", "off"),
    "interval": ("2", "5", "15", "60"),
}
_YEAR: Final = 31_536_000
_MAX_COOKIE: Final = 300  # Characters.


@dataclass(frozen=True, slots=True)
class Preferences:
    """The choices of a browser.

    `interval` is the least time between two updates of a list, in seconds, and `zone` the name of
    the time zone in which times are shown.
    """

    theme: str = "system"
    density: str = "comfortable"
    live: str = "on"
    interval: str = "5"
    zone: str = "UTC"

    @property
    def time_zone(self) -> tzinfo:
        """The time zone of `zone`."""
        return UTC if self.zone == "UTC" else zones.zone(self.zone)


def current() -> Preferences:
    """Return the choices of the browser that sent this request."""
    if "qless_py_preferences" not in g:
        text = request.cookies.get(COOKIE, "")[:_MAX_COOKIE]
        g.qless_py_preferences = changed(Preferences(), dict(parse_qsl(text)))
    found: Preferences = g.qless_py_preferences
    return found


def changed(before: Preferences, values: Mapping[str, str]) -> Preferences:
    """Return the preferences with other values, leaving out invalid ones."""
    valid = asdict(before)
    for name, value in values.items():
        if value in CHOICES.get(name, ()) or (name == "zone" and _is_zone(value)):
            valid[name] = value
    return Preferences(**valid)


def _is_zone(name: str) -> bool:
    try:
        zones.zone(name)
    except ScheduleError:
        return False
    return True


def store(response: Response, chosen: Preferences) -> None:
    """Keep preferences in the browser for a year. Scripts may read and change them."""
    value = urlencode({one.name: getattr(chosen, one.name) for one in fields(chosen)})
    response.set_cookie(
        COOKIE,
        value,
        max_age=_YEAR,
        samesite="Strict",
        secure=request.is_secure,
        path=request.script_root or "/",
    )
