"""Helpers for tests of programs that use qless_py: run jobs inline, control the clock."""

from qless_py.handlers.executor import HandlerOptions
from qless_py.testing.assertions import assert_not_put, assert_put
from qless_py.testing.clock import Clock
from qless_py.testing.inline import Performed, TooManyJobsError, drain, perform, run_inline

__all__ = [
    "Clock",
    "HandlerOptions",
    "Performed",
    "TooManyJobsError",
    "assert_not_put",
    "assert_put",
    "drain",
    "perform",
    "run_inline",
]
