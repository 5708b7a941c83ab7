"""One job: all that is known of it, why it does not run, and everything that can be done to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from flask import abort, redirect, render_template, request
from werkzeug.wrappers import Response as Answer

from qless_py.client.job import Job
from qless_py.dashboard import actions, commands
from qless_py.dashboard.actions import Effect, back_to, command, perform, requires
from qless_py.dashboard.auth.access import Role
from qless_py.dashboard.context import client, dashboard
from qless_py.dashboard.template_helpers import Words
from qless_py.errors import BadArgumentError, JobNotFoundError, UndecodableDataError
from qless_py.protocol import reads

_SHOWN: Final = 50

Act = Callable[[Job], str]


def load(jid: str) -> Job:
    """Read a job; raises `JobNotFoundError`."""
    found = client().jobs[jid]
    if not isinstance(found, Job):
        raise JobNotFoundError(f"Job {jid} does not exist")
    return found


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _move(job: Job) -> str:
    queue = request.form.get("queue", "").strip()
    job.move(queue)
    return f"{job.jid} is in {queue}"


def _priority(job: Job) -> str:
    text = request.form.get("priority", "").strip()
    try:
        value = float(text)
    except ValueError:
        raise BadArgumentError(f"a priority is a number, not {text!r}") from None
    job.priority = value
    return f"{job.jid} has the priority {value:g}"


def _tag(job: Job) -> str:
    given = _words(request.form.get("tags", ""))
    job.tag(*given)
    return f"{job.jid} is tagged {', '.join(given)}"


def _untag(job: Job) -> str:
    given = request.form.get("tag", "")
    job.untag(given)
    return f"{job.jid} has no longer the tag {given}"


def _retry(job: Job) -> str:
    job.requeue(job.queue_name or request.form.get("queue", "").strip())
    return f"{job.jid} waits in {job.queue_name}"


def _timeout(job: Job) -> str:
    job.timeout()
    return f"{job.jid} was taken from its worker and goes first in its queue"


def _track(job: Job) -> str:
    job.track()
    return f"{job.jid} is tracked"


def _untrack(job: Job) -> str:
    job.untrack()
    return f"{job.jid} is not tracked any more"


def _undepend(job: Job) -> str:
    parent = request.form.get("parent", "")
    job.undepend(parent)
    return f"{job.jid} does not wait for {parent} any more"


def _undepend_all(job: Job) -> str:
    job.undepend(all=True)
    return f"{job.jid} waits for no other job any more"


def _finish(job: Job) -> str:
    text = request.form.get("result", "").strip()
    try:
        result: Any = json.loads(text) if text else None
    except ValueError as error:
        raise BadArgumentError(f"the result is not JSON: {error}") from None
    job.force_finish(result)
    return f"{job.jid} is complete"


_ACTS: Final[Mapping[str, Act]] = {
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


def job(jid: str) -> str | Answer:
    found = client().jobs[jid]
    if found is None:
        raise JobNotFoundError(f"Job {jid} does not exist, or not any more")
    if not isinstance(found, Job):
        return redirect(Words(dashboard()).link("recurring_job", jid=jid))
    return render_template(
        "qless_py/job.html",
        job=found,
        why=client().explain(jid),
        queues=[row["name"] for row in dashboard().snapshots.get().queues],
        commands=commands.of_job(found),
        batch=_batch(found),
        results=_results(found),
        done_parents=_done_parents(found),
    )


def _batch(job: Job) -> Mapping[str, Any] | None:
    return None if job.batch_name is None else client().run(reads.batch(job.batch_name))


def _done_parents(job: Job) -> list[str]:
    return [jid for jid in job.parents if jid not in set(job.dependencies)][:_SHOWN]


def _results(job: Job) -> dict[str, Any]:
    """Read what the jobs gave that this one has waited for, if they are not too many to show."""
    if not 0 < len(job.parents) <= _SHOWN:
        return {}
    try:
        found = job.parent_results()
    except UndecodableDataError as error:
        return {"": f"cannot be read: {error}"}
    return {jid: value for jid, value in found.items() if value is not None}


@requires(Role.OPERATOR)
def cancel_job(jid: str) -> str | Answer:
    found = load(jid)
    effect = Effect(
        f"Cancel {jid}",
        f"The job {found.klass_name} is deleted with its data. A worker that runs it loses it.",
        "Cancel the job",
        1,
        command("job", "cancel", jid, "--yes"),
    )
    if not actions.is_confirmed(effect):
        return actions.ask(effect)

    def act() -> str:
        return f"{jid} is canceled" if found.cancel() else f"{jid} was gone already"

    words = Words(dashboard())
    leads = words.link("queue", name=found.queue_name) if found.queue_name else back_to()
    if found.failure:
        leads = words.link("failure", group=found.failure["group"])
    return perform(f"cancel of {jid}", act, ends=words.link("job", jid=jid), leads=leads)


@requires(Role.OPERATOR)
def change_job(jid: str, what: str) -> Answer:
    if what not in _ACTS:
        abort(404)
    found = load(jid)
    return perform(f"{what} of {jid}", lambda: _ACTS[what](found))


ROUTES: Final = (
    ("GET", "/jobs/<jid>", job),
    ("POST", "/jobs/<jid>/cancel", cancel_job),
    ("POST", "/jobs/<jid>/<what>", change_job),
)
