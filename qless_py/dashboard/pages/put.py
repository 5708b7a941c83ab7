"""A form to put a job."""

from __future__ import annotations

import shlex
from typing import Final

from flask import redirect, render_template, request
from werkzeug.wrappers import Response as Answer

from qless_py.dashboard import commands, forms
from qless_py.dashboard import flash as notes
from qless_py.dashboard.actions import audit, requires
from qless_py.dashboard.auth.access import Role
from qless_py.dashboard.context import client, dashboard
from qless_py.dashboard.pages.job import load
from qless_py.dashboard.template_helpers import Words
from qless_py.errors import QlessError

_FORM: Final = forms.Form(
    {
        "queue": str,
        "klass": str,
        "data": forms.data,
        "jid": str,
        "delay": forms.number,
        "priority": forms.number,
        "retries": forms.whole,
        "tags": forms.names,
        "depends": forms.names,
        "user": str,
        "throttles": forms.names,
    },
    needed=("queue", "klass"),
    main="queue",
)


def put_job() -> str:
    """Show the form, filled in as the address says."""
    jid = request.args.get("from")
    if jid is not None:
        return _page(*_like(jid))
    return _page(_FORM.given(request.args), {})


def _like(jid: str) -> tuple[dict[str, str], dict[str, str], str]:
    """Fill the form with what another job was put with, but for its jid."""
    found = load(jid)
    data, why = forms.data_text(found)
    like = f"As {jid} was put; it gets a jid of its own. {why}".strip()
    given = {
        "queue": found.queue_name, "klass": found.klass_name, "data": data or "{}",
        "priority": f"{found.priority:g}" if found.priority else "",
        "retries": str(found.original_retries), "tags": " ".join(found.tags),
        "user": found.user or "", "throttles": " ".join(found.throttles),
    }  # fmt: skip
    return _FORM.given(given), {}, like


@requires(Role.OPERATOR)
def put_job_now() -> tuple[str, int] | Answer:
    """Put the job, or show the form with what is wrong beside each field."""
    given = _FORM.given()
    options, errors = _FORM.read(given)
    if errors:
        return _page(given, errors), 422
    queue, klass = options.pop("queue"), options.pop("klass")
    try:
        jid = client().queues[queue].put(klass, **options)
    except QlessError as error:
        return _page(given, _FORM.refused(str(error))), 422
    audit("a put", f"{jid} in {queue}")
    notes.say(f"{jid} is put into {queue}")
    return redirect(Words(dashboard()).link("job", jid=jid), 303)


def _page(given: dict[str, str], errors: dict[str, str], like: str = "") -> str:
    queues = [row["name"] for row in dashboard().snapshots.get().queues]
    return render_template(
        "qless_py/put.html",
        given=given,
        errors=errors,
        queues=queues,
        shell=shlex.join(commands.of_put(given)),
        like=like,
    )


ROUTES: Final = (
    ("GET", "/put", put_job),
    ("POST", "/put", put_job_now),
)
