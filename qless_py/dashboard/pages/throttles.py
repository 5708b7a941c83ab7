"""Throttles and users: limits, who holds them and who waits, and each user's share."""

from __future__ import annotations

from typing import Any, Final

from flask import render_template, request
from werkzeug.wrappers import Response

from qless_py import protocol
from qless_py.auth.identity import Role
from qless_py.client.session import answered
from qless_py.dashboard import commands
from qless_py.dashboard.actions import Confirmation, perform, requires
from qless_py.dashboard.context import client, link
from qless_py.dashboard.forms import parse_field, parse_integer, parse_number, text_field
from qless_py.dashboard.paging import page_cursor, page_offset, page_size
from qless_py.protocol import Call

_PER_PAGE: Final = 32  # Of throttles and of users: so many fit into 40 KB.


def throttles() -> str:
    cursor, users_cursor = page_cursor(), page_cursor("users")
    calls: list[Call[Any]] = [
        protocol.throttles.read_page(cursor, _PER_PAGE),
        protocol.users.read_page(users_cursor, _PER_PAGE),
    ]  # fmt: skip
    throttle_page, user_page = answered(client().run_many(calls))
    return render_template(
        "qless_py/throttles.html", page=throttle_page, users=user_page, cursor=cursor,
        users_cursor=users_cursor, commands=commands.of_page("throttles"),
    )  # fmt: skip


def throttle(name: str) -> str:
    offset, size = page_offset(), page_size()
    found = client().throttles[name]
    return render_template(
        "qless_py/throttle.html", throttle=found.get(), holders=found.holders(offset, size),
        waiting=found.waiting(offset, size), offset=offset, size=size,
        commands=commands.of_page("throttle", name),
    )  # fmt: skip


@requires(Role.ADMIN)
def set_throttle() -> Response:
    name = text_field("name")

    def act() -> str:
        client().throttles[name].set(
            concurrency=parse_field("concurrency", parse_integer),
            rate=parse_field("rate", parse_number),
            per=parse_field("per", parse_number),
            burst=parse_field("burst", parse_number),
        )
        return f"Throttle {name} saved"

    return perform(f"change of throttle {name}", act)


@requires(Role.ADMIN)
def delete_throttle(name: str) -> str | Response:
    confirmation = Confirmation(
        f"Delete throttle {name}",
        "Removes its limits: all jobs that wait for it may run.",
        "Delete throttle",
        client().throttles[name].get().waiting,
        commands.command("throttles", "delete", name),
    )
    if not confirmation.is_given:
        return confirmation.page()

    def act() -> str:
        client().throttles[name].delete()
        return f"Throttle {name} deleted"

    gone = link("throttle", name=name)
    return perform(f"deletion of throttle {name}", act, gone=gone, instead=link("throttles"))


@requires(Role.OPERATOR)
def release_throttle(name: str) -> Response:
    jid = request.form.get("jid", "")

    def act() -> str:
        client().throttles[name].release(jid)
        return f"Job {jid} no longer counts toward {name}; it may still be running"

    return perform(f"release of {jid} from throttle {name}", act)


@requires(Role.OPERATOR)
def block_throttle(name: str) -> Response:
    def act() -> str:
        seconds = parse_field("seconds", parse_number)
        if seconds:
            client().throttles[name].block(seconds)
            return f"Throttle {name} blocked for {seconds:g} s"
        client().throttles[name].unblock()
        return f"Throttle {name} unblocked"

    return perform(f"block of throttle {name}", act)


@requires(Role.ADMIN)
def set_user() -> Response:
    name = text_field("name")

    def act() -> str:
        client().users[name].set(
            weight=parse_field("weight", parse_number),
            max_running=parse_field("max_running", parse_integer),
        )
        return f"User {name} saved"

    return perform(f"change of user {name}", act)


@requires(Role.ADMIN)
def unset_user() -> Response:
    name = text_field("name")

    def act() -> str:
        client().users[name].unset()
        return f"User {name} reset: weight 1, no limit"

    return perform(f"reset of user {name}", act)


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
