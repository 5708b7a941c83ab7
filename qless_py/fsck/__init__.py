"""Checks that a namespace is consistent, and repairs it where it is not."""

from qless_py.fsck.check import check
from qless_py.fsck.finding import Finding
from qless_py.fsck.repairs import repair

__all__ = ["Finding", "check", "repair"]
