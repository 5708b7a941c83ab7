"""The options of the namespace: what each is for, its value, and who changed it last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flask import render_template, request
from werkzeug.wrappers import Response

from qless_py import protocol
from qless_py.auth.identity import Role
from qless_py.client.session import answered
from qless_py.dashboard import commands
from qless_py.dashboard.actions import perform, requires
from qless_py.dashboard.audit import audit_refusal
from qless_py.dashboard.context import client
from qless_py.dashboard.forms import text_field
from qless_py.errors import QlessError
from qless_py.protocol.config_options import OPTIONS, option_of

_LOOKED_AT: Final = 200  # Changes of options in which the last one of each is looked for.


def config(errors: Mapping[str, str] | None = None, texts: Mapping[str, str] | None = None) -> str:
    values, page = answered(
        client().run_many(
            [protocol.config.read(), protocol.audit.read(action="option *", limit=_LOOKED_AT)]
        )
    )
    changed = {name: one for one in reversed(page.entries) for name in one.targets}
    names = [*OPTIONS, *sorted(set(values) - set(OPTIONS))]
    return render_template(
        "qless_py/config.html", options=[option_of(name) for name in names], values=values,
        changed=changed, errors=errors or {}, texts=texts or {},
        commands=commands.of_page("config"),
    )  # fmt: skip


@requires(Role.ADMIN)
def set_config() -> Response | tuple[str, int]:
    """Set or reset an option; a value that it cannot have is shown with the reason beside it."""
    option, value = text_field("option"), text_field("value")
    action = f"change of option {option}"
    is_reset = request.form.get("do") == "unset"
    try:
        if is_reset:
            client().config.unset(option)
        else:
            client().config.set(option, value)
    except QlessError as error:
        audit_refusal(action, error)
        return config({option: str(error)}, {option: value}), 422
    done = f"Option {option} {'reset to its default' if is_reset else f'set to {value}'}"
    return perform(action, lambda: done)


ROUTES: Final = (
    ("GET", "/config", config),
    ("POST", "/config", set_config),
)
