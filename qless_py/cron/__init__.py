"""When recurring jobs fire: cron expressions, time zones, and what happens when clocks are set."""

from qless_py.cron.cron import Cron
from qless_py.cron.plan import AHEAD, Plan, following, upcoming
from qless_py.cron.zones import version

__all__ = ["AHEAD", "Cron", "Plan", "following", "upcoming", "version"]
