"""The ticks of recurring jobs: cron expressions, time zones and daylight saving time."""

from qless_py.cron.cron import Cron
from qless_py.cron.describe import describe
from qless_py.cron.ticks import AHEAD, Ticks, following, upcoming
from qless_py.cron.zones import version, zone_names

__all__ = ["AHEAD", "Cron", "Ticks", "describe", "following", "upcoming", "version", "zone_names"]
