"""The page of a batch: progress, callbacks, what it waits for, and what failed."""

from __future__ import annotations

from typing import Final

from flask import redirect, render_template
from werkzeug.wrappers import Response

from qless_py import protocol
from qless_py.auth.identity import Role
from qless_py.client.batch_changes import WORKFLOW, callbacks_of
from qless_py.client.drive import drive
from qless_py.client.humanize import plural
from qless_py.client.search import quote
from qless_py.dashboard import commands
from qless_py.dashboard.actions import Confirmation, perform, requires
from qless_py.dashboard.audit import counted
from qless_py.dashboard.context import client, find_jobs, link
from qless_py.errors import BatchNotFoundError
from qless_py.protocol.batches import BatchStatus

_SHOWN: Final = 10
_DATA_SHOWN: Final = 500  # Bytes of data of a job.
# Of a page: failed jobs and batches that are examined.
_EXAMINED: Final = 400
_EXAMINED_BATCHES: Final = 500
# Jobs that one request deletes or retries.
_AT_ONCE: Final = 5_000


def batch(name: str) -> str | Response:
    if name.startswith(WORKFLOW):
        return redirect(link("workflow", name=name.removeprefix(WORKFLOW)))
    status = _find(name)
    jids, _ = client().run(protocol.batches.pending(name, "jobs"))
    search = f"batch:{quote(name)}"
    failed = None
    if status["failed"]:
        failed = client().jobs.search(
            f"{search} state:failed", limit=_SHOWN, budget=_EXAMINED, data_limit=_DATA_SHOWN
        )
    return render_template(
        "qless_py/batch.html",
        batch=status,
        callbacks=drive(client(), callbacks_of(status)),
        pending=find_jobs(sorted(jids)[:_SHOWN]),
        inner=client().batches.page(count=_SHOWN, within=name, budget=_EXAMINED_BATCHES),
        failed=failed,
        search=search,
        prefix=WORKFLOW,
        commands=commands.of_page("batch", name),
    )


def _find(name: str) -> BatchStatus:
    status = client().batches[name].status
    if status is None:
        raise BatchNotFoundError(f"Batch {name} does not exist or has expired")
    return status


@requires(Role.OPERATOR)
def cancel_batch(name: str) -> str | Response:
    status = _find(name)
    confirmation = Confirmation(
        f"Cancel batch {name}",
        "Closes the batch and deletes its unfinished jobs, with those of the batches within it. "
        "Workers lose the running ones. Jobs that have failed stay. Callbacks that run when all "
        "jobs have ended are put.",
        "Cancel batch",
        status["pending"],
        commands.command("batches", "cancel", name, "--yes"),
    )
    if not confirmation.is_given:
        return confirmation.page()

    def act() -> str:
        number = client().batches[name].cancel(_AT_ONCE)
        counted(number)
        rest = "; there are more: cancel it again" if number >= _AT_ONCE else ""
        return f"Canceled {plural(number, 'job')} of batch {name}{rest}"

    return perform(f"cancel of batch {name}", act)


@requires(Role.OPERATOR)
def retry_batch(name: str) -> Response:
    def act() -> str:
        number = len(client().batches[name].retry(_AT_ONCE))
        counted(number)
        rest = "; there are more: retry it again" if number >= _AT_ONCE else ""
        return f"Retried {plural(number, 'job')} of batch {name}{rest}"

    return perform(f"retry of batch {name}", act)


ROUTES: Final = (
    ("GET", "/batches/<name>", batch),
    ("POST", "/batches/<name>/cancel", cancel_batch),
    ("POST", "/batches/<name>/retry", retry_batch),
)
