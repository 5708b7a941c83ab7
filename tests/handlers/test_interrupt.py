"""Exceptions that are raised inside a running handler from outside."""

import subprocess
import sys

PROFILED_AFTERWARDS = """
import sys
from qless_py.handlers.interrupt import InterruptibleBlock

block = InterruptibleBlock()
try:
    with block:
        block.interrupt(TimeoutError)
        for _ in range(100):
            pass
except TimeoutError:
    print("interrupted")

def job():
    return 1

sys.setprofile(lambda *_: None)
job()
sys.setprofile(None)
print("profiled")
"""


def test_a_thread_that_was_interrupted_can_be_profiled_afterwards() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROFILED_AFTERWARDS],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert done.stdout.split() == ["interrupted", "profiled"], done.stderr
