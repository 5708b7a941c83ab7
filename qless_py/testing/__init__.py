"""For the tests of those who use qless_py: jobs run where the test runs, and time on demand."""

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
