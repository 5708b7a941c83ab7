"""A form for the data, the priority and the tags of a job, and its data as it is stored."""

from __future__ import annotations

import json
from typing import Any, Final

from flask import current_app, redirect, render_template, request
from werkzeug.wrappers import Response

from qless_py.auth.guard import RequestRejected
from qless_py.auth.identity import Role
from qless_py.client.job import Job
from qless_py.dashboard import commands, flash, forms
from qless_py.dashboard.actions import requires
from qless_py.dashboard.audit import audit, audit_refusal
from qless_py.dashboard.context import access, client, find_job, link
from qless_py.dashboard.job_parts import EDITABLE
from qless_py.errors import BadArgumentError, DataChangedError, QlessError
from qless_py.protocol import jobs

_FORM: Final = forms.Form(
    {"data": forms.parse_json, "priority": forms.parse_number, "tags": forms.parse_names},
    required=("priority",),
    main="data",
)


@requires(Role.OPERATOR)
def edit_job(jid: str) -> str:
    """Show the form with what the job has now."""
    job = find_job(jid)
    data, why_not = _data_of(job)
    texts = {"data": data, "priority": f"{job.priority:.15g}", "tags": " ".join(job.tags)}
    return _page(job, texts, {}, why_not)


def _data_of(job: Job) -> tuple[str, str]:
    """Return the data for the form; or empty text, and why it cannot be changed."""
    if job.state not in EDITABLE:
        return "", f"The data of a job that is {job.state} cannot be changed."
    return forms.editable_data(job)


@requires(Role.OPERATOR)
def edit_job_now(jid: str) -> tuple[str, int] | Response:
    """Change the job, or show the form with an error beside each invalid field."""
    job, texts = find_job(jid), _FORM.texts()
    # Browsers send the line breaks of a text field as CR LF.
    texts["data"] = texts["data"].replace("\r\n", "\n")
    values, errors = _FORM.parse(texts)
    why_not = "" if "data" in request.form else _data_of(job)[1]
    if "data" in request.form and not texts["data"]:
        errors["data"] = "required"
    if errors:
        return _page(job, texts, errors, why_not), 422
    try:
        data = _encoded(job, texts["data"], values["data"]) if "data" in values else b""
        client().run(
            jobs.edit_encoded(
                job, data, values["priority"], values.get("tags", []),
                expects=request.form.get("digest"),
            )
        )  # fmt: skip
    except DataChangedError as error:
        audit_refusal(f"edit of {jid}", error)
        return _page(job, texts, {"data": _conflict(job)}, why_not), 409
    except QlessError as error:
        audit_refusal(f"edit of {jid}", error)
        return _page(job, texts, _FORM.errors_of(str(error)), why_not), 422
    audit(f"edit of {jid}", "changed")
    flash.add(f"Job {jid} changed")
    return redirect(link("job", jid=jid), 303)


def _encoded(job: Job, text: str, value: Any) -> bytes:
    """Return the data as it will be stored: nothing, if it is what is stored now.

    Numbers that Python would write in another way are stored as typed.
    """
    if text == forms.editable_data(job)[0] and request.form.get("digest") == job.data_digest:
        return b""
    if job.codec_name != "json" or forms.keeps_numbers(text):
        return job.encode(value, "data")
    json.loads(text, parse_constant=_refuse)
    return text.encode()


def _refuse(constant: str) -> None:
    raise BadArgumentError(f"data holds {constant}, which is not JSON")


def _conflict(job: Job) -> str:
    now = forms.editable_data(job)[0]
    return (
        "was changed by somebody else since you opened this form. Your text is still here; "
        f"save again to replace what is stored now: {now}"
    )


def _page(job: Job, texts: dict[str, str], errors: dict[str, str], why_not: str) -> str:
    return render_template(
        "qless_py/job_edit.html",
        job=job,
        texts=texts,
        errors=errors,
        why_not=why_not,
        commands=[commands.of_edit(job.jid, texts)],
    )


def job_data(jid: str) -> Response:
    """Return the data exactly as it is stored, as plain text if it is text."""
    if not access().shows_data:
        raise RequestRejected(403, "forbidden", "parts of the data are hidden from you")
    raw = find_job(jid).raw
    try:
        raw.decode()
    except UnicodeDecodeError:
        return current_app.response_class(raw, mimetype="application/octet-stream")
    return current_app.response_class(raw, content_type="text/plain; charset=utf-8")


ROUTES: Final = (
    ("GET", "/jobs/<jid>/edit", edit_job),
    ("POST", "/jobs/<jid>/edit", edit_job_now),
    ("GET", "/jobs/<jid>/data", job_data),
)
