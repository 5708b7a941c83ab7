"""The transition behind repairs."""

from qless_py.protocol.call import Call, done


def repair(kind: str, name: str | bytes, member: bytes = b"", index: str = "") -> Call[None]:
    """Bring one thing in line with the records of the jobs concerned; one that is right stays."""
    return Call("repair", (kind, name, member, index), done)
