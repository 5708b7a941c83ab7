"""What jobs and recurring jobs have in common: klass, queue, tags, limits, and data."""

from typing import Any

from qless_py.errors import UndecodableDataError
from qless_py.handlers import resolve
from qless_py.protocol import JobRecord, RecurringRecord
from qless_py.protocol.settings import Settings


class Stored:
    """The part that jobs and recurring jobs share: klass, tags, data."""

    _settings: Settings
    _record: JobRecord | RecurringRecord

    def __init__(self, settings: Settings, record: JobRecord | RecurringRecord) -> None:
        self._settings = settings
        self._adopt(record)

    def _adopt(self, record: JobRecord | RecurringRecord) -> None:
        self._record = record
        self._data: Any = None
        self._is_decoded = False

    @property
    def jid(self) -> str:
        """The job's id."""
        return self._record.jid

    @property
    def klass_name(self) -> str:
        """The dotted name of what performs the job."""
        return str(self._record.fields["klass"])

    @property
    def klass(self) -> Any:
        """What performs the job, imported; `HandlerNotFoundError` if there is no such thing."""
        return resolve.load(self.klass_name)

    @property
    def queue_name(self) -> str:
        """The queue that the job is in, empty when it is complete."""
        return str(self._record.fields.get("queue", ""))

    @property
    def state(self) -> str:
        """The state when the job was read."""
        return str(self._record.fields.get("state", ""))

    @property
    def tags(self) -> list[str]:
        """The tags in the order in which they were added."""
        return list(self._record.fields.get("tags") or ())

    @property
    def user(self) -> str | None:
        """Whose job it is, if it is anybody's."""
        user = self._record.fields.get("user")
        return None if user is None else str(user)

    @property
    def throttles(self) -> list[str]:
        """The ids of the throttles that the job was put with."""
        return list(self._record.fields.get("throttles") or ())

    @property
    def costs(self) -> dict[str, float]:
        """What the job takes of each of its throttles with a rate when it starts."""
        given = dict(self._record.fields.get("costs") or {})
        return {throttle: float(given.get(throttle, 1)) for throttle in self.throttles}

    @property
    def codec_name(self) -> str:
        """The name of the codec that wrote the data."""
        return str(self._record.fields.get("codec", "json"))

    @property
    def raw(self) -> bytes:
        """The data as stored."""
        return self._record.data

    def _decode(self, data: bytes) -> Any:
        return self._settings.codec_named(self.codec_name).decode(data, self.jid)

    def _value(self) -> Any:
        """Give the data, decoded at the first look, so data that nobody looks at cannot fail."""
        if not self._is_decoded:
            self._data, self._is_decoded = self._decode(self._record.data), True
        return self._data

    def _set_value(self, value: Any) -> None:
        self._data, self._is_decoded = value, True

    def _changed_data(self) -> bytes:
        """Give the data to be stored, or nothing when it is what the store has already."""
        if not self._is_decoded:
            return b""
        encoded = self._settings.codec_named(self.codec_name).encode(self._data, self.jid)
        if encoded == self._record.data:
            return b""
        # Other spacing or a new nonce is no change; repr tells True from 1 where == does not.
        return b"" if repr(self._data) == repr(self._stored_value()) else encoded

    def _stored_value(self) -> Any:
        try:
            return self._decode(self._record.data)
        except UndecodableDataError:
            return None

    def __getitem__(self, key: Any) -> Any:
        return self._value()[key]

    def __contains__(self, key: object) -> bool:
        return key in self._value()

    # Without this, __getitem__ would make a job look like a sequence to iterate.
    __iter__ = None

    def __setitem__(self, key: Any, value: Any) -> None:
        self._value()[key] = value

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.jid} ({self.klass_name} / {self.queue_name})>"
