"""One job: everything known about it, why it is not running, and all actions on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from flask import abort, redirect, render_template, request
from werkzeug.wrappers import Response

from qless_py import protocol
from qless_py.auth.identity import Role
from qless_py.client import attempts, bulk, humanize
from qless_py.client.humanize import plural
from qless_py.client.job import Job
from qless_py.dashboard import commands, job_parts
from qless_py.dashboard.actions import Confirmation, perform, refuse, requires, return_url
from qless_py.dashboard.context import access, client, find_job, link, queue_names
from qless_py.dashboard.errors import wants_json
from qless_py.dashboard.forms import parse_field, parse_json, parse_names, parse_number, text_field
from qless_py.dashboard.job_parts import EDITABLE
from qless_py.errors import (
    AlreadyFinishedError,
    BadArgumentError,
    DependencyError,
    EventStreamOffError,
    JobNotFoundError,
    QlessError,
    UndecodableDataError,
    WrongStateError,
)
from qless_py.protocol.events import StoredEvent

_MAX_LISTED: Final = 50
_MAX_RAW: Final = 4_000  # Bytes of data that are shown as they are stored, too.
# Where the last event of a job is looked for that is gone: seconds, pages, and events of a page.
_LOOK_BACK: Final = 300
_EVENT_PAGES: Final = 3
_EVENT_PAGE: Final = 1_000
# The states from which a job is put back to work, with the label and the title of the button.
_RETRY_LABELS: Final = {
    "failed": ("Retry", "Put the job back into its queue, with all its retries"),
    "scheduled": ("Run now", "Put the job into its queue before its time"),
    "complete": ("Requeue", "Put the job into its last queue again; it runs once more"),
}


def job(jid: str) -> str | Response | tuple[str, int]:
    found = client().jobs[jid]
    if found is None:
        return _gone(jid)
    if not isinstance(found, Job):
        return redirect(link("recurring_job", jid=jid))
    batch = found.batch_name
    past = attempts.read(found, client().settings.clock())
    raw = _stored_text(found)
    return render_template(
        "qless_py/job.html",
        job=found,
        tries=humanize.attempts(found.attempts_failed, found.attempts),
        past=past,
        shown_attempts=past.attempts[: -_MAX_LISTED - 1 : -1],
        periods=job_parts.periods(past),
        family=job_parts.family(found),
        share=_share(found),
        raw=raw,
        explanation=client().explain(jid),
        queues=queue_names(),
        commands=commands.of_job(found),
        again=_again(found, raw),
        batch=None if batch is None else client().run(protocol.batches.read(batch)),
        results=_parent_results(found),
        max_listed=_MAX_LISTED,
        retry_labels=_RETRY_LABELS,
        editable=found.state in EDITABLE,
    )


def _stored_text(job: Job) -> str | None:
    """Return the data as stored, if it is JSON, not too long to show twice, and may be seen."""
    if not access().shows_data or job.codec_name != "json" or len(job.raw) > _MAX_RAW:
        return None
    try:
        return job.raw.decode()
    except UnicodeDecodeError:
        return None


def _again(job: Job, raw: str | None) -> list[list[str]]:
    """Return the commands that put a job like this one, if its data fits into them."""
    try:
        parse_json(raw or "")
    except ValueError:
        return []
    return [commands.to_put(job, raw or ""), commands.to_put_by_http(job, raw or "")]


def _share(job: Job) -> float | None:
    try:
        return job_parts.share(job.progress)
    except UndecodableDataError:
        return None


def _gone(jid: str) -> tuple[str, int]:
    """Say what is known of a job that does not exist; its page has status 404."""
    if wants_json():
        raise JobNotFoundError(f"Job {jid} does not exist")
    copy = client().canceled.get(jid)
    page = render_template(
        "qless_py/job_gone.html",
        jid=jid,
        copy=copy,
        event=None if copy else _last_event(jid),
        config=client().config.all,
        commands=[commands.command("canceled", "restore", jid)] if copy else [],
    )
    return page, 404


def _last_event(jid: str) -> StoredEvent | None:
    """Return the last event of a job among those of the last minutes, if events are kept."""
    after, last = f"{int((client().settings.clock() - _LOOK_BACK) * 1000)}-0", None
    try:
        for _ in range(_EVENT_PAGES):
            page = client().events.read(after, limit=_EVENT_PAGE)
            of_job = (one for one in page.events if isinstance(one, StoredEvent) and one.jid == jid)
            last, after = next(reversed(list(of_job)), last), page.last
            if len(page.events) < _EVENT_PAGE:
                break
    except EventStreamOffError:
        return None
    return last


def _parent_results(job: Job) -> dict[str, Any]:
    """Return the results of the jobs this one waited for, unless they are too many to show."""
    if not 0 < len(job.parents) <= _MAX_LISTED:
        return {}
    try:
        found = job.parent_results()
    except UndecodableDataError as error:
        return {"": f"cannot be decoded: {error}"}
    return {jid: value for jid, value in found.items() if value is not None}


@requires(Role.OPERATOR)
def cancel_job(jid: str) -> str | Response:
    found = find_job(jid)
    try:
        _check_cancel(found)
    except QlessError as error:
        return refuse(f"cancel of {jid}", error)
    confirmation = Confirmation(
        f"Cancel job {jid}",
        f"Deletes the job {found.klass_name}. If it is running, its worker loses it. "
        "A copy is kept for a while, and can be restored.",
        "Cancel job",
        1,
        commands.command("job", "cancel", jid, "--yes"),
        asks_reason=True,
    )
    if not confirmation.is_given:
        return confirmation.page()

    def act() -> str:
        is_gone = found.cancel(by=access().name, reason=text_field("reason"))
        return f"Job {jid} canceled" if is_gone else f"Job {jid} did not exist any more"

    instead = link("queue", name=found.queue_name) if found.queue_name else return_url()
    if found.failure:
        instead = link("failure", group=found.failure["group"])
    return perform(f"cancel of {jid}", act, gone=link("job", jid=jid), instead=instead)


def _check_cancel(job: Job) -> None:
    """Raise the error with which the store would refuse to cancel a job."""
    if job.state == "complete":
        raise WrongStateError(f"Job {job.jid} is complete already")
    if job.dependents:
        raise DependencyError(f"Job {job.jid} is a dependency of {job.dependents[0]}")


@requires(Role.OPERATOR)
def change_job(jid: str, what: str) -> str | Response:
    if what not in ACTIONS:
        abort(404)
    found = find_job(jid)
    if what == "finish":
        try:
            confirmation = _finish_confirmation(found)
        except QlessError as error:
            return refuse(f"{what} of {jid}", error)
        if not confirmation.is_given:
            return confirmation.page()
    return perform(f"{what} of {jid}", lambda: ACTIONS[what](found))


def _finish_confirmation(job: Job) -> Confirmation:
    """Return what completing a job by hand will do; raises `QlessError` if it cannot be done."""
    if job.state == "complete":
        raise AlreadyFinishedError(f"Job {job.jid} is complete already")
    result = text_field("result")
    parse_field("result", parse_json)
    given = f"the result {result}" if result else "no result"
    effects = [
        f"Completes the job {job.klass_name} ({job.state}) with {given}, without running it."
    ]
    if job.state == "running":
        effects.append("Its worker loses it.")
    if job.dependents:
        effects.append(f"Dependent jobs that it releases: {len(job.dependents):,}.")
    return Confirmation(
        f"Complete job {job.jid}", " ".join(effects), "Complete job", 1,
        commands.command("job", "finish", job.jid, *(["--result", result] if result else []),
                         "--yes"),
    )  # fmt: skip


def _move(job: Job) -> str:
    job.move(text_field("queue"))
    return f"Job {job.jid} moved to {job.queue_name}"


def _priority(job: Job) -> str:
    job.priority = parse_field("priority", parse_number, is_required=True)
    return f"Priority of {job.jid} set to {job.priority:g}"


def _tag(job: Job) -> str:
    tags = parse_names(text_field("tags"))
    job.tag(*tags)
    return f"Job {job.jid} tagged {', '.join(tags)}"


def _untag(job: Job) -> str:
    tag = request.form.get("tag", "")
    job.untag(tag)
    return f"Tag {tag} removed from {job.jid}"


def _retry(job: Job) -> str:
    """Put a job back to work: a failed one, a scheduled one before its time, a complete one."""
    if job.state == "complete":
        if not job.last_queue:
            raise BadArgumentError(f"queue of {job.jid} is not known any more: move it to a queue")
        job.requeue()
        return f"Job {job.jid} put back into {job.last_queue}"
    if job.state == "depends":
        raise WrongStateError(
            f"Job {job.jid} waits for {plural(len(job.dependencies), 'other job')}: "
            "remove its dependencies to run it without them"
        )
    outcome = bulk.apply(client(), bulk.store_action("retry"), [job.jid])
    for error in outcome.errors.values():
        raise error
    return f"Job {job.jid} put back into {job.queue_name}"


def _timeout(job: Job) -> str:
    job.timeout()
    return f"Job {job.jid} timed out; it is next in its queue"


def _track(job: Job) -> str:
    job.track()
    return f"Job {job.jid} is tracked"


def _untrack(job: Job) -> str:
    job.untrack()
    return f"Job {job.jid} is no longer tracked"


def _undepend(job: Job) -> str:
    parent = request.form.get("parent", "")
    job.undepend(parent)
    return f"Job {job.jid} no longer depends on {parent}"


def _undepend_all(job: Job) -> str:
    job.undepend(all=True)
    return f"Job {job.jid} no longer depends on other jobs"


def _finish(job: Job) -> str:
    job.force_finish(parse_field("result", parse_json))
    return f"Job {job.jid} completed"


ACTIONS: Final[Mapping[str, Callable[[Job], str]]] = {
    "move": _move,
    "priority": _priority,
    "tag": _tag,
    "untag": _untag,
    "retry": _retry,
    "timeout": _timeout,
    "track": _track,
    "untrack": _untrack,
    "undepend": _undepend,
    "undepend_all": _undepend_all,
    "finish": _finish,
}
ROUTES: Final = (
    ("GET", "/jobs/<jid>", job),
    ("POST", "/jobs/<jid>/cancel", cancel_job),
    ("POST", "/jobs/<jid>/<what>", change_job),
)
