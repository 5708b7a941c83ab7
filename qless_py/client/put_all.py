# Generated from qless_py/aio/put_all.py by bin/generate-sync: edit that file.
"""Put more jobs than one call can hold."""

from collections.abc import Iterable

from qless_py.client.session import Session
from qless_py.protocol import Call, puts


def put_all(session: Session, calls: Iterable[Call[list[str]]]) -> list[str]:
    """Send the calls one after the other; a note of an error says how many jobs were put."""
    jids: list[str] = []
    try:
        for call in calls:
            put = session.runner.run(call)
            jids += put
    except Exception as error:
        puts.add_note_of_put(error, len(jids))
        raise
    return jids
