"""Throttles and users: who holds what, who waits, and which share everybody gets."""

from __future__ import annotations

from typing import Any, Final

from flask import render_template, request
from werkzeug.wrappers import Response as Answer

from qless_py.client import throttles as limits
from qless_py.client import users as shares
from qless_py.client.session import answered
from qless_py.dashboard import commands
from qless_py.dashboard.actions import Effect, ask, command, is_confirmed, perform, requires
from qless_py.dashboard.auth.access import Role
from qless_py.dashboard.context import client, dashboard
from qless_py.dashboard.paging import cursor_of, offset_of, size_of
from qless_py.dashboard.template_helpers import Words
from qless_py.errors import BadArgumentError
from qless_py.protocol import Call

_ROWS: Final = 100


def _number(name: str) -> float | None:
    text = request.form.get(name, "").strip()
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise BadArgumentError(f"{name} is a number, not {text!r}") from None


def _whole(name: str) -> int | None:
    value = _number(name)
    if value is not None and not value.is_integer():
        raise BadArgumentError(f"{name} is a whole number, not {value:g}")
    return None if value is None else int(value)


def throttles() -> str:
    at, users_at = cursor_of(), cursor_of("users")
    calls: list[Call[Any]] = [limits.page_call(at, _ROWS), shares.page_call(users_at, _ROWS)]
    page, users = answered(client().run_many(calls))
    return render_template(
        "qless_py/throttles.html", page=page, users=users, at=at, users_at=users_at,
        commands=commands.of_limits(),
    )  # fmt: skip


def throttle(name: str) -> str:
    offset, size = offset_of(), size_of()
    found = client().throttles[name]
    return render_template(
        "qless_py/throttle.html", state=found.get(), holders=found.holders(offset, size),
        waiting=found.waiting(offset, size), offset=offset, size=size,
        commands=commands.of_throttle(name),
    )  # fmt: skip


@requires(Role.ADMIN)
def set_throttle() -> Answer:
    name = request.form.get("name", "").strip()

    def act() -> str:
        client().throttles[name].set(
            concurrency=_whole("concurrency"), rate=_number("rate"),
            per=_number("per"), burst=_number("burst"),
        )  # fmt: skip
        return f"the throttle {name} is set"

    return perform(f"setting of the throttle {name}", act)


@requires(Role.ADMIN)
def delete_throttle(name: str) -> str | Answer:
    waiting = client().throttles[name].get().waiting
    effect = Effect(
        f"Delete the throttle {name}",
        "Its limits are lifted: the jobs that wait for it may all run.",
        "Delete it",
        waiting,
        command("throttles", "delete", name),
    )
    if not is_confirmed(effect):
        return ask(effect)

    def act() -> str:
        client().throttles[name].delete()
        return f"the throttle {name} is gone"

    words = Words(dashboard())
    return perform(
        f"deletion of the throttle {name}", act,
        ends=words.link("throttle", name=name), leads=words.link("throttles"),
    )  # fmt: skip


@requires(Role.OPERATOR)
def release_throttle(name: str) -> Answer:
    jid = request.form.get("jid", "")

    def act() -> str:
        client().throttles[name].release(jid)
        return f"{jid} does not count for {name} any more, though it may still run"

    return perform(f"release of {jid} from the throttle {name}", act)


@requires(Role.OPERATOR)
def block_throttle(name: str) -> Answer:
    def act() -> str:
        seconds = _number("seconds") or 0
        if seconds:
            client().throttles[name].block(seconds)
            return f"nothing starts under {name} for {seconds:g} s"
        client().throttles[name].unblock()
        return f"{name} is not blocked any more"

    return perform(f"block of the throttle {name}", act)


@requires(Role.ADMIN)
def set_user() -> Answer:
    name = request.form.get("name", "").strip()

    def act() -> str:
        client().users[name].set(weight=_number("weight"), max_running=_whole("max_running"))
        return f"the user {name} is set"

    return perform(f"setting of the user {name}", act)


@requires(Role.ADMIN)
def unset_user() -> Answer:
    name = request.form.get("name", "").strip()

    def act() -> str:
        client().users[name].unset()
        return f"the user {name} has the weight 1 and no limit again"

    return perform(f"unsetting of the user {name}", act)


ROUTES: Final = (
    ("GET", "/throttles", throttles),
    ("GET", "/throttles/<name>", throttle),
    ("POST", "/throttles/set", set_throttle),
    ("POST", "/throttles/<name>/delete", delete_throttle),
    ("POST", "/throttles/<name>/release", release_throttle),
    ("POST", "/throttles/<name>/block", block_throttle),
    ("POST", "/users/set", set_user),
    ("POST", "/users/unset", unset_user),
)
