"""The indexes of a search in their order, split into calls that are sent together.

One call examines a bounded number of jobs. Several are sent together, each assuming that those
before it end where the sizes of the indexes suggest. If jobs came and went and the assumption is
wrong, the answer is not used, so it costs no more than the call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from qless_py.client.search.plan import Cursor, Source
from qless_py.protocol.cursors import Mark
from qless_py.protocol.search import SCAN, SOURCES, Hit, Look

_SPARE: Final = 10  # Jobs beyond the expected number that a call over small indexes examines.


@dataclass(frozen=True, slots=True)
class Slice:
    """One call: `count` indexes from `place` on; in the first one after `after` and `skip`."""

    place: int
    count: int
    after: Mark | None
    skip: int
    scan: int


@dataclass(slots=True)
class Line:
    """The position of a search: after `after` in the index at `place`, which is partly done."""

    sources: Sequence[Source]
    sizes: Sequence[float]
    after: Mark | None = None
    place: int = 0
    looked: int = 0

    @property
    def cursor(self) -> str | None:
        """Where the search continues, `None` at its end."""
        if self.place >= len(self.sources):
            return None
        return Cursor(self.sources[self.place], self.after).text()

    def slices(self, room: int) -> Iterator[Slice]:
        """Split what comes next into calls that examine at most `room` jobs in all."""
        place, after, skip = self.place, self.after, 0
        while room > 0 and place < len(self.sources):
            most = min(SCAN, room)
            left = self._left(place) - skip
            if left >= most:
                yield Slice(place, 1, after, skip, most)
                room, skip = room - most, skip + most
                continue
            count, expected = 1, max(left, 0.0)
            while count < SOURCES and place + count < len(self.sources):
                following = self.sizes[place + count]
                if expected + following >= most:
                    break
                expected += following
                count += 1
            scan = min(most, int(min(expected, SCAN)) + _SPARE)
            yield Slice(place, count, after, skip, scan)
            room, place, after, skip = room - scan, place + count, None, 0

    def _left(self, place: int) -> float:
        if place != self.place:
            return self.sizes[place]
        left = self.sizes[place] - self.looked
        # The index is exhausted, or has grown: one more call finds out.
        return SCAN / 2 if self.after is not None and left <= 0 else left

    def following(self, looks: Iterable[tuple[Slice, Look]]) -> list[tuple[Slice, Look]]:
        """Drop the answers to calls that do not begin where the one before has ended."""
        ahead, found = replace(self), []
        for one, look in looks:
            before = one.after if one.skip == 0 else look.before
            if one.place == ahead.place and before == ahead.after:
                ahead.advance(one, look)
                found.append((one, look))
        return found

    def advance(self, one: Slice, look: Look) -> None:
        """Move to where the call ended."""
        place = one.place + (one.count if look.place is None else look.place)
        self._go(place, look.after, look.scanned)

    def stop_at(self, one: Slice, hit: Hit) -> None:
        """Move to a job that the call has found."""
        self._go(one.place + hit.place, hit.mark, hit.looked)

    def _go(self, place: int, after: Mark | None, scanned: int) -> None:
        self.looked = self.looked + scanned if place == self.place else 0
        self.place, self.after = place, after
