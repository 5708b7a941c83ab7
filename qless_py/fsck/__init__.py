"""Checks that a namespace is consistent, and repairs it where it is not."""

from qless_py.fsck.check import check
from qless_py.fsck.finding import Finding

__all__ = ["Finding", "check"]
