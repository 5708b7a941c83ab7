"""Hostile text in jobs, forms and URLs is escaped, redacted and bounded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import quote

import pytest

from qless_py import Client, Job
from qless_py.client.redaction import HIDDEN, data_line, data_text
from qless_py.dashboard import Access, DashboardConfig
from tests.dashboard.conftest import Visitor
from tests.dashboard.hostile_text import CORPUS, MARK, fill
from tests.dashboard.hostile_text import LONG as LONG_NAME

# What may stand in the pages: nothing that a hostile text could bring with it.
ATTRIBUTES: Final = re.compile(r"on\w+|style|srcdoc|formaction", re.IGNORECASE)
OURS: Final = re.compile(r"/static/v-\w+/[a-z]+\.js$")
TAGS: Final = {"img", "iframe", "object", "embed", "base", "style"}


class Reader(HTMLParser):
    """Finds markup that no template contains."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in TAGS or (tag == "script" and not OURS.match(given.get("src") or "")):
            self.faults.append(f"<{tag} {given}>")
        self.faults += [f"{tag} {name}" for name in given if ATTRIBUTES.fullmatch(name)]
        for name in ("href", "src", "action"):
            value = given.get(name) or "/"
            if name in given and not value.startswith(("/", "#", "?")):
                self.faults.append(f"{tag} {name}={value}")

    def handle_comment(self, data: str) -> None:
        self.faults.append(f"<!--{data}-->")


def faults(page: str) -> list[str]:
    """Return the injected markup of a page."""
    reader = Reader()
    reader.feed(page)
    return reader.faults


@pytest.fixture
def hostile(client: Client) -> Client:
    """Return a namespace in which every free text is hostile."""
    fill(client)
    return client


def _paths(client: Client) -> Iterator[str]:
    yield from (
        "/", "/queues", "/jobs", "/failures", "/tracked", "/tags", "/tags/x",
        "/workers", "/workers/worker-1", "/workers/worker-2", "/recurring", "/throttles", "/config",
        "/put", "/operations", "/workflows", "/workflows?kind=batch",
        f"/workflows/{LONG_NAME[:60]}", f"/batches/{LONG_NAME}",
    )  # fmt: skip
    yield from (f"/operations/{one.jid}" for one in client.operations.recent())
    for group in client.jobs.failed():
        yield f"/failures/group?group={quote(group)}"
    for number, text in enumerate(CORPUS):
        bad = quote(text)
        yield from (
            f"/queues/queue-{number}", f"/queues/queue-{number}?tab=waiting",
            f"/queues/queue-{number}?tab=recurring", f"/queues/stopped-{number}",
            f"/jobs/waits-{number}", f"/jobs/fails-{number}", f"/jobs/ends-{number}",
            f"/recurring/recurs-{number}", f"/jobs?q={bad}", f"/jobs?cursor={bad}",
            f"/queues?q={bad}&sort={bad}", f"/put?klass={bad}&queue={bad}&data={bad}&jid={bad}",
            f"/failures/group?group={bad}", f"/nowhere/{bad}", f"/jobs/{bad}", f"/tags/{bad}",
            f"/workers/{bad}", f"/throttles/{bad}", f"/operations/{bad}", f"/?range={bad}",
            f"/queues/queue-{number}?tab={bad}", f"/queues/queue-{number}?day={bad}",
            f"/preferences?zone={bad}&theme={bad}&back={bad}", f"/put?from={bad}",
            f"/tracked?state={bad}",
            f"/workflows/{bad}", f"/batches/{bad}", f"/workflows?name={bad}&state={bad}",
            f"/workflows?name={bad}", f"/workflows?open={bad}", f"/workflows?cursor={bad}",
            f"/workflows/{LONG_NAME[:60]}?unfold={bad}&state={bad}",
            f"/queues?{bad}={bad}", f"/recur?queue={bad}&cron={bad}&data={bad}&jid={bad}",
        )  # fmt: skip


def test_no_text_becomes_markup_on_any_page(hostile: Client, visitor: Visitor) -> None:
    found = []

    for path in _paths(hostile):
        answer = visitor.get(path)
        if answer.status_code >= 500 or MARK in str(answer.headers):
            found.append((path, answer.status))
        found += [(path, fault) for fault in faults(answer.text)]

    assert found == []


@pytest.mark.parametrize(
    "path", ["/jobs/waits-0/tag", "/queues/queue-0/pause", "/failures/retry", "/put", "/operations",
             "/throttles/set", "/users/set", "/config", "/jobs/fails-0/move", "/jobs/chosen",
             "/recur", "/recurring/recurs-0/edit"]
)  # fmt: skip
def test_no_field_of_a_form_comes_back_as_markup(
    hostile: Client, visitor: Visitor, path: str
) -> None:
    del hostile
    names = ("tags", "reason", "minutes", "group", "queue", "klass", "data", "jid", "q", "action",
             "value", "name", "concurrency", "option", "state", "what", "do",
             "cron", "zone")  # fmt: skip
    found = []

    for text in CORPUS:
        answer = visitor.post(path, confirmed=False, back=text, **dict.fromkeys(names, text))
        page = visitor.followed(answer) if answer.status_code == 303 else answer.text
        found += [] if answer.status_code < 500 else [answer.status]
        found += faults(page)

    assert found == []


ARGUMENTS: Final = ("endpoint", "_external", "_scheme", "_anchor", "_method", "values", "self")


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_no_query_parameter_alters_links(hostile: Client, visitor: Visitor, argument: str) -> None:
    del hostile
    for path in ("/", "/queues", "/tracked?size=1", "/queues/queue-0?tab=waiting", "/failures"):
        join = "&" if "?" in path else "?"
        answer = visitor.get(f"{path}{join}{argument}=zebra")

        assert answer.status_code == 200
        assert not re.findall(r'(?:href|src|action)="[^"]*zebra', answer.text)


def _deep(levels: int) -> Any:
    made: Any = 1
    for _ in range(levels):
        made = [made]
    return made


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b'{"text": "half \\ud800 of a letter"}', "of a letter"),
        (_deep(400), "["),
        ({"long": "x" * (2**20 - 100)}, "left out"),
        ([list(range(20)) for _ in range(20_000)], "left out"),
        (float("1e308"), "1e+308"),
    ],
    ids=["surrogate", "deep", "long", "wide", "large"],
)
def test_strange_data_is_shown_and_bounded(
    client: Client, visitor: Visitor, data: Any, shown: str
) -> None:
    client.queues["mail"].put("K", data, jid="j")

    for path in ("/jobs/j", "/jobs", "/queues/mail?tab=waiting"):
        answer = visitor.get(path)
        assert answer.status_code == 200, path
        assert len(answer.data) < 200_000
    assert shown in visitor.get("/jobs/j").text


def test_data_of_other_codecs_is_shown(client: Client, server: Any, visitor: Visitor) -> None:
    with Client(server.url, codec="msgpack", clock=client.settings.clock) as other:
        other.queues["mail"].put("K", {"raw": b"\xff\x00", b"key": 1, 2: [b"x"]}, jid="bytes")
    client.queues["mail"].put("K", {}, jid="broken")
    client.redis.hset("ql:j:broken", "data", b"\xff\xfe{")

    for path in ("/jobs/bytes", "/jobs", "/queues/mail?tab=waiting", "/jobs/broken"):
        assert visitor.get(path).status_code == 200, path
    assert "xff" in visitor.get("/jobs/bytes").text


def _viewed(visit: Callable[..., Visitor]) -> Visitor:
    return visit(auth=[lambda _: Access("ann")], trusted_hosts=["localhost"])


def test_secrets_in_messages_of_a_job_are_hidden(
    client: Client, visit: Callable[..., Visitor]
) -> None:
    client.queues["mail"].put("K", {"call": "redis://me:hunter-0@host?token=hunter-0"}, jid="j")
    job = client.queues["mail"].pop()
    assert job is not None
    job.log("called", {"headers": {"Authorization": "hunter-1"}})
    job.set_progress({"token": "hunter-2"})
    job.fail("K:Refused", 'POST failed: password=hunter-3 {"api_key": "hunter-4"}, no answer')
    operation = client.operations.start("retry", 'data.password:hunter-5 error:"token: hunter-6"')
    client.queues["mail"].pause(reason="rotating the password: hunter-7")
    viewer = _viewed(visit)

    page = viewer.get("/jobs/j").text
    for path in (
        "/failures/group?group=K:Refused", "/jobs?q=state:failed", "/operations",
        f"/operations/{operation}", f"/jobs/{operation}", "/queues/mail",
    ):  # fmt: skip
        page += viewer.get(path).text

    assert "hunter" not in page
    assert "no answer" in page
    assert "hunter-3" in visit().get("/jobs/j").text


@pytest.mark.parametrize(
    "part", ["passw", "a", "://a:b", "password=", 'token="\\', "password: bearer ", "key\\\\", ":"]
)
def test_redacting_text_takes_linear_time(part: str) -> None:
    config = DashboardConfig()

    hidden = config.redactor.redact_text(part * 10_000 + " password=hunter2")

    assert "hunter" not in hidden


LONG: Final = "hunter" * 2_000


@pytest.mark.parametrize(
    "text",
    [
        "https://user:hunter2@host/" + "x" * 50,
        'password="correct horse hunter2 battery" ' + "x" * 50,
        "{'token': 'correct horse hunter2'}" + "x" * 50,
        f"https://user:{LONG}@host",
        f'password="correct horse {LONG}" end',
        f"password='correct horse\\' {LONG}' end",
        f'\\"password\\": \\"correct horse {LONG}\\" end',
        f"token: {LONG}",
        f"password={'a' * 50} https://user:hunter2@host " * 99,
    ],
)
@pytest.mark.parametrize("limit", [12, 16, 17, 19, 24, 30, 40])
def test_secrets_that_a_truncation_cuts_are_hidden(text: str, limit: int) -> None:
    redactor = DashboardConfig().redactor

    for shown in (
        redactor.redact_text(text, limit),
        data_text({"k": text}, redactor, limit=limit, pretty=False),
        data_text([text, text], redactor, limit=limit + 50, pretty=False),
        data_line({"k": text}, redactor),
    ):
        assert "hun" not in shown
        assert "cor" not in shown
        assert "orse" not in shown
        assert "left out" in shown or shown.endswith("…") or len(text) < 160


def test_truncating_redacted_text_counts_what_is_left_out() -> None:
    redactor = DashboardConfig().redactor

    assert redactor.redact_text("x" * 9_999, 99) == "x" * 99 + "… (9,900 characters left out)"
    assert redactor.redact_text("password=hunter2", 100) == f"password={HIDDEN}"
    assert redactor.redact_text("password=hunter2", 11) == (
        f"password={HIDDEN[:2]}… ({len(HIDDEN) - 2} characters left out)"
    )


@pytest.mark.parametrize("search", ["data:hunter", "data.password:h", "hunter", "-data:x"])
def test_viewers_cannot_search_hidden_data(
    client: Client, visit: Callable[..., Visitor], search: str
) -> None:
    client.queues["mail"].put("K", {"password": "hunter2"}, jid="j")

    answer = _viewed(visit).get(f"/jobs?q={search}")

    assert answer.status_code == 422
    assert "you may not search data or errors" in answer.text
    assert _viewed(visit).get("/jobs?q=queue:mail").status_code == 200
    assert visit().get(f"/jobs?q={search}").status_code == 200


def test_the_list_of_dependents_is_bounded(client: Client, visitor: Visitor) -> None:
    client.queues["mail"].put("K", {}, jid="parent")
    for part in range(5):
        client.queues["mail"].put_many(
            [{"klass": "K", "depends": ["parent"], "jid": f"child-{part}-{n}"} for n in range(100)]
        )

    answer = visitor.get("/jobs/parent")

    assert len(answer.data) < 60_000
    assert "child-0-0" in answer.text
    job = client.jobs["parent"]
    assert isinstance(job, Job)
    assert len(job.dependents) == 500
    assert "450 more" in answer.text
