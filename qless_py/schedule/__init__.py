"""When recurring jobs fire: cron expressions, time zones, and what happens when clocks are set."""

from qless_py.schedule.cron import Cron
from qless_py.schedule.plan import AHEAD, Plan, following, upcoming
from qless_py.schedule.zones import version

__all__ = ["AHEAD", "Cron", "Plan", "following", "upcoming", "version"]
