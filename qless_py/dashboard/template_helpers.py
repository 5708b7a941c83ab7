"""What every template can use as `ql`: links, times, numbers, job data, form tokens, navigation."""

from __future__ import annotations

import re
import shlex
from typing import Any, Final

from flask import Blueprint, g, request, url_for
from markupsafe import Markup, escape

from qless_py import package
from qless_py.auth import guard
from qless_py.auth.identity import Access, Role
from qless_py.client import humanize, redaction, schedules
from qless_py.client.bulk import ACTIONS
from qless_py.dashboard import columns, context, flash, job_cells, search_form
from qless_py.dashboard.actions import return_url
from qless_py.dashboard.context import Dashboard, access, dashboard, link, redactor
from qless_py.dashboard.navigation import Entry, entries
from qless_py.dashboard.preferences import Preferences, current
from qless_py.dashboard.sparkline import sparkline
from qless_py.errors import UndecodableDataError
from qless_py.protocol.job_state import RecurringState

# Query parameters that links to the same page keep.
_PARAMETERS: Final = (
    "q", "sort", "order", "offset", "size", "tab", "range", "day", "cursor", "users", "group",
    "state", "searched", "found", "by", "queue", "klass", "compare", "from", "to", "view", "who",
    "action", "target", "door", "outcome", "since", "kind", "jid",
)  # fmt: skip
_RANDOM_JID: Final = re.compile("[0-9a-f]{32}")
_LONG_JID: Final = 24  # Characters.
_MAX_ENTRY: Final = 2_000  # Characters of an entry in a job's history.


def add_helpers(blueprint: Blueprint, dashboard: Dashboard) -> None:
    """Make the helpers available to the templates of this blueprint, not to those of its host."""

    @blueprint.context_processor
    def helpers() -> dict[str, Any]:
        if request.blueprint not in (blueprint.name, None):
            return {}
        return {
            "ql": TemplateHelpers(dashboard),
            "can_operate": _may(Role.OPERATOR),
            "can_administer": _may(Role.ADMIN),
        }


def _may(role: Role) -> bool:
    found: Access | None = g.get("qless_py_access")
    return found is not None and found.may(role) and not dashboard().config.read_only


class TemplateHelpers:
    """`ql` in a template."""

    number = staticmethod(humanize.number)
    plural = staticmethod(humanize.plural)
    duration = staticmethod(humanize.duration)
    exact_duration = staticmethod(humanize.exact_duration)
    size = staticmethod(humanize.size)
    percent = staticmethod(humanize.percent)
    sparkline = staticmethod(sparkline)
    link = staticmethod(link)
    job_columns = staticmethod(columns.columns)
    preview = staticmethod(job_cells.preview)
    error_line = staticmethod(job_cells.error_line)
    progress_share = staticmethod(job_cells.progress_share)
    stalled_at = staticmethod(job_cells.stalled_at)
    search = staticmethod(search_form.search_for)
    with_term = staticmethod(search_form.url_with)
    shell = staticmethod(shlex.join)
    version = package.__version__
    # The default must not be an action that deletes.
    bulk_actions = ("retry", *(one for one in ACTIONS if one != "retry"))

    def __init__(self, dashboard: Dashboard) -> None:
        self._dashboard = dashboard
        self.now = dashboard.client.settings.clock()
        self.config = dashboard.config
        self.namespace = dashboard.client.namespace

    @property
    def access(self) -> Access | None:
        """The sender of the request, once authenticated."""
        found: Access | None = g.get("qless_py_access")
        return found

    @property
    def navigation(self) -> list[Entry]:
        """The pages in the first row of the menu."""
        return entries(are_primary=True)

    @property
    def more_navigation(self) -> list[Entry]:
        """The pages below “More”."""
        return entries(are_primary=False)

    @property
    def failed(self) -> str:
        """The number of failed jobs, "" if it is not known."""
        if "qless_py_failed" not in g:
            g.qless_py_failed = context.failed_count() if self.access else ""
        return str(g.qless_py_failed)

    @property
    def preferences(self) -> Preferences:
        """How this browser wants to see the pages."""
        return current()

    @property
    def may_sign_out(self) -> bool:
        """Whether the browser sends a password that it would forget."""
        found = guard.challenges(self.config.auth)
        return any(one.startswith("Basic") for one in found)

    @property
    def clock(self) -> str:
        """The time of day of what the page shows: the time of its counts, if it has any."""
        return self._moment(g.get("qless_py_as_of") or self.now)[11:]

    def moment(self, instant: float) -> str:
        """Return an instant as date and time."""
        return self._moment(instant)

    def _moment(self, instant: float) -> str:
        return humanize.moment(instant, self.preferences.time_zone)

    def asset(self, name: str) -> str:
        """Return the URL of a static file, which changes with its content."""
        return link("static", name=f"v-{self._dashboard.asset_version}/{name}")

    def this_page(self, **changes: Any) -> str:
        """Return the URL of this page with other query parameters; `None` removes one."""
        current = {key: request.args[key] for key in _PARAMETERS if key in request.args}
        merged = {**current, **(request.view_args or {}), **changes}
        values = {key: value for key, value in merged.items() if value is not None}
        return url_for(request.endpoint or "", **values)

    @property
    def return_url(self) -> str:
        """The page an action returns to: this one, or the page its form was sent from."""
        return self.this_page() if request.method == "GET" else return_url()

    def hidden_fields(self) -> Markup:
        """Return the hidden fields of a form: its token, and where to return to."""
        token = guard.form_token(g.qless_py_cookie, self._dashboard.secret)
        return Markup(
            '<input type="hidden" name="{}" value="{}"><input type="hidden" name="back" value="{}">'
        ).format(guard.FIELD, token, self.return_url)

    def flash_messages(self) -> list[tuple[str, str, str]]:
        """Return the messages of the last action as (kind, text)."""
        return flash.pop()

    def input_number(self, value: float | None) -> str:
        """Return a number as typed into a form: 50, 0.25."""
        return "" if value is None else f"{value:.15g}"

    def next_words(self, job: RecurringState) -> str:
        """Return when a recurring job puts its next job, or why it does not."""
        return schedules.next_words(job)

    schedule_words = staticmethod(schedules.schedule_words)

    def time(self, instant: float | None) -> Markup:
        """Return an instant as its distance from now, with the exact time as a tooltip."""
        if instant is None:
            return Markup('<span class="quiet">never</span>')
        exact = humanize.iso(instant)
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            exact, self._moment(instant), humanize.ago(instant, self.now)
        )

    def data(self, job: Any, field: str = "data", *, pretty: bool = True) -> str:
        """Return the data, result or progress of a job as text, redacted if needed."""
        try:
            value = getattr(job, field)
        except UndecodableDataError as error:
            return f"cannot be decoded: {error}"
        write = redaction.data_text if pretty else redaction.data_line
        return write(value, redactor())

    def history_value(self, key: str, value: Any) -> str:
        """Return a value of a history entry as text, redacted if needed."""
        if self.config.redactor.is_redacted(key) and not access().shows_data:
            return redaction.HIDDEN
        if isinstance(value, str):
            return self.text(value, _MAX_ENTRY)
        return redaction.data_text(value, redactor(), limit=_MAX_ENTRY, pretty=False)

    @staticmethod
    def breakable(name: str) -> Markup:
        """Return a dotted name that may be broken between its parts, though not in a word."""
        parts = re.findall(r"[^.:/_]+[.:/_]*|[.:/_]+", name)
        return Markup("<wbr>").join(escape(part) for part in parts)

    def joined(self, value: Any) -> str:
        """Return a list, or whatever was reported instead of one, as one line."""
        parts = value if isinstance(value, list) else [value]
        return self.text(", ".join(str(one) for one in parts if one is not None), _MAX_ENTRY)

    def text(self, text: Any, limit: int = redaction.MAX_TEXT) -> str:
        """Return a text such as an error message, redacted if needed, and truncated."""
        hidden = redactor()
        if hidden is None:
            return redaction.truncate(str(text), limit)
        return hidden.redact_text(str(text), limit)

    def has(self, job: Any, field: str) -> bool:
        """Return whether a job has a result or progress, decodable or not."""
        try:
            return getattr(job, field) is not None
        except UndecodableDataError:
            return True

    def job_state(self, job: Any) -> Markup:
        """Return the state of a job as a badge; a running job without a valid lease is stalled."""
        is_leased = job.state == "running" and job.expires_at > self.now
        return self.state(job.state if is_leased or job.state != "running" else "stalled")

    def key_time(self, job: Any) -> Markup:
        """Return the most relevant instant of a job in its state, with a label."""
        label, instant = {
            "failed": ("failed", job.failed_at),
            "complete": ("completed", job.completed_at),
            "running": ("popped", job.popped_at),
            "scheduled": ("due", job.due_at),
        }.get(job.state, ("put", None))
        if instant is None:
            label, instant = "put", job.put_at
        return Markup('<span class="quiet">{}</span> {}').format(label, self.time(instant))

    def short_jid(self, jid: str) -> str:
        """Return a jid short enough for a table: the first 8 digits of a random one."""
        if _RANDOM_JID.fullmatch(jid):
            return jid[:8]
        return jid if len(jid) <= _LONG_JID else f"{jid[:14]}…{jid[-9:]}"

    def state(self, state: str) -> Markup:
        """Return a state as a badge: its word, an icon and a colour."""
        return Markup('<span class="state state-{}">{}</span>').format(state, escape(state))
