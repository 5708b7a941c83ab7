"""What a check reports."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: its kind, the key where it shows, words for people.

    `jid` is the job concerned, if one is; `member` the entry of the key, where it is another text.
    """

    kind: str
    key: str
    detail: str
    jid: str | None = None
    member: bytes = b""

    def __str__(self) -> str:
        about = f" (job {self.jid})" if self.jid else ""
        return f"{self.kind}: {self.key}: {self.detail}{about}"
