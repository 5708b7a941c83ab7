"""`qless-py job`: show jobs and change them, one by one or all that filters choose."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from qless_py.cli import acts, bulk
from qless_py.cli import serialize as shapes
from qless_py.cli.acts import Action
from qless_py.cli.base import group, pass_state
from qless_py.cli.errors import NotFoundError
from qless_py.cli.names import JID, QUEUE, TAG
from qless_py.cli.params import JSON, SPAN, Number
from qless_py.cli.select import last_queue
from qless_py.cli.show import history_table, job_page
from qless_py.cli.state import State
from qless_py.client.job import Job
from qless_py.client.recurring import RecurringJob
from qless_py.protocol import job_calls as verbs
from qless_py.protocol import mark_calls as marks


@group(
    "job",
    lazy={name: f"qless_py.cli.depend:{name}" for name in ("depend", "undepend")},
)
def job() -> None:
    """Show jobs, retry, cancel, finish, move, tag and track them.

    Commands that change jobs take jids, or the filters of `qless-py jobs`: then they count the
    jobs and ask before they begin.
    """


def find(state: State, jid: str) -> Job | RecurringJob:
    """Read a job that must be there."""
    one = state.client.jobs[jid]
    if one is None:
        raise NotFoundError(f"there is no job {jid}")
    return one


@job.command("show", examples=("qless-py job show letter-1", "qless-py job show letter-1 --json"))
@click.argument("jid", type=JID)
@pass_state
def show(state: State, jid: str) -> None:
    """Show everything about a job, its history too."""
    told = shapes.job(find(state, jid), history=True)
    state.out.answer(told, lambda: job_page(state.out, told))


@job.command(
    "log",
    examples=(
        "qless-py job log letter-1",
        'qless-py job log letter-1 checked --data \'{"by": "ann"}\'',
    ),
)
@click.argument("jid", type=JID)
@click.argument("what", required=False)
@click.option("--data", type=JSON, help="An object to keep with the entry.")
@pass_state
def log(state: State, jid: str, what: str | None, data: Any) -> None:
    """Show the history of a job, or add an entry of one's own to it."""
    if data is not None and (what is None or not isinstance(data, dict)):
        raise click.UsageError("--data is a JSON object that belongs to an entry: name that too")
    one = find(state, jid)
    if not isinstance(one, Job):
        raise click.UsageError(f"{jid} is a recurring job, which has no history")
    if what is not None:
        one.log(what, data)
        one.refresh()
    told = {"jid": jid, "history": one.history}
    state.out.answer(told, lambda: history_table(state.out, one.history))


@job.command("explain", examples=("qless-py job explain letter-1",))
@click.argument("jid", type=JID)
@pass_state
def explain(state: State, jid: str) -> None:
    """Say why a job is not running now, and what it waits for."""
    found = state.client.explain(jid)
    told = {
        "jid": found.jid,
        "state": found.state,
        "queue": found.queue or None,
        "ready": found.is_ready,
        "reasons": [
            {"kind": type(one).__name__, **asdict(one), "words": words}
            for one, words in zip(found.reasons, found.words, strict=True)
        ],
    }
    state.out.answer(told, lambda: state.out.line(str(found)))


@job.command(
    "retry",
    examples=(
        "qless-py job retry letter-1",
        "qless-py job retry --state failed --klass 'app.*' --yes",
        "qless-py job retry --state failed --in-background --yes",
    ),
)
@bulk.targets
@bulk.in_background
@click.option("--to", type=QUEUE, help="Put them into this queue, else each into its own.")
@pass_state
def retry(state: State, jids: tuple[str, ...], to: str | None, **given: Any) -> int:
    """Put failed jobs again, with all their retries, and scheduled ones at once."""
    return bulk.run(state, retrying(to), jids, *bulk.split(given))


def retrying(to: str | None) -> Action:
    """Make the action that puts failed and scheduled jobs again."""
    if to is None:
        return acts.of_store("retry", "put again")
    return acts.of_store("retry", "put again", "move", ("failed", "scheduled"), queue=to)


@job.command(
    "requeue",
    examples=(
        "qless-py job requeue letter-1",
        "qless-py job requeue --state complete --tag customer-7 --to mail --delay 1h --yes",
    ),
)
@bulk.targets
@click.option("--to", type=QUEUE, help="Into this queue, else each into the one it was in last.")
@click.option("--delay", type=SPAN, help="How long they must wait.")
@pass_state
def requeue(
    state: State, jids: tuple[str, ...], to: str | None, delay: float | None, **given: Any
) -> int:
    """Put jobs again as if they were new, complete ones too; a worker that holds one loses it."""
    action = acts.one_by_one(
        "requeue",
        "put again",
        lambda one: verbs.requeue(one, to or last_queue(one), None, None, {"delay": delay}),
    )
    return bulk.run(state, action, jids, *bulk.split(given))


@job.command(
    "cancel",
    examples=("qless-py job cancel letter-1", "qless-py job cancel --tag customer-7 --yes"),
)
@bulk.targets
@bulk.in_background
@pass_state
def cancel(state: State, jids: tuple[str, ...], **given: Any) -> int:
    """Delete jobs. One that others depend on can only go together with them, or after them."""
    return bulk.run(state, acts.CANCEL, jids, *bulk.split(given))


@job.command(
    "finish",
    examples=(
        "qless-py job finish letter-1",
        "qless-py job finish letter-1 --result '{\"sent\": true}'",
    ),
)
@bulk.targets
@click.option("--result", type=JSON, help="What the jobs give, in JSON.")
@pass_state
def finish(state: State, jids: tuple[str, ...], result: Any, **given: Any) -> int:
    """Complete jobs in whatever state; a worker that holds one no longer can."""
    action = acts.one_by_one("finish", "finished", lambda one: verbs.force_finish(one, result))
    return bulk.run(state, action, jids, *bulk.split(given))


@job.command(
    "move",
    examples=(
        "qless-py job move letter-1 --to slow",
        "qless-py job move --queue mail --klass app.Newsletter --to slow --yes",
    ),
)
@bulk.targets
@bulk.in_background
@click.option("--to", required=True, type=QUEUE, help="Into this queue.")
@pass_state
def move(state: State, jids: tuple[str, ...], to: str, **given: Any) -> int:
    """Put jobs that do not run into another queue, failed ones with all their retries."""
    action = acts.of_store("move", "moved", queue=to)
    return bulk.run(state, action, jids, *bulk.split(given))


@job.command(
    "timeout",
    examples=("qless-py job timeout letter-1", "qless-py job timeout --search worker:lost --yes"),
)
@bulk.targets
@bulk.in_background
@pass_state
def timeout(state: State, jids: tuple[str, ...], **given: Any) -> int:
    """Take running jobs from their workers, which lose them; they go first in their queues."""
    return bulk.run(state, acts.of_store("timeout", "timed out"), jids, *bulk.split(given))


@job.command("priority", examples=("qless-py job priority letter-1 --to 10",))
@bulk.targets
@bulk.in_background
@click.option("--to", required=True, type=Number(), help="Higher goes first.")
@pass_state
def priority(state: State, jids: tuple[str, ...], to: float, **given: Any) -> int:
    """Change the priority of jobs."""
    action = acts.of_store("change", "changed the priority of", "priority", priority=to)
    return bulk.run(state, action, jids, *bulk.split(given))


@job.command("tag", examples=("qless-py job tag letter-1 --add urgent --add customer-7",))
@bulk.targets
@bulk.in_background
@click.option("--add", "added", type=TAG, multiple=True, required=True, help="May be repeated.")
@pass_state
def tag(state: State, jids: tuple[str, ...], added: tuple[str, ...], **given: Any) -> int:
    """Add tags to jobs."""
    action = acts.of_store("tag", "tagged", tags=list(added))
    return bulk.run(state, action, jids, *bulk.split(given))


@job.command("untag", examples=("qless-py job untag letter-1 --remove urgent",))
@bulk.targets
@bulk.in_background
@click.option(
    "--remove", "removed", type=TAG, multiple=True, required=True, help="May be repeated."
)
@pass_state
def untag(state: State, jids: tuple[str, ...], removed: tuple[str, ...], **given: Any) -> int:
    """Remove tags from jobs."""
    action = acts.of_store("untag", "untagged", tags=list(removed))
    return bulk.run(state, action, jids, *bulk.split(given))


@job.command("track", examples=("qless-py job track letter-1",))
@bulk.targets
@pass_state
def track(state: State, jids: tuple[str, ...], **given: Any) -> int:
    """Have the steps of jobs published, for `qless-py listen`, and the jobs listed as tracked."""
    action = acts.one_by_one("track", "tracked", marks.track)
    return bulk.run(state, action, jids, *bulk.split(given))


@job.command("untrack", examples=("qless-py job untrack letter-1",))
@bulk.targets
@pass_state
def untrack(state: State, jids: tuple[str, ...], **given: Any) -> int:
    """Stop tracking jobs."""
    return bulk.run(state, acts.UNTRACK, jids, *bulk.split(given))
