# Generated from qless_py/aio/drive.py by bin/generate-sync: edit that file.
"""Send sequences of calls in which each may depend on the replies before it."""

from typing import TypeVar

from qless_py.client.session import Rounds, Session, answered
from qless_py.errors import QlessError

T = TypeVar("T")


def drive(session: Session, calls: Rounds[T]) -> T:
    """Send a sequence of calls; each reply or refusal goes back into the generator."""
    try:
        call = next(calls)
        while True:
            try:
                reply = (
                    answered(session.runner.run_many(call))
                    if isinstance(call, list)
                    else session.runner.run(call)
                )
            except QlessError as error:
                call = calls.throw(error)
            else:
                call = calls.send(reply)
    except StopIteration as end:
        result: T = end.value
        return result
