"""What monitors read: metrics for Prometheus, health, and how many workers are needed."""

from qless_py.metrics.autoscale import Demand, Target, demand
from qless_py.metrics.exposition import expose
from qless_py.metrics.health import Health, check
from qless_py.metrics.snapshot import Limits

__all__ = ["Demand", "Health", "Limits", "Target", "check", "demand", "expose"]
