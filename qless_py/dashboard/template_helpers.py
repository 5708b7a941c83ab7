"""What every template can use: links, times, numbers, data, the form token, the navigation."""

from __future__ import annotations

import shlex
from typing import Any, Final

from flask import Blueprint, g, request, url_for
from markupsafe import Markup, escape

from qless_py import package
from qless_py.client.bulk import ACTIONS
from qless_py.dashboard import flash as notes
from qless_py.dashboard import formats
from qless_py.dashboard import redaction as shown
from qless_py.dashboard.actions import back_to
from qless_py.dashboard.auth import guard
from qless_py.dashboard.auth.access import Access, Role
from qless_py.dashboard.context import Dashboard, access, dashboard
from qless_py.errors import UndecodableDataError

# What an address of ours may say behind its question mark; links to the same page keep it.
_ARGUMENTS: Final = (
    "q", "sort", "order", "offset", "size", "tab", "range", "day", "cursor", "users", "group",
    "state",
)  # fmt: skip

_ENTRY: Final = 2_000  # Letters of an entry in a history.

# In this order on every page: the word, and the view that it leads to.
NAVIGATION: Final = (
    ("Overview", "overview"),
    ("Queues", "queues"),
    ("Jobs", "jobs"),
    ("Failures", "failures"),
    ("Operations", "operations"),
    ("Completed", "completed"),
    ("Recurring", "recurring"),
    ("Workers", "workers"),
    ("Throttles", "throttles"),
    ("Tags", "tags"),
    ("Tracked", "tracked"),
    ("Config", "config"),
)


def add_filters(blueprint: Blueprint, board: Dashboard) -> None:
    """Give the templates of this blueprint their words. Nothing is added to a host's own ones."""

    @blueprint.context_processor
    def words() -> dict[str, Any]:
        if request.blueprint not in (blueprint.name, None):
            return {}
        return {
            "ql": Words(board),
            "can_operate": _may(Role.OPERATOR),
            "can_administer": _may(Role.ADMIN),
        }


def _may(role: Role) -> bool:
    found: Access | None = g.get("qless_py_access")
    return found is not None and found.may(role) and not dashboard().config.read_only


class Words:
    """`ql` in a template."""

    number = staticmethod(formats.number)
    plain = staticmethod(formats.plain)
    duration = staticmethod(formats.duration)
    version = package.__version__
    token_field = guard.FIELD
    # The one that is proposed must not be one that deletes.
    actions = ("retry", *(one for one in ACTIONS if one != "retry"))
    shell = staticmethod(shlex.join)

    def __init__(self, board: Dashboard) -> None:
        self._board = board
        self.now = board.client.settings.clock()
        self.config = board.config
        self.namespace = board.client.namespace

    @property
    def person(self) -> Access | None:
        """Whose request it is, once that is known."""
        found: Access | None = g.get("qless_py_access")
        return found

    @property
    def navigation(self) -> list[tuple[str, str, bool]]:
        """Each word of the navigation, its address, and whether this page is below it."""
        here = f"{request.script_root}{request.path}".removeprefix(self.link("overview"))
        found = []
        for word, view in NAVIGATION:
            address = self.link(view)
            below = address.removeprefix(self.link("overview"))
            is_here = here == below or (below != "" and here.startswith(f"{below}/"))
            found.append((word, address, is_here))
        return found

    def link(self, view: str, /, **values: Any) -> str:
        """Give the address of a view of this dashboard, wherever it is mounted."""
        return url_for(f"{g.qless_py_blueprint}.{view}", **values)

    def asset(self, name: str) -> str:
        """Give the address of a static file, which changes with its content."""
        return self.link("static", name=name, v=self._board.version_of(name))

    def here(self, **changes: Any) -> str:
        """Give the address of this page with other arguments; `None` takes one away."""
        given = {key: request.args[key] for key in _ARGUMENTS if key in request.args}
        arguments = {**given, **(request.view_args or {}), **changes}
        known = {key: value for key, value in arguments.items() if value is not None}
        return url_for(request.endpoint or "", **known)

    @property
    def back(self) -> str:
        """The page that an action leads back to: this one, or what a form on it was sent from."""
        return self.here() if request.method == "GET" else back_to()

    def form_token(self) -> str:
        """Give the token that a form must send back."""
        return guard.token(g.qless_py_cookie, self._board.secret)

    def form(self) -> Markup:
        """Give the hidden field of a form."""
        return Markup('<input type="hidden" name="{}" value="{}">').format(
            guard.FIELD, self.form_token()
        )

    def time(self, instant: float | None) -> Markup:
        """Show an instant by its distance, with the instant itself for those who point at it."""
        if instant is None:
            return Markup('<span class="quiet">never</span>')
        exact = formats.absolute(instant)
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            exact, exact, formats.ago(instant, self.now)
        )

    def data(self, job: Any, what: str = "data", *, pretty: bool = True) -> str:
        """Write the data (or result, or progress) of a job, without the values of secret keys for
        those who may not see them. What cannot be read is said to be so.
        """  # noqa: D205 - one sentence, too long for a line
        try:
            value = getattr(job, what)
        except UndecodableDataError as error:
            return f"cannot be read: {error}"
        if pretty:
            return shown.data_text(value, self._rules())
        return shown.data_line(value, self._rules())

    def value(self, key: str, value: Any) -> str:
        """Write what an entry of a history says under a key, under the same rules as data."""
        if self.config.is_redacted(key) and not access().shows_data:
            return shown.HIDDEN
        if isinstance(value, str):
            return self.said(value, _ENTRY)
        return shown.data_text(value, self._rules(), most=_ENTRY, pretty=False)

    def words(self, value: Any) -> str:
        """Write a list, or whatever somebody said instead of one, in a line."""
        parts = value if isinstance(value, list) else [value]
        return self.said(", ".join(str(one) for one in parts if one is not None), _ENTRY)

    @property
    def clock(self) -> str:
        """The time of day in UTC at which this page was made."""
        return formats.absolute(self.now)[11:19]

    def said(self, text: Any, most: int = shown.PAGE) -> str:
        """Write running text, such as the message of a failure, under the same rules as data."""
        bounded = shown.cut(str(text), most)
        return bounded if access().shows_data else self.config.hide_in(bounded)

    def _rules(self) -> shown.Rules | None:
        return None if access().shows_data else self.config

    def has(self, job: Any, what: str) -> bool:
        """Tell whether a job has a result or progress, readable or not."""
        try:
            return getattr(job, what) is not None
        except UndecodableDataError:
            return True

    def state_of(self, job: Any) -> Markup:
        """Show the state of a job; one that is held by a lease that has lapsed is stalled."""
        is_held = job.state == "running" and job.expires_at > self.now
        return self.state(job.state if is_held or job.state != "running" else "stalled")

    def when(self, job: Any) -> Markup:
        """Show the instant that matters most of a job in its state, and a word for what it is."""
        at = {
            "failed": ("failed", job.failed_at),
            "complete": ("ended", job.completed_at),
            "running": ("popped", job.popped_at),
            "scheduled": ("due", job.due_at),
        }.get(job.state, ("put", None))
        word, instant = at if at[1] is not None else ("put", job.put_at)
        return Markup('<span class="quiet">{}</span> {}').format(word, self.time(instant))

    def notes(self) -> list[tuple[str, str]]:
        """Take what the last action has to say: (kind, text)."""
        return notes.take()

    def state(self, state: str) -> Markup:
        """Show a state as a badge; the word says it, the colour only helps."""
        return Markup('<span class="state state-{}">{}</span>').format(state, escape(state))
