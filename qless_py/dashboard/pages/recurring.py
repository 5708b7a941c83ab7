"""Recurring jobs: their schedules, when each puts its next job, and all actions on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from flask import abort, redirect, render_template, request
from werkzeug.wrappers import Response

from qless_py import protocol
from qless_py.auth.identity import Role
from qless_py.client import schedules
from qless_py.client.recurring import RecurringJob
from qless_py.client.session import answered
from qless_py.cron import zone_names
from qless_py.dashboard import commands, context, flash, forms
from qless_py.dashboard.actions import Confirmation, perform, requires
from qless_py.dashboard.audit import audit
from qless_py.dashboard.context import client, link
from qless_py.dashboard.paging import page_offset, page_size
from qless_py.dashboard.preferences import current
from qless_py.errors import JobNotFoundError, QlessError
from qless_py.protocol import recurring_runs

# The fields of a schedule that can be changed later.
_CHANGEABLE: Final[forms.Parsers] = {
    "queue": str,
    "klass": str,
    "data": forms.parse_json,
    "interval": forms.parse_number,
    "cron": str,
    "zone": str,
    "misfire": str,
    "overlap": str,
    "priority": forms.parse_number,
    "retries": forms.parse_integer,
    "tags": forms.parse_names,
    "limit": forms.parse_integer,
}
_REQUIRED: Final = ("queue", "klass", "misfire", "overlap", "priority", "retries")
_EDIT: Final = forms.Form(_CHANGEABLE, _REQUIRED, "queue")
_ADD: Final = forms.Form({**_CHANGEABLE, "jid": str}, ("queue", "klass"), "interval")
_DEFAULTS: Final = dict.fromkeys([*_CHANGEABLE, "jid"], "") | {"misfire": "all", "overlap": "allow"}
_NO_SCHEDULE: Final = "enter an interval or a cron expression"
_SHOWN: Final = 5  # Next times of a schedule.
_PREVIEW: Final = "only_preview"  # The button of a form that saves nothing.
ACTIONS: Final = ("run", "pause", "resume")


def _find(jid: str) -> RecurringJob:
    found = client().jobs[jid]
    if not isinstance(found, RecurringJob):
        raise JobNotFoundError(f"Recurring job {jid} does not exist")
    return found


def recurring() -> str:
    queues = sorted(
        (row["name"], row["recurring"]) for row in context.snapshot().queues if row["recurring"]
    )
    offset, size = page_offset(), page_size()
    calls, skipped, wanted = [], offset, size
    for name, count in queues:
        if skipped < count and wanted:
            calls.append(
                protocol.jobs.in_state("recurring", name, skipped, min(wanted, count - skipped))
            )
            wanted -= min(wanted, count - skipped)
        skipped = max(skipped - count, 0)
    jids = [jid for page in answered(client().run_many(calls)) for jid in page.jids]
    found = [one for one in client().jobs.get(jids) if isinstance(one, RecurringJob)]
    pages = answered(client().run_many(recurring_runs.read(found)))
    return render_template(
        "qless_py/recurring.html",
        jobs=list(zip(found, recurring_runs.decode(found, pages), strict=True)),
        total=sum(count for _, count in queues), offset=offset, size=size,
        commands=commands.of_page("recurring"),
    )  # fmt: skip


def recurring_job(jid: str) -> str:
    return _page(_find(jid))


def _page(
    job: RecurringJob,
    texts: dict[str, str] | None = None,
    errors: dict[str, str] | None = None,
    preview: dict[str, Any] | None = None,
) -> str:
    stored, why_not = _texts(job)
    copied = {name: text for name, text in stored.items() if text}
    return render_template(
        "qless_py/recurring_job.html", job=job, texts=texts or stored, why_not=why_not,
        errors=errors or {}, commands=commands.of_page("recurring_job", job.jid),
        runs=job.runs(), times=_written(job.next_times(_SHOWN)),
        duplicate=copied, preview=preview, zones=zone_names(),
    )  # fmt: skip


def _texts(job: RecurringJob) -> tuple[dict[str, str], str]:
    """Return the form fields of a schedule, and why the data is left out, if it is."""
    data, why_not = forms.editable_data(job)
    texts = {
        "queue": job.queue_name, "klass": job.klass_name, "data": data,
        "interval": "" if job.interval is None else f"{job.interval:.15g}",
        "cron": job.cron or "", "zone": job.zone or "",
        "misfire": job.misfire, "overlap": job.overlap, "priority": f"{job.priority:.15g}",
        "retries": str(job.retries), "tags": " ".join(job.tags),
        "limit": "" if job.limit is None else str(job.limit),
    }  # fmt: skip
    return _EDIT.texts(texts), why_not


@requires(Role.OPERATOR)
def edit_recurring(jid: str) -> tuple[str, int] | Response:
    """Save the changed fields of the form, all of them or none."""
    job = _find(jid)
    # Browsers end the lines of a text area with CR and LF.
    texts = {name: text.replace("\r\n", "\n") for name, text in _EDIT.texts().items()}
    if _PREVIEW in request.form:
        return _page(job, texts, *_previewed(texts)), 200
    before, _ = _texts(job)
    changed = {name: text for name, text in texts.items() if text != before[name]}
    options, errors = _EDIT.parse(changed)
    if "tags" in changed:
        options.setdefault("tags", [])
    if "limit" in changed:
        options.setdefault("limit", None)
    if "zone" in changed and texts["cron"]:
        options.setdefault("zone", "UTC")
    if not texts["interval"] and not texts["cron"]:
        errors["interval"] = _NO_SCHEDULE
    if options and not errors:
        try:
            job.update(**options)
        except QlessError as error:
            errors = _EDIT.errors_of(str(error))
    if errors:
        return _page(job, texts, errors), 422
    if options:
        fields = ", ".join(sorted(options))
        audit(f"change of schedule {jid}", fields)
        flash.add(f"Schedule {jid} saved: {fields} changed")
    else:
        flash.add(f"Schedule {jid} not changed")
    return redirect(link("recurring_job", jid=jid), 303)


def new_recurring() -> str:
    return _new(_ADD.texts(request.args), {})


@requires(Role.OPERATOR)
def add_recurring() -> tuple[str, int] | Response:
    """Create a schedule, or show the form with an error beside each invalid field."""
    texts = _ADD.texts()
    if _PREVIEW in request.form:
        return _new(texts, *_previewed(texts)), 200
    options, errors = _ADD.parse(texts)
    if not texts["interval"] and not texts["cron"]:
        errors["interval"] = _NO_SCHEDULE
    jid = options.get("jid")
    if not errors and jid is not None and client().jobs[jid] is not None:
        errors["jid"] = f"job {jid} already exists"
    if errors:
        return _new(texts, errors), 422
    queue, klass, data = options.pop("queue"), options.pop("klass"), options.pop("data", {})
    interval = options.pop("interval", None)
    try:
        jid = client().queues[queue].recur(klass, data, interval, **options)
    except QlessError as error:
        return _new(texts, _ADD.errors_of(str(error))), 422
    audit("new schedule", f"{jid} in {queue}")
    flash.add(f"Schedule {jid} created in {queue}")
    return redirect(link("recurring_job", jid=jid), 303)


def _new(
    texts: dict[str, str], errors: dict[str, str], preview: dict[str, Any] | None = None
) -> str:
    return render_template(
        "qless_py/new_recurring.html",
        texts=_DEFAULTS | {name: text for name, text in texts.items() if text},
        errors=errors, preview=preview, zones=zone_names(),
        commands=commands.of_page("new_recurring"),
    )  # fmt: skip


def preview_schedule() -> dict[str, Any]:
    """Answer the form while somebody types: words and next times, an error, or nothing yet."""
    texts = {name: request.args.get(name, "").strip() for name in ("interval", "cron", "zone")}
    errors, preview = _previewed(texts)
    if preview is None:
        return {"error": next(iter(errors.values()), "")}
    return {"words": preview["words"], "next": preview["times"]}


def _previewed(texts: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Any] | None]:
    """Return the errors of the schedule in a form, and its words and next times."""
    if not texts["interval"] and not texts["cron"]:
        return {}, None
    try:
        interval = forms.parse_number(texts["interval"]) if texts["interval"] else None
    except ValueError as error:
        return {"interval": str(error)}, None
    try:
        found = schedules.preview(
            client().settings.clock(), interval=interval, cron=texts["cron"] or None,
            zone=texts["zone"] or None, count=_SHOWN,
        )  # fmt: skip
    except QlessError as error:
        return _ADD.errors_of(str(error)), None
    return {}, {"words": found.words, "times": _written(found.times)}


def _written(times: Sequence[datetime]) -> list[str]:
    """Return times in their own zone, those of an interval in that of the browser."""
    shown = [one.astimezone(current().time_zone) if one.tzinfo is UTC else one for one in times]
    return [f"{one:%a %Y-%m-%d %H:%M:%S %Z}" for one in shown]


@requires(Role.OPERATOR)
def cancel_recurring(jid: str) -> str | Response:
    found = _find(jid)
    confirmation = Confirmation(
        f"Remove schedule {jid}",
        "It puts no more jobs. Jobs it has already put stay.",
        "Remove schedule",
        None,
        commands.command("recur", "remove", jid),
    )
    if not confirmation.is_given:
        return confirmation.page()

    def act() -> str:
        found.cancel()
        return f"Schedule {jid} removed"

    gone = link("recurring_job", jid=jid)
    return perform(f"removal of schedule {jid}", act, gone=gone, instead=link("recurring"))


@requires(Role.OPERATOR)
def change_recurring(jid: str, what: str) -> Response:
    if what not in ACTIONS:
        abort(404)
    found = _find(jid)

    def act() -> str:
        if what == "run":
            return f"Job {found.run()} put; the schedule is unchanged"
        if what == "pause":
            found.pause()
            return f"Schedule {jid} paused"
        found.resume()
        return f"Schedule {jid} resumed"

    return perform(f"{what} of {jid}", act)


ROUTES: Final = (
    ("GET", "/recurring", recurring),
    ("GET", "/recur", new_recurring),
    ("POST", "/recur", add_recurring),
    ("GET", "/recur/preview", preview_schedule),
    ("GET", "/recurring/<jid>", recurring_job),
    ("POST", "/recurring/<jid>/cancel", cancel_recurring),
    ("POST", "/recurring/<jid>/edit", edit_recurring),
    ("POST", "/recurring/<jid>/<what>", change_recurring),
)
