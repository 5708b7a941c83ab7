"""Send sequences of calls in which each may depend on the replies before it."""

from typing import TypeVar

from qless_py.client.session import AsyncSession, Rounds, answered
from qless_py.errors import QlessError

T = TypeVar("T")


async def drive(session: AsyncSession, calls: Rounds[T]) -> T:
    """Send a sequence of calls; each reply or refusal goes back into the generator."""
    try:
        call = next(calls)
        while True:
            try:
                reply = (
                    answered(await session.runner.run_many(call))
                    if isinstance(call, list)
                    else await session.runner.run(call)
                )
            except QlessError as error:
                call = calls.throw(error)
            else:
                call = calls.send(reply)
    except StopIteration as end:
        result: T = end.value
        return result
