"""The options of the namespace."""

from __future__ import annotations

from typing import Final

from flask import render_template, request
from werkzeug.wrappers import Response as Answer

from qless_py.dashboard import commands
from qless_py.dashboard.actions import perform, requires
from qless_py.dashboard.auth.access import Role
from qless_py.dashboard.context import client


def config() -> str:
    return render_template(
        "qless_py/config.html",
        options=sorted(client().config.all.items()),
        commands=commands.of_config(),
    )


@requires(Role.ADMIN)
def set_config() -> Answer:
    option = request.form.get("option", "").strip()
    value = request.form.get("value", "").strip()

    def act() -> str:
        if request.form.get("do") == "unset":
            client().config.unset(option)
            return f"{option} has its default again"
        client().config.set(option, value)
        return f"{option} is {value}"

    return perform(f"setting of the option {option}", act)


ROUTES: Final = (
    ("GET", "/config", config),
    ("POST", "/config", set_config),
)
