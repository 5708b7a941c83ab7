"""Every action of the dashboard: where it is offered, what a person does, what holds afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from playwright.sync_api import Page

from qless_py import Client, Job
from qless_py.client.recurring import RecurringJob
from qless_py.handlers.resolve import OPERATIONS_QUEUE

GROUP: Final = "app.Send:Timeout"
WORKER: Final = "host-1-0"
SET_THROTTLE: Final = "form:has(#field-concurrency)"


@dataclass(frozen=True, slots=True)
class Action:
    """One action, named by the rule of its route and, where a route does several, by which.

    `given` makes what is needed and may give what stands for {} in the path. `does` finds the form
    and sends it; `asks` is the button of the confirmation that comes, `says` the note afterwards.
    `holds` is false before and true afterwards.
    """

    name: str
    path: str
    given: Callable[[Client], str | None]
    does: Callable[[Page], None]
    says: str
    holds: Callable[[Client], bool]
    asks: str | None = None

    def __str__(self) -> str:
        return self.name


def job(client: Client, jid: str = "j") -> Job:
    """Give the job that the actions are done to."""
    found = client.jobs[jid]
    assert isinstance(found, Job)
    return found


def schedule(client: Client) -> RecurringJob:
    """Give the schedule that the actions are done to."""
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
    """Do one thing after the other."""

    def given(client: Client) -> None:
        for step in steps:
            step(client)

    return given


def pop(client: Client) -> list[Job]:
    """Let a worker that is none take all jobs."""
    return client.queues["mail"].pop(100, worker=WORKER)


def fail(client: Client) -> None:
    """Let all jobs fail."""
    for one in pop(client):
        one.fail(GROUP, "no answer")


def recur(client: Client) -> None:
    """Make a schedule."""
    client.queues["mail"].recur("app.Digest", {"to": "ann"}, interval=3600, offset=60, jid="digest")


def press(
    button: str, fields: Mapping[str, str] = {}, part: str = "main", opens: str = ""
) -> Callable[[Page], None]:
    """Open a form if it is not, fill fields known by their labels, and press a button."""

    def does(page: Page) -> None:
        if opens:
            page.locator("summary", has_text=opens).first.click()
        main = page.locator(part)
        for label, value in fields.items():
            main.get_by_label(label, exact=True).fill(value)
        main.get_by_role("button", name=button, exact=True).click()

    return does


def _job(
    what: str, does: Callable[[Page], None], says: str, holds: Callable[[Client], bool],
    given: Callable[[Client], None] | None = None,
) -> Action:  # fmt: skip
    return Action(f"/jobs/<jid>/<what> {what}", "/jobs/j", given or put(), does, says, holds)


def _choose(action: str, value: str) -> Callable[[Page], None]:
    def does(page: Page) -> None:
        page.get_by_label("Choose j", exact=True).check()
        page.get_by_label("With the chosen").select_option(action)
        page.get_by_label("New value for the chosen").fill(value)
        page.get_by_role("button", name="Do it to the chosen").click()

    return does


def _search(action: str, value: str) -> Callable[[Page], None]:
    def does(page: Page) -> None:
        page.get_by_label("What").select_option(action)
        page.get_by_label("Queue, priority or tags").fill(value)
        page.get_by_role("button", name="Count, then ask").click()

    return does


def carried_out(holds: Callable[[Client], bool]) -> Callable[[Client], bool]:
    """Wait until a worker has carried out the operation, if there is one."""

    def after(client: Client) -> bool:
        for one in client.operations.recent():
            job(client, one.jid).wait(120)
        return holds(client)

    return after


def _many() -> list[Action]:
    """What is done to chosen jobs, and to all that a search finds."""
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
        asks = f"{action.capitalize()} them"
        made += [
            Action(
                f"/jobs/chosen {action}", path, given, _choose(action, value), "1 of 1 jobs", holds,
                asks if action in {"cancel", "timeout"} else None,
            ),
            Action(
                f"/operations {action}", f"/jobs?q=jid:j state:{state}", given,
                _search(action, value), "has begun", carried_out(holds), asks,
            ),
        ]  # fmt: skip
    return made


def _operation(client: Client) -> str:
    client.queues[OPERATIONS_QUEUE].pause()
    return client.operations.start("tag", "state:failed", tags=["seen"])


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
        press("Put the job", {"Queue": "mail", "Class": "app.Send", "Jid": "new"}),
        "new is put into mail", lambda c: c.jobs["new"] is not None,
    ),
    Action(
        "/config set", "/config", lambda _: None,
        press("Set", {"Value of heartbeat": "30"}, _in_row("Value of heartbeat")),
        "heartbeat is 30", lambda c: c.config["heartbeat"] == 30,
    ),
    Action(
        "/config unset", "/config", lambda c: c.config.set("heartbeat", 30),
        press("Default", part=_in_row("Value of heartbeat")),
        "has its default again", lambda c: c.config["heartbeat"] == 60,
    ),
    Action(
        "/failures/retry", f"/failures/group?group={GROUP}", then(put("j", "k"), fail),
        press("Retry all 2"), "2 jobs of", lambda c: c.queues["mail"].counts["waiting"] == 2,
        "Retry them",
    ),
    Action(
        "/jobs/<jid>/cancel", "/jobs/j", put(), press("Cancel…"),
        "j is canceled", lambda c: c.jobs["j"] is None, "Cancel the job",
    ),
    Action(
        "/jobs/<jid>/untrack-gone", "/tracked", _track_and_lose, press("Untrack"),
        "j is not tracked any more", lambda c: c.jobs.tracked()["expired"] == [],
    ),
    _job("move", press("Move", {"Move to": "other"}), "in other",
         lambda c: job(c).queue_name == "other"),
    _job("priority", press("Set", {"Priority": "7.5"}), "7.5", lambda c: job(c).priority == 7.5),
    _job("tag", press("Tag", {"Add tags": "eu, new"}), "eu, new",
         lambda c: job(c).tags == ["eu", "new"]),
    _job("untag", press("Take the tag old off"), "no longer the tag old",
         lambda c: job(c).tags == [], put(tags=["old"])),
    _job("retry", press("Put back into its queue"), "j waits in mail",
         lambda c: job(c).state == "waiting", then(put(), fail)),
    _job("timeout", press("Time out"), "was taken from its worker",
         lambda c: job(c).state == "stalled", then(put(), pop)),
    _job("track", press("Track"), "j is tracked", lambda c: job(c).is_tracked),
    _job("untrack", press("Untrack"), "j is not tracked any more", lambda c: not job(c).is_tracked,
         then(put(), lambda c: job(c).track())),
    _job("undepend", press("Undepend"), "does not wait for parent any more",
         lambda c: job(c).state == "waiting", then(put("parent"), put(depends=["parent"]))),
    _job("undepend_all", press("Wait for none of them"), "waits for no other job any more",
         lambda c: job(c).state == "waiting", then(put("p", "q"), put(depends=["p", "q"]))),
    _job("finish", press("Finish", {"Finish with the result": '{"by": "hand"}'}), "j is complete",
         lambda c: job(c).result == {"by": "hand"}),
    *_many(),
    Action(
        "/operations/<jid>/abort", "/operations/{}", _operation, press("Abort"),
        "ends after 0 jobs", lambda c: all(one.is_aborted for one in c.operations.recent()),
    ),
    Action(
        "/queues/<name>/pause", "/queues/mail", put(),
        press("Pause mail", {"Why": "deploy", "For … minutes": "5"}, opens="Pause…"),
        "mail is paused", lambda c: c.queues["mail"].is_paused,
    ),
    Action(
        "/queues/<name>/unpause", "/queues", then(put(), lambda c: c.queues["mail"].pause()),
        press("Unpause"), "mail goes on", lambda c: not c.queues["mail"].is_paused,
    ),
    Action(
        "/queues/<name>/heartbeat", "/queues/mail?tab=settings", put(),
        press("Set", {"Leases last … seconds": "90"}), "leases of mail last 90 s",
        lambda c: c.queues["mail"].heartbeat == 90,
    ),
    Action(
        "/queues/<name>/forget", "/queues/mail?tab=settings",
        then(put(), lambda c: job(c).cancel()), press("Forget this queue…"),
        "mail is forgotten", lambda c: "mail" not in c.queues, "Forget it",
    ),
    Action(
        "/recur", "/recur", lambda _: None,
        press("Make the schedule", {"Queue": "mail", "Class": "app.Digest", "Every … seconds": "60",
                                    "Jid": "digest"}),
        "digest puts jobs into mail", lambda c: c.jobs["digest"] is not None,
    ),
    Action(
        "/recurring/<jid>/edit", "/recurring/digest", recur,
        press("Save the schedule", {"Every … seconds": "90", "Tags": "eu"}, opens="Edit…"),
        "changed of digest: interval, tags",
        lambda c: (schedule(c).interval, schedule(c).tags) == (90, ["eu"]),
    ),
    Action(
        "/recurring/<jid>/cancel", "/recurring/digest", recur, press("Remove…"),
        "digest is removed", lambda c: c.jobs["digest"] is None, "Remove it",
    ),
    Action(
        "/recurring/<jid>/<what> run", "/recurring/digest", recur, press("Run now"),
        "was put, beside the schedule", lambda c: c.queues["mail"].counts["waiting"] == 1,
    ),
    Action(
        "/recurring/<jid>/<what> pause", "/recurring", recur, press("Pause"),
        "digest is paused", lambda c: schedule(c).is_paused,
    ),
    Action(
        "/recurring/<jid>/<what> resume", "/recurring",
        then(recur, lambda c: schedule(c).pause()), press("Resume"),
        "digest goes on", lambda c: not schedule(c).is_paused,
    ),
    Action(
        "/throttles/set", "/throttles", lambda _: None,
        press("Set the throttle",
              {"Throttle": "api", "Running at once, at most": "3", "Tokens": "10"}, SET_THROTTLE),
        "the throttle api is set",
        lambda c: (c.throttles["api"].get().concurrency, c.throttles["api"].get().rate) == (3, 10),
    ),
    Action(
        "/throttles/<name>/delete", "/throttles/api", _hold, press("Delete this throttle…"),
        "the throttle api is gone", lambda c: "api" not in c.throttles, "Delete it",
    ),
    Action(
        "/throttles/<name>/release", "/throttles/api", _hold, press("Release"),
        "j does not count for api any more", lambda c: c.throttles["api"].holders() == [],
    ),
    Action(
        "/throttles/<name>/block", "/throttles/api", _hold,
        press("Block", {"Let nothing start for … seconds": "60"}), "nothing starts under api",
        lambda c: c.throttles["api"].get().blocked_until is not None,
    ),
    Action(
        "/users/set", "/throttles", lambda _: None,
        press("Set the user", {"User": "ann", "Weight": "2.5"}),
        "the user ann is set", lambda c: c.users["ann"].weight == 2.5,
    ),
    Action(
        "/users/unset", "/throttles", _weigh, press("Unset ann"),
        "ann has the weight 1 and no limit again", lambda c: c.users["ann"].weight == 1,
    ),
    Action(
        "/workers/<name>/forget", f"/workers/{WORKER}", then(put(), pop),
        press("Forget this worker…"), f"{WORKER} is off the list",
        lambda c: WORKER not in [one["name"] for one in c.workers.counts], "Forget it",
    ),
)  # fmt: skip


# What is told to workers that are there, one after the other: the button, and whether it asks.
ORDERS: Final = (("quiet", False), ("resume", False), ("restart", True), ("stop", True))
NAMES: Final = (
    *(one.name for one in TABLE),
    *(f"/workers/tell/<what> {what}" for what, _ in ORDERS),
)
