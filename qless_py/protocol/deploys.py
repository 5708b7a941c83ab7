"""Deploy markers: when which version of the application was deployed, as charts show it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments
from qless_py.protocol.call import Call, boolean, mapping, pack, unpack

MAX_DEPLOYS: Final = 100
MAX_NAME: Final = 128


@dataclass(frozen=True, slots=True)
class Deploy:
    """A deploy marker: the version, when it was deployed (Unix seconds), and by whom."""

    id: str
    name: str
    at: float
    by: str | None = None


def mark(name: Any, by: str | None = None, *, once: bool = False) -> Call[tuple[Deploy, bool]]:
    """Store a marker; returns also whether it is new. With `once` each name is marked once."""
    options: dict[str, Any] = {"once": True} if once else {}
    if by is not None:
        options["by"] = arguments.line("by", arguments.text("by", by, 255))
    call = Call("deploy_mark", (_name(name), pack(options)), mapping)
    return call.map(lambda row: (_deploy(row), bool(row["is_new"])))


def remove(deploy_id: str) -> Call[bool]:
    """Delete a marker; returns whether there was one."""
    return Call("deploy_remove", (arguments.name("deploy", deploy_id),), boolean)


def read_all() -> Call[list[Deploy]]:
    """Read all markers, the newest first."""
    return Call("read/deploys", (), lambda reply: [_deploy(row) for row in unpack(reply)])


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise BadArgumentError(f"name {value!r} is not printable text")
    if len(value) > MAX_NAME:
        raise BadArgumentError(f"name has {len(value)} characters; the limit is {MAX_NAME}")
    return value


def _deploy(row: Mapping[str, Any]) -> Deploy:
    by = row.get("by")
    return Deploy(
        str(row["id"]), str(row["name"]), row["at"] / 1000, None if by is None else str(by)
    )
