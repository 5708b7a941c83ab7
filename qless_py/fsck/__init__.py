"""Check that a namespace is consistent, and repair it.

The checker reads the keys by a description of its own (`layout`), independent of the Lua scripts.
"""

from qless_py.fsck.check import Sample, check, sample
from qless_py.fsck.repairs import discard, repair, why_left
from qless_py.fsck.rules import Finding

__all__ = ["Finding", "Sample", "check", "discard", "repair", "sample", "why_left"]
