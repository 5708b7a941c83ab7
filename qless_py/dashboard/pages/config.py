"""The options of the namespace."""

from __future__ import annotations

from typing import Final

from flask import render_template, request
from werkzeug.wrappers import Response

from qless_py.auth.identity import Role
from qless_py.dashboard import commands
from qless_py.dashboard.actions import perform, requires
from qless_py.dashboard.context import client
from qless_py.dashboard.forms import text_field


def config() -> str:
    return render_template(
        "qless_py/config.html",
        options=sorted(client().config.all.items()),
        commands=commands.of_page("config"),
    )


@requires(Role.ADMIN)
def set_config() -> Response:
    option, value = text_field("option"), text_field("value")

    def act() -> str:
        if request.form.get("do") == "unset":
            client().config.unset(option)
            return f"Option {option} reset to its default"
        client().config.set(option, value)
        return f"Option {option} set to {value}"

    return perform(f"change of option {option}", act)


ROUTES: Final = (
    ("GET", "/config", config),
    ("POST", "/config", set_config),
)
