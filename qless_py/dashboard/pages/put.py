"""A form to put a job."""

from __future__ import annotations

from typing import Final

from flask import redirect, render_template, request
from werkzeug.wrappers import Response

from qless_py.auth.identity import Role
from qless_py.dashboard import commands, flash, forms
from qless_py.dashboard.actions import requires
from qless_py.dashboard.audit import audit
from qless_py.dashboard.context import client, find_job, link, queue_names
from qless_py.errors import QlessError, StoreError

_FORM: Final = forms.Form(
    {
        "queue": str,
        "klass": str,
        "data": forms.parse_json,
        "jid": str,
        "delay": forms.parse_number,
        "priority": forms.parse_number,
        "attempts": forms.parse_integer,
        "retries": forms.parse_integer,
        "tags": forms.parse_names,
        "depends": forms.parse_names,
        "user": str,
        "throttles": forms.parse_names,
    },
    required=("queue", "klass"),
    main="queue",
)


def put_job() -> str:
    """Show the form, filled in from the URL or from another job."""
    jid = request.args.get("from")
    if jid is None:
        return _page(_FORM.texts(request.args), {})
    found = find_job(jid)
    data, why_not = forms.editable_data(found)
    texts = {
        "queue": found.queue_name, "klass": found.klass_name, "data": data or "{}",
        "priority": f"{found.priority:g}" if found.priority else "",
        "attempts": str(found.attempts or ""),
        "retries": str(found.original_retries), "tags": " ".join(found.tags),
        "user": found.user or "", "throttles": " ".join(found.throttles),
    }  # fmt: skip
    hint = f"A duplicate of {jid} with a new jid. {why_not}".strip()
    return _page(_FORM.texts(texts), {}, hint)


@requires(Role.OPERATOR)
def put_job_now() -> tuple[str, int] | Response:
    """Put the job, or show the form with an error beside each invalid field."""
    texts = _FORM.texts()
    options, errors = _FORM.parse(texts)
    if errors:
        return _page(texts, errors), 422
    queue, klass = options.pop("queue"), options.pop("klass")
    try:
        jid = client().queues[queue].put(klass, **options)
    except StoreError:
        raise
    except QlessError as error:
        return _page(texts, _FORM.errors_of(str(error))), 422
    audit("put", f"{jid} into {queue}")
    flash.add(f"Job {jid} put into {queue}")
    return redirect(link("job", jid=jid), 303)


def _page(texts: dict[str, str], errors: dict[str, str], hint: str = "") -> str:
    return render_template(
        "qless_py/put.html", texts=texts, errors=errors, hint=hint,
        queues=queue_names(), commands=[commands.of_put(texts)],
    )  # fmt: skip


ROUTES: Final = (
    ("GET", "/put", put_job),
    ("POST", "/put", put_job_now),
)
