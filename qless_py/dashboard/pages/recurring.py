"""Recurring jobs: when each comes next, and what is done to it."""

from __future__ import annotations

from typing import Any, Final

from flask import abort, redirect, render_template, request
from werkzeug.wrappers import Response as Answer

from qless_py.client.recurring import RecurringJob
from qless_py.client.session import answered
from qless_py.dashboard import commands, forms
from qless_py.dashboard import flash as notes
from qless_py.dashboard.actions import Effect, ask, audit, command, is_confirmed, perform, requires
from qless_py.dashboard.auth.access import Role
from qless_py.dashboard.context import client, dashboard
from qless_py.dashboard.formats import plain
from qless_py.dashboard.paging import offset_of, size_of
from qless_py.dashboard.template_helpers import Words
from qless_py.errors import JobNotFoundError, QlessError
from qless_py.protocol import reads

# What is said of a schedule when it is made and may be changed later.
_CHANGED: Final[forms.Readers] = {
    "queue": str,
    "klass": str,
    "data": forms.data,
    "interval": forms.number,
    "cron": str,
    "zone": str,
    "priority": forms.number,
    "retries": forms.whole,
    "tags": forms.names,
    "limit": forms.whole,
}
_EDIT: Final = forms.Form(_CHANGED, ("queue", "klass", "priority", "retries"), "queue")
_ADD: Final = forms.Form({**_CHANGED, "jid": str}, ("queue", "klass"), "interval")


def load(jid: str) -> RecurringJob:
    """Read a recurring job; raises `JobNotFoundError`."""
    found = client().jobs[jid]
    if not isinstance(found, RecurringJob):
        raise JobNotFoundError(f"Recurring job {jid} does not exist")
    return found


def recurring() -> str:
    queues = sorted(
        (row["name"], row["recurring"])
        for row in dashboard().snapshots.get().queues
        if row["recurring"]
    )
    offset, size = offset_of(), size_of()
    total = sum(number for _, number in queues)
    calls, skipped, wanted = [], offset, size
    for name, number in queues:
        if skipped < number and wanted:
            calls.append(reads.state("recurring", name, skipped, min(wanted, number - skipped)))
            wanted -= min(wanted, number - skipped)
        skipped = max(skipped - number, 0)
    jids: list[str] = []
    for page in answered(client().run_many(calls)):
        jids += page.jids
    found = client().jobs.get(*jids)
    jobs = [one for one in found if isinstance(one, RecurringJob)]
    return render_template(
        "qless_py/recurring.html",
        jobs=jobs,
        total=total,
        offset=offset,
        size=size,
        commands=[command("recur", "list")],
    )


def recurring_job(jid: str) -> str:
    return _page(load(jid))


def _page(job: RecurringJob, given: dict[str, str] | None = None, **more: Any) -> str:
    texts, why = _texts(job)
    told = [*commands.of_recurring(job.jid), command("recur", "edit", job.jid, "--every", "1h")]
    return render_template(
        "qless_py/recurring_job.html", job=job, given=given or texts, why=why, commands=told,
        **{"errors": {}, **more},
    )  # fmt: skip


def _texts(job: RecurringJob) -> tuple[dict[str, str], str]:
    """Write a schedule as the fields of its form, and why the data is not among them, if so."""
    data, why = forms.data_text(job)
    given = {
        "queue": job.queue_name, "klass": job.klass_name, "data": data,
        "interval": "" if job.interval is None else plain(job.interval),
        "cron": job.cron or "", "zone": job.zone or "", "priority": plain(job.priority),
        "retries": str(job.retries), "tags": " ".join(job.tags),
        "limit": "" if job.limit is None else str(job.limit),
    }  # fmt: skip
    return _EDIT.given(given), why


@requires(Role.OPERATOR)
def edit_recurring(jid: str) -> tuple[str, int] | Answer:
    """Change what was changed in the form, all of it or nothing."""
    job = load(jid)
    # A browser ends each line of several with CR and LF.
    given = {name: text.replace("\r\n", "\n") for name, text in _EDIT.given().items()}
    before, _ = _texts(job)
    changed = {name: text for name, text in given.items() if text != before[name]}
    options, errors = _EDIT.read(changed)
    if "tags" in changed:
        options.setdefault("tags", [])
    if "limit" in changed:
        options.setdefault("limit", None)
    if "zone" in changed and given["cron"]:
        options.setdefault("zone", "UTC")
    if not given["interval"] and not given["cron"]:
        errors["interval"] = "a schedule has an interval or a cron expression"
    if not errors:
        try:
            if options:
                job.update(**options)
        except QlessError as error:
            errors = _EDIT.refused(str(error))
    if errors:
        return _page(job, given, errors=errors), 422
    said = ", ".join(sorted(options)) or "nothing"
    audit(f"a change of the schedule {jid}", said)
    notes.say(f"changed of {jid}: {said}")
    return redirect(Words(dashboard()).link("recurring_job", jid=jid), 303)


def new_recurring() -> str:
    return _new(_ADD.given(request.args), {})


@requires(Role.OPERATOR)
def add_recurring() -> tuple[str, int] | Answer:
    """Make a schedule, or show the form with what is wrong beside each field."""
    given = _ADD.given()
    options, errors = _ADD.read(given)
    if not given["interval"] and not given["cron"]:
        errors["interval"] = "a schedule has an interval or a cron expression"
    jid = options.get("jid")
    if not errors and jid is not None and client().jobs[jid] is not None:
        errors["jid"] = f"there is a job {jid} already"
    if errors:
        return _new(given, errors), 422
    queue, klass, data = options.pop("queue"), options.pop("klass"), options.pop("data", {})
    interval = options.pop("interval", None)
    try:
        jid = client().queues[queue].recur(klass, data, interval, **options)
    except QlessError as error:
        return _new(given, _ADD.refused(str(error))), 422
    audit("a new schedule", f"{jid} in {queue}")
    notes.say(f"{jid} puts jobs into {queue}")
    return redirect(Words(dashboard()).link("recurring_job", jid=jid), 303)


def _new(given: dict[str, str], errors: dict[str, str]) -> str:
    told = command("recur", "add", "QUEUE", "KLASS", "{}", "--every", "1h")
    return render_template(
        "qless_py/new_recurring.html", given=given, errors=errors, commands=[told]
    )


@requires(Role.OPERATOR)
def cancel_recurring(jid: str) -> str | Answer:
    found = load(jid)
    effect = Effect(
        f"Remove the schedule {jid}",
        "No more jobs come of it. Those that it made already stay.",
        "Remove it",
        None,
        command("recur", "remove", jid),
    )
    if not is_confirmed(effect):
        return ask(effect)

    def act() -> str:
        found.cancel()
        return f"{jid} is removed"

    words = Words(dashboard())
    return perform(
        f"removal of the schedule {jid}", act,
        ends=words.link("recurring_job", jid=jid), leads=words.link("recurring"),
    )  # fmt: skip


@requires(Role.OPERATOR)
def change_recurring(jid: str, what: str) -> Answer:
    found = load(jid)

    def act() -> str:
        if what == "run":
            return f"{found.run()} was put, beside the schedule"
        if what == "pause":
            found.pause()
            return f"{jid} is paused"
        found.resume()
        return f"{jid} goes on"

    if what not in CHANGES:
        abort(404)
    return perform(f"{what} of {jid}", act)


CHANGES: Final = ("run", "pause", "resume")
ROUTES: Final = (
    ("GET", "/recurring", recurring),
    ("GET", "/recur", new_recurring),
    ("POST", "/recur", add_recurring),
    ("GET", "/recurring/<jid>", recurring_job),
    ("POST", "/recurring/<jid>/cancel", cancel_recurring),
    ("POST", "/recurring/<jid>/edit", edit_recurring),
    ("POST", "/recurring/<jid>/<what>", change_recurring),
)
