"""`qless-py job`: show jobs and change them, one by one or all that filters match."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from qless_py.cli import bulk
from qless_py.cli.base import group, pass_cli
from qless_py.cli.bulk import Change
from qless_py.cli.context import CliContext
from qless_py.cli.errors import NotFoundError
from qless_py.cli.params import JID, JSON, QUEUE, SPAN, TAG, Number
from qless_py.cli.views import attempts_table, history_table, job_page
from qless_py.client import attempts, serialize
from qless_py.client.bulk import UNTRACK, per_job_action, store_action
from qless_py.client.job import Job
from qless_py.client.recurring import RecurringJob
from qless_py.protocol import Call, jobs, puts
from qless_py.protocol.arguments import PARENT_POLICIES
from qless_py.protocol.options import ParentPolicy


@group("job")
def job() -> None:
    """Show jobs, retry, cancel, finish, move, tag and track them.

    Commands that change jobs take jids, or the filters of `qless-py jobs`: then they count the
    jobs and ask before they change any.
    """


def find(cli: CliContext, jid: str) -> Job | RecurringJob:
    """Read a job; `NotFoundError` if it does not exist."""
    one = cli.client.jobs[jid]
    if one is None:
        raise NotFoundError(f"job {jid} does not exist")
    return one


def _find_job(cli: CliContext, jid: str, why_not: str) -> Job:
    one = find(cli, jid)
    if not isinstance(one, Job):
        raise NotFoundError(f"{jid} is a recurring job, {why_not}")
    return one


@job.command("show", examples=("qless-py job show letter-1", "qless-py job show letter-1 --json"))
@click.argument("jid", type=JID)
@pass_cli
def show(cli: CliContext, jid: str) -> None:
    """Show a job and its history."""
    shape = serialize.job(find(cli, jid), history=True)
    cli.out.answer(shape, lambda: job_page(cli.out, shape))


@job.command(
    "log",
    examples=(
        "qless-py job log letter-1",
        'qless-py job log letter-1 checked --data \'{"by": "ann"}\'',
    ),
)
@click.argument("jid", type=JID)
@click.argument("what", required=False)
@click.option("--data", type=JSON, help="A JSON object to store with the entry.")
@pass_cli
def log(cli: CliContext, jid: str, what: str | None, data: Any) -> None:
    """Show the history of a job, or add an entry to it."""
    if data is not None and (what is None or not isinstance(data, dict)):
        raise click.UsageError("--data must be a JSON object, and WHAT names the entry")
    one = find(cli, jid)
    if not isinstance(one, Job):
        raise click.UsageError(f"{jid} is a recurring job, which has no history")
    if what is not None:
        one.log(what, data)
        one.refresh()
    answer = {"jid": jid, "history": one.history}
    cli.out.answer(answer, lambda: history_table(cli.out, one.history))


@job.command("attempts", examples=("qless-py job attempts letter-1",))
@click.argument("jid", type=JID)
@pass_cli
def show_attempts(cli: CliContext, jid: str) -> None:
    """Show when and where a job ran, and how each of its attempts ended."""
    one = _find_job(cli, jid, "which does not run itself")
    found = serialize.attempts(attempts.read(one, one.settings.clock()))
    answer = {"jid": jid, "attempts": found}
    cli.out.answer(answer, lambda: attempts_table(cli.out, found))


@job.command("explain", examples=("qless-py job explain letter-1",))
@click.argument("jid", type=JID)
@pass_cli
def explain(cli: CliContext, jid: str) -> None:
    """Explain why a job is not running, and what it waits for."""
    found = cli.client.explain(jid)
    answer = serialize.explanation(found)
    cli.out.answer(answer, lambda: cli.out.line(str(found)))


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
@click.option("--to", type=QUEUE, help="Put all of them into this queue.  [default: its own]")
@pass_cli
def retry(cli: CliContext, jids: tuple[str, ...], to: str | None, **given: Any) -> int:
    """Retry failed jobs, with all their retries, and run scheduled ones now."""
    return bulk.run(cli, bulk.retrying(to), jids, given)


@job.command(
    "requeue",
    examples=(
        "qless-py job requeue letter-1",
        "qless-py job requeue --state complete --tag customer-7 --to mail --delay 1h --yes",
    ),
)
@bulk.targets
@click.option("--to", type=QUEUE, help="Put all of them into this queue.  [default: its last]")
@click.option("--delay", type=SPAN, help="Run them after this time.")
@pass_cli
def requeue(
    cli: CliContext, jids: tuple[str, ...], to: str | None, delay: float | None, **given: Any
) -> int:
    """Put jobs again as if they were new, complete ones too. A worker that runs one loses it."""

    def call(one: Job) -> Call[str]:
        return puts.requeue(one, to or one.last_queue, None, None, {"delay": delay})

    return bulk.run(cli, Change("requeue", "Requeued", per_job_action(call)), jids, given)


@job.command(
    "cancel",
    examples=("qless-py job cancel letter-1", "qless-py job cancel --tag customer-7 --yes"),
)
@bulk.targets
@click.option("--reason", default="", help="Why; kept with the copies of the jobs.")
@bulk.in_background
@pass_cli
def cancel(cli: CliContext, jids: tuple[str, ...], reason: str, **given: Any) -> int:
    """Delete jobs. A job that others depend on can only go with them or after them.

    Copies are kept for a while: `qless-py canceled` lists and restores them.
    """
    return bulk.run(cli, bulk.canceling(reason), jids, given)


@job.command(
    "finish",
    examples=(
        "qless-py job finish letter-1",
        "qless-py job finish letter-1 --result '{\"sent\": true}'",
    ),
)
@bulk.targets
@click.option("--result", type=JSON, help="The result of the jobs, in JSON.")
@pass_cli
def finish(cli: CliContext, jids: tuple[str, ...], result: Any, **given: Any) -> int:
    """Complete jobs in whatever state. A worker that runs one can no longer complete it."""
    action = per_job_action(lambda one: jobs.force_finish(one, result))
    return bulk.run(cli, Change("finish", "Finished", action), jids, given)


@job.command(
    "move",
    examples=(
        "qless-py job move letter-1 --to slow",
        "qless-py job move --queue mail --klass app.Newsletter --to slow --yes",
    ),
)
@bulk.targets
@bulk.in_background
@click.option("--to", required=True, type=QUEUE, help="The queue to move them to.")
@pass_cli
def move(cli: CliContext, jids: tuple[str, ...], to: str, **given: Any) -> int:
    """Move jobs that are not running to another queue, failed ones with all their retries."""
    return _run_stored(cli, "move", "Moved", jids, given, queue=to)


@job.command(
    "timeout",
    examples=("qless-py job timeout letter-1", "qless-py job timeout --search worker:lost --yes"),
)
@bulk.targets
@bulk.in_background
@pass_cli
def timeout(cli: CliContext, jids: tuple[str, ...], **given: Any) -> int:
    """End the leases of running jobs. The jobs wait at the front of their queues."""
    return _run_stored(cli, "timeout", "Timed out", jids, given)


@job.command("priority", examples=("qless-py job priority letter-1 --to 10",))
@bulk.targets
@bulk.in_background
@click.option("--to", required=True, type=Number(), help="Jobs with a higher priority go first.")
@pass_cli
def priority(cli: CliContext, jids: tuple[str, ...], to: float, **given: Any) -> int:
    """Change the priority of jobs."""
    action = store_action("priority", priority=to)
    return bulk.run(cli, Change("change", "Changed the priority of", action), jids, given)


@job.command("tag", examples=("qless-py job tag letter-1 --add urgent --add customer-7",))
@bulk.targets
@bulk.in_background
@click.option("--add", "added", type=TAG, multiple=True, required=True, help="May be repeated.")
@pass_cli
def tag(cli: CliContext, jids: tuple[str, ...], added: tuple[str, ...], **given: Any) -> int:
    """Add tags to jobs."""
    return _run_stored(cli, "tag", "Tagged", jids, given, tags=list(added))


@job.command("untag", examples=("qless-py job untag letter-1 --remove urgent",))
@bulk.targets
@bulk.in_background
@click.option(
    "--remove", "removed", type=TAG, multiple=True, required=True, help="May be repeated."
)
@pass_cli
def untag(cli: CliContext, jids: tuple[str, ...], removed: tuple[str, ...], **given: Any) -> int:
    """Remove tags from jobs."""
    return _run_stored(cli, "untag", "Untagged", jids, given, tags=list(removed))


def _run_stored(
    cli: CliContext,
    name: str,
    done: str,
    jids: Sequence[str],
    given: Mapping[str, Any],
    **params: Any,
) -> int:
    return bulk.run(cli, Change(name, done, store_action(name, **params)), jids, given)


@job.command(
    "edit",
    examples=(
        'qless-py job edit letter-1 --data \'{"to": "ann@example.org"}\'',
        "qless-py job edit letter-1 --priority 10 --tag urgent --tag customer-7",
    ),
)
@click.argument("jid", type=JID)
@click.option("--data", type=JSON, help="Replace the data. The job may not run nor be complete.")
@click.option("--priority", type=Number(), help="Jobs with a higher priority go first.")
@click.option("--tag", "tags", type=TAG, multiple=True, help="Replace all tags. May be repeated.")
@pass_cli
def edit(
    cli: CliContext, jid: str, data: Any, priority: float | None, tags: tuple[str, ...]
) -> None:
    """Change the data, the priority and the tags of a job in one step."""
    if data is None and priority is None and not tags:
        raise click.UsageError("give --data, --priority or --tag")
    one = _find_job(cli, jid, "which recur edit changes")
    one.edit(data, priority=priority, tags=tags or None)
    answer = serialize.job(one.refresh())
    cli.out.answer(answer, lambda: cli.out.line(f"Changed {jid}"))


@job.command("track", examples=("qless-py job track letter-1",))
@bulk.targets
@pass_cli
def track(cli: CliContext, jids: tuple[str, ...], **given: Any) -> int:
    """Publish every step of jobs, for `qless-py listen`, and list them as tracked."""
    change = Change("track", "Tracked", per_job_action(lambda one: jobs.track(one.jid)))
    return bulk.run(cli, change, jids, given)


@job.command("untrack", examples=("qless-py job untrack letter-1",))
@bulk.targets
@pass_cli
def untrack(cli: CliContext, jids: tuple[str, ...], **given: Any) -> int:
    """Stop tracking jobs."""
    return bulk.run(cli, Change("untrack", "Untracked", UNTRACK), jids, given)


@job.command(
    "depend",
    examples=(
        "qless-py job depend letter-2 --on letter-1",
        "qless-py job depend letter-2 --on letter-1 --on-parent-failed cancel",
    ),
)
@click.argument("jid", type=JID)
@click.option(
    "--on", "parents", type=JID, multiple=True, required=True, help="A parent. May be repeated."
)
@click.option(
    "--on-parent-failed",
    type=click.Choice(PARENT_POLICIES),
    help="What happens to the job if one of them fails.",
)
@pass_cli
def depend(
    cli: CliContext, jid: str, parents: tuple[str, ...], on_parent_failed: ParentPolicy | None
) -> None:
    """Make a job that still depends on others depend on more jobs."""
    one = _find_job(cli, jid, "which depends on no jobs")
    one.depend(*parents, on_parent_failed=on_parent_failed)
    _answer_dependencies(cli, one)


@job.command(
    "undepend",
    examples=(
        "qless-py job undepend letter-2 --on letter-1",
        "qless-py job undepend letter-2 --all",
    ),
)
@click.argument("jid", type=JID)
@click.option("--on", "parents", type=JID, multiple=True, help="A parent. May be repeated.")
@click.option("--all", "every", is_flag=True, help="All of its parents.")
@pass_cli
def undepend(cli: CliContext, jid: str, parents: tuple[str, ...], *, every: bool) -> None:
    """Remove dependencies of a job; without any left it can run."""
    if bool(parents) == every:
        raise click.UsageError("give parents with --on, or --all")
    one = _find_job(cli, jid, "which depends on no jobs")
    one.undepend(*parents, all=every)
    _answer_dependencies(cli, one)


def _answer_dependencies(cli: CliContext, one: Job) -> None:
    one.refresh()
    answer = {"jid": one.jid, "state": one.state, "depends": one.dependencies}
    status = f"depends on {', '.join(one.dependencies)}" if one.dependencies else f"is {one.state}"
    cli.out.answer(answer, lambda: cli.out.line(f"{one.jid} {status}"))
