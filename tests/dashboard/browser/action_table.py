"""Every action of the dashboard: its page, what the user does, and its effect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from playwright.sync_api import Locator, Page

from qless_py import Client, Job, Workflow, chain, step
from qless_py.client.recurring import RecurringJob
from qless_py.handlers.resolve import OPERATIONS_QUEUE

GROUP: Final = "app.Send:Timeout"
WORKER: Final = "host-1-0"
MORE: Final = "More actions"
SET_THROTTLE: Final = "form:has(#field-concurrency)"


@dataclass(frozen=True, slots=True)
class Action:
    """One action, named by the rule of its route and, where a route does several, by which.

    `given` makes what is needed and may give what stands for {} in the path. `does` finds the form
    and sends it; `asks` is the button of the confirmation that comes, `says` the note afterwards.
    `holds` is false before and true afterwards. `first` names the action that leads to the form.
    """

    name: str
    path: str
    given: Callable[[Client], str | None]
    does: Callable[[Page], None]
    says: str
    holds: Callable[[Client], bool]
    asks: str | None = None
    first: str | None = None

    def __str__(self) -> str:
        return self.name


def job(client: Client, jid: str = "j") -> Job:
    """Return the job that actions change."""
    found = client.jobs[jid]
    assert isinstance(found, Job)
    return found


def schedule(client: Client) -> RecurringJob:
    """Return the schedule that actions change."""
    found = client.jobs["digest"]
    assert isinstance(found, RecurringJob)
    return found


def put(*jids: str, **options: Any) -> Callable[[Client], None]:
    """Put jobs into the queue mail."""

    def given(client: Client) -> None:
        for jid in jids or ("j",):
            client.queues["mail"].put("app.Send", {"n": 1}, jid=jid, **options)

    return given


def then(*steps: Callable[[Client], object]) -> Callable[[Client], None]:
    """Run several steps in order."""

    def given(client: Client) -> None:
        for one in steps:
            one(client)

    return given


def pop(client: Client) -> list[Job]:
    """Pop all jobs for a fake worker."""
    return client.queues["mail"].pop(100, worker=WORKER)


def fail(client: Client) -> None:
    """Fail all jobs."""
    for one in pop(client):
        one.fail(GROUP, "no answer")


def recur(client: Client) -> None:
    """Create a schedule."""
    client.queues["mail"].recur("app.Digest", {"to": "ann"}, interval=3600, offset=60, jid="digest")


# Whether pages are used with the keyboard alone.
by_keys: ContextVar[bool] = ContextVar("by_keys", default=False)


def activate(control: Locator) -> None:
    """Press a button or open a menu, with the mouse or the keyboard."""
    if by_keys.get():
        control.focus()
        control.press("Enter")
    else:
        control.click()


def tick(box: Locator) -> None:
    """Tick a box, with the mouse or the keyboard."""
    if by_keys.get():
        box.focus()
        box.press("Space")
    else:
        box.check()


def press(
    button: str, fields: Mapping[str, str] = {}, part: str = "main", opens: str = ""
) -> Callable[[Page], None]:
    """Open a menu or form of the page if needed, fill fields by label, and press a button."""

    def does(page: Page) -> None:
        if opens:  # The header has a menu "More", too.
            activate(page.locator("main summary", has_text=opens).first)
        main = page.locator(part)
        for label, value in fields.items():
            main.get_by_label(label, exact=True).fill(value)
        activate(main.get_by_role("button", name=button, exact=True))

    return does


def _job(
    what: str, does: Callable[[Page], None], says: str, holds: Callable[[Client], bool],
    given: Callable[[Client], None] | None = None,
) -> Action:  # fmt: skip
    return Action(f"/jobs/<jid>/<what> {what}", "/jobs/j", given or put(), does, says, holds)


def press_in_bar(page: Page, action: str, value: str) -> None:
    """Carry out an action of the bar below a list."""
    bar = page.get_by_role("group", name="Actions on selected jobs")
    button = bar.locator(f"button[value={action}]")
    if value:
        popup = bar.locator("details", has=page.locator(f"button[value={action}]"))
        activate(popup.locator("summary"))
        popup.locator("input").fill(value)
    activate(button)


def _choose(box: str, action: str, value: str) -> Callable[[Page], None]:
    def does(page: Page) -> None:
        tick(page.get_by_label(box, exact=True))
        press_in_bar(page, action, value)

    return does


def carried_out(holds: Callable[[Client], bool]) -> Callable[[Client], bool]:
    """Wait until a worker has carried out the operations."""

    def after(client: Client) -> bool:
        for one in client.operations.recent():
            job(client, one.jid).wait(120)
        return holds(client)

    return after


ALL: Final = " of all matches"


def _many() -> list[Action]:
    """Return the bulk actions on selected jobs and on all matches of a search."""
    table: tuple[tuple[str, str, str, Callable[[Client], None], Callable[[Client], bool]], ...] = (
        ("retry", "", "failed", then(put(), fail), lambda c: job(c).state == "waiting"),
        ("cancel", "", "waiting", put(), lambda c: c.jobs["j"] is None),
        ("move", "other", "waiting", put(), lambda c: job(c).queue_name == "other"),
        ("timeout", "", "running", then(put(), pop), lambda c: job(c).state == "stalled"),
        ("priority", "7", "waiting", put(), lambda c: job(c).priority == 7),
        ("tag", "eu, new", "waiting", put(), lambda c: job(c).tags == ["eu", "new"]),
        ("untag", "old", "waiting", put(tags=["old"]), lambda c: job(c).tags == []),
    )
    made = []
    for action, value, state, given, holds in table:
        path = "/queues/mail?tab=" + state
        if state == "failed":
            path = f"/failures/group?group={GROUP}"
        done = {"retry": "Retried", "cancel": "Canceled", "move": "Moved", "timeout": "Timed out",
                "priority": "Changed the priority of", "tag": "Tagged",
                "untag": "Untagged"}[action]  # fmt: skip
        asks = f"{action.capitalize()} 1 job"
        made += [
            Action(
                f"/jobs/chosen {action}", path, given, _choose("Select j", action, value),
                f"{done} 1 of 1 job", holds,
                asks if action in {"cancel", "timeout"} else None,
            ),
            Action(
                f"/jobs/chosen {action}{ALL}", f"/jobs?q=jid:j state:{state}", given,
                _choose("All matches", action, value), " started", carried_out(holds), asks,
            ),
        ]  # fmt: skip
    return [
        *made,
        Action(
            "/operations retry", f"/failures/group?group={GROUP}", then(put(), fail),
            press("Retry all in their queues…"), " started",
            carried_out(lambda c: job(c).state == "waiting"), "Retry 1 job",
        ),
        Action(
            "/operations cancel", "/queues/mail?tab=settings", put(), press("Cancel all jobs…"),
            " started", carried_out(lambda c: c.jobs["j"] is None), "Cancel 1 job",
        ),
    ]  # fmt: skip


def _flow(client: Client) -> None:
    """Submit a workflow of two steps, of which the first fails."""
    steps = (step("mail", "app.Send", name=name) for name in ("first", "second"))
    client.workflows.submit(Workflow("flow", chain(*steps)))
    fail(client)


def _batch(client: Client) -> None:
    """Make a batch in which one job failed and one waits."""
    with client.batch("night") as batch:
        batch.put("mail", "app.Send", jid="j", retries=0)
        batch.put("later", "app.Send", jid="k")
    fail(client)


def _state(client: Client, name: str) -> str:
    status = client.workflows[name].status
    return "" if status is None else status["state"]


def _operation(client: Client) -> str:
    client.queues[OPERATIONS_QUEUE].pause()
    return client.operations.start("tag", "state:failed", tags=["seen"])


def _carry_out(client: Client) -> str:
    """Tag a job by an operation, and wait for its end."""
    put()(client)
    jid = client.operations.start("tag", "queue:mail", tags=["seen"])
    job(client, jid).wait(120)
    return jid


def _change_and_undo(page: Page) -> None:
    """Move a selected job, and take that back with the button of the message."""
    tick(page.get_by_label("Select j", exact=True))
    press_in_bar(page, "move", "other")
    activate(page.get_by_role("button", name="Undo", exact=True))


def _cancel(client: Client) -> None:
    put()(client)
    job(client).cancel()


def _delete_canceled(page: Page) -> None:
    tick(page.get_by_label("Select j", exact=True))
    press("Delete selected…")(page)


def _in_row(label: str) -> str:
    return f'tr:has([aria-label="{label}"])'


def _hold(client: Client) -> None:
    client.throttles["api"].set(concurrency=1)
    put("j", "k", throttles=["api"])(client)
    client.queues["mail"].pop(2, worker=WORKER)


def _weigh(client: Client) -> None:
    client.users["ann"].set(weight=2)


def _track_and_lose(client: Client) -> None:
    put()(client)
    job(client).track()
    job(client).cancel()


TABLE: Final = (
    Action(
        "/put", "/put", lambda _: None,
        press("Put job", {"Queue": "mail", "Class": "app.Send", "Jid": "new"}),
        "Job new put into mail", lambda c: c.jobs["new"] is not None,
    ),
    Action(
        "/config set", "/config", lambda _: None,
        press("Save heartbeat", {"Value of heartbeat": "30"}, _in_row("Value of heartbeat")),
        "Option heartbeat set to 30", lambda c: c.config["heartbeat"] == 30,
    ),
    Action(
        "/config unset", "/config", lambda c: c.config.set("heartbeat", 30),
        press("Reset heartbeat", part=_in_row("Value of heartbeat")),
        "Option heartbeat reset to its default", lambda c: c.config["heartbeat"] == 60,
    ),
    Action(
        "/failures/retry", f"/failures/group?group={GROUP}", then(put("j", "k"), fail),
        press("Retry 2 jobs…"), "Retried 2 jobs of",
        lambda c: c.queues["mail"].counts["waiting"] == 2,
        "Retry 2 jobs",
    ),
    Action(
        "/workflows/<name>/retry", "/workflows/flow", _flow, press("Retry failed steps"),
        "Retried 2 steps of workflow flow", lambda c: _state(c, "flow") == "running",
    ),
    Action(
        "/workflows/<name>/cancel", "/workflows/flow", _flow, press("Cancel…"),
        "Canceled 2 jobs of workflow flow", lambda c: _state(c, "flow") == "canceled",
        "Cancel workflow",
    ),
    Action(
        "/batches/<name>/retry", "/batches/night", _batch, press("Retry failed jobs"),
        "Retried 1 job of batch night", lambda c: job(c).state == "waiting",
    ),
    Action(
        "/batches/<name>/cancel", "/batches/night", _batch, press("Cancel…"),
        "Canceled 1 job of batch night", lambda c: c.jobs["k"] is None, "Cancel batch",
    ),
    Action(
        "/jobs/<jid>/cancel", "/jobs/j", put(), press("Cancel…"),
        "Job j canceled", lambda c: c.jobs["j"] is None, "Cancel job",
    ),
    Action(
        "/jobs/<jid>/edit", "/jobs/j/edit", put(),
        press("Save", {"Data (JSON)": '{"n": 2}', "Priority": "3", "Tags": "a b"}), "Job j changed",
        lambda c: (job(c).data, job(c).priority, job(c).tags) == ({"n": 2}, 3, ["a", "b"]),
    ),
    Action(
        "/jobs/<jid>/untrack-gone", "/tracked", _track_and_lose, press("Untrack"),
        "Job j is no longer tracked", lambda c: c.jobs.tracked()["expired"] == [],
    ),
    _job("move", press("Move", {"Move to": "other"}, opens=MORE), "Job j moved to other",
         lambda c: job(c).queue_name == "other"),
    _job("priority", press("Set", {"Priority": "7.5"}, opens=MORE), "7.5",
         lambda c: job(c).priority == 7.5),
    _job("tag", press("Tag", {"Add tags": "eu, new"}, opens=MORE), "eu, new",
         lambda c: job(c).tags == ["eu", "new"]),
    _job("untag", press("Remove tag old"), "Tag old removed from j",
         lambda c: job(c).tags == [], put(tags=["old"])),
    _job("retry", press("Retry"), "Job j put back into mail",
         lambda c: job(c).state == "waiting", then(put(), fail)),
    _job("timeout", press("Time out"), "Job j timed out; it is next in its queue",
         lambda c: job(c).state == "stalled", then(put(), pop)),
    _job("track", press("Track", opens=MORE), "Job j is tracked", lambda c: job(c).is_tracked),
    _job("untrack", press("Untrack", opens=MORE), "Job j is no longer tracked",
         lambda c: not job(c).is_tracked, then(put(), lambda c: job(c).track())),
    _job("undepend", press("Remove dependency on parent"),
         "Job j no longer depends on parent",
         lambda c: job(c).state == "waiting", then(put("parent"), put(depends=["parent"]))),
    _job("undepend_all", press("Remove all dependencies"), "Job j no longer depends on other jobs",
         lambda c: job(c).state == "waiting", then(put("p", "q"), put(depends=["p", "q"]))),
    Action(
        "/jobs/<jid>/<what> finish", "/jobs/j", put(),
        press("Complete…", {"Complete with result": '{"by": "hand"}'}, opens=MORE),
        "Job j completed",
        lambda c: job(c).result == {"by": "hand"}, "Complete job",
    ),
    *_many(),
    Action(
        "/operations/<jid>/abort", "/operations/{}", _operation, press("Abort"),
        "aborted after 0 jobs", lambda c: all(one.is_aborted for one in c.operations.recent()),
    ),
    Action(
        "/operations/<jid>/undo", "/operations/{}", _carry_out, press("Undo"), " undoes ",
        carried_out(lambda c: job(c).tags == []),
    ),
    Action(
        "/undo/<name>", "/queues/mail?tab=waiting", put(), _change_and_undo,
        "Undone for 1 of 1 job",
        lambda c: job(c).queue_name == "mail" and len(job(c).history) > 1,
        first="/jobs/chosen move",
    ),
    Action(
        "/canceled/restore", "/canceled", _cancel, press("Restore j"), "Restored 1 of 1 job",
        lambda c: c.jobs["j"] is not None,
    ),
    Action(
        "/canceled/delete", "/canceled", _cancel, _delete_canceled, "Deleted 1 canceled job",
        lambda c: c.canceled.get("j") is None, "Delete 1 job",
    ),
    Action(
        "/queues/<name>/pause", "/queues/mail", put(),
        press("Pause mail", {"Reason": "deploy", "Minutes": "5"}, opens="Pause…"),
        "Queue mail paused", lambda c: c.queues["mail"].is_paused,
    ),
    Action(
        "/queues/<name>/unpause", "/queues", then(put(), lambda c: c.queues["mail"].pause()),
        press("Resume"), "Queue mail resumed", lambda c: not c.queues["mail"].is_paused,
    ),
    Action(
        "/queues/<name>/heartbeat", "/queues/mail?tab=settings", put(),
        press("Save", {"Lease duration in seconds": "90"}), "Lease duration of mail set to 90 s",
        lambda c: c.queues["mail"].heartbeat == 90,
    ),
    Action(
        "/queues/<name>/forget", "/queues/mail?tab=settings",
        then(put(), lambda c: job(c).cancel()), press("Forget queue…"),
        "Queue mail forgotten", lambda c: "mail" not in c.queues, "Forget queue",
    ),
    Action(
        "/recur", "/recur", lambda _: None,
        press("Create schedule", {"Queue": "mail", "Class": "app.Digest", "Jid": "digest",
                                    "Interval in seconds": "60"}),
        "Schedule digest created in mail", lambda c: c.jobs["digest"] is not None,
    ),
    Action(
        "/recurring/<jid>/edit", "/recurring/digest", recur,
        press("Save schedule", {"Interval in seconds": "90", "Tags": "eu"}, opens="Edit…"),
        "Schedule digest saved: interval, tags changed",
        lambda c: (schedule(c).interval, schedule(c).tags) == (90, ["eu"]),
    ),
    Action(
        "/recurring/<jid>/cancel", "/recurring/digest", recur, press("Remove…", opens="More"),
        "Schedule digest removed", lambda c: c.jobs["digest"] is None, "Remove schedule",
    ),
    Action(
        "/recurring/<jid>/<what> run", "/recurring/digest", recur, press("Run now"),
        " put; the schedule is unchanged", lambda c: c.queues["mail"].counts["waiting"] == 1,
    ),
    Action(
        "/recurring/<jid>/<what> pause", "/recurring", recur, press("Pause"),
        "Schedule digest paused", lambda c: schedule(c).is_paused,
    ),
    Action(
        "/recurring/<jid>/<what> resume", "/recurring",
        then(recur, lambda c: schedule(c).pause()), press("Resume"),
        "Schedule digest resumed", lambda c: not schedule(c).is_paused,
    ),
    Action(
        "/throttles/set", "/throttles", lambda _: None,
        press("Save throttle",
              {"Throttle": "api", "Concurrency": "3", "Rate": "10"}, SET_THROTTLE),
        "Throttle api saved",
        lambda c: (c.throttles["api"].get().concurrency, c.throttles["api"].get().rate) == (3, 10),
    ),
    Action(
        "/throttles/<name>/delete", "/throttles/api", _hold, press("Delete throttle…"),
        "Throttle api deleted", lambda c: "api" not in c.throttles, "Delete throttle",
    ),
    Action(
        "/throttles/<name>/release", "/throttles/api", _hold, press("Release"),
        "Job j no longer counts toward api", lambda c: c.throttles["api"].holders() == [],
    ),
    Action(
        "/throttles/<name>/block", "/throttles/api", _hold,
        press("Block", {"Seconds": "60"}), "Throttle api blocked for 60 s",
        lambda c: c.throttles["api"].get().blocked_until is not None,
    ),
    Action(
        "/users/set", "/throttles", lambda _: None,
        press("Save user", {"User": "ann", "Weight": "2.5"}),
        "User ann saved", lambda c: c.users["ann"].weight == 2.5,
    ),
    Action(
        "/users/unset", "/throttles", _weigh, press("Reset ann"),
        "User ann reset: weight 1, no limit", lambda c: c.users["ann"].weight == 1,
    ),
    Action(
        "/workers/<name>/forget", f"/workers/{WORKER}", then(put(), pop),
        press("Forget worker…"), f"Worker {WORKER} forgotten",
        lambda c: WORKER not in [one["name"] for one in c.workers.counts], "Forget worker",
    ),
)  # fmt: skip


# Commands to live workers, in order, and whether each needs confirmation.
ORDERS: Final = (
    ("quiet", False),
    ("resume", False),
    ("dump", False),
    ("restart", True),
    ("stop", True),
)
NAMES: Final = (
    *(one.name for one in TABLE),
    *(f"/workers/tell/<what> {what}" for what, _ in ORDERS),
)
