"""What is drawn: everything fits into the terminal, whatever its size."""

from __future__ import annotations

import io
import os
from typing import Any

import pytest
from rich.console import Console

from qless_py import Client
from qless_py.cli.top import keys
from qless_py.cli.top.picture import Picture, PictureReader, Rates, Running
from qless_py.cli.top.view import Outage, State, rate, screen, short
from qless_py.overview.alerts import Alert
from qless_py.overview.snapshot import Snapshot
from qless_py.protocol.queues import RunningJob
from tests.conftest import Clock

NOW = 1_700_000_000.0


def _queue(name: str, **fields: Any) -> Any:
    states = ("waiting", "running", "scheduled", "stalled", "depends", "throttled", "recurring")
    return {"name": name, "paused": False, **dict.fromkeys(states, 0), **fields}


@pytest.fixture
def picture() -> Picture:
    """Return a picture of 201 queues, one of them paused, with running and failed jobs."""
    queues = [_queue(f"queue-{number:03}", waiting=number % 5 + 1) for number in range(200)]
    queues[7]["paused"] = True
    queues.append(_queue("mail", waiting=40, running=7, scheduled=1))
    workers = [{"name": "host-1-0", "jobs": 7, "stalled": 0, "seen_at": NOW - 3, "info": {}}]
    current = Snapshot(
        NOW,
        queues,
        {"app.Send:Time\u202eout": 3},
        workers,  # type: ignore[arg-type]
        {"mail": 30.0},
        {"waiting": 640, "running": 7, "scheduled": 1},
    )
    running = [
        Running("mail", RunningJob(f"{number:032}", "app.Send", "host-1-0", NOW - 30, 0.0), 30.0)
        for number in range(7)
    ]
    alerts = [Alert("bad" if number == 0 else "warn", f"alert {number}", "") for number in range(5)]
    return Picture(NOW, current, 60.0, {"mail": Rates(2.5, 1.25, 0.05, 3)}, running, alerts)


def test_a_picture_of_a_namespace_is_read(client: Client, clock: Clock) -> None:
    mail = client.queues["mail"]
    mail.put_many([{"klass": "app.Send"}] * 50)
    for job in mail.pop(10, worker="host-1-0")[:3]:
        job.fail("app.Send:Timeout", "no answer")
    clock.advance(30)

    picture = PictureReader(client, 60).read()

    assert (picture.snapshot.totals["waiting"], len(picture.running)) == (40, 7)
    assert {one.job.worker for one in picture.running} == {"host-1-0"}
    assert {one.elapsed for one in picture.running} == {30.0}
    assert (picture.total_rates.failures, picture.snapshot.heads["mail"]) == (3, 30.0)
    assert picture.total_rates.put == pytest.approx(50 / picture.window)
    assert any("app.Send:Timeout" in one.text for one in picture.alerts)
    assert picture.as_json()["queues"][0]["oldest"] == 30.0


def draw(
    picture: Picture | None,
    state: State | None = None,
    size: tuple[int, int] = (80, 24),
    outage: Outage | None = None,
) -> list[str]:
    """Return the lines on a screen."""
    stream = io.StringIO()
    console = Console(file=stream, width=size[0], height=size[1], color_system=None)
    shown = screen(picture, outage, state or State(), size, store="ql at store", interval=2.0)
    console.print(shown, end="")
    return stream.getvalue().splitlines()


def test_a_small_terminal_shows_all_that_matters(picture: Picture) -> None:
    lines = draw(picture)

    assert len(lines) == 24
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "7 running" in lines[1]
    assert "3 failed" in lines[1]
    assert "alert 0" in text
    assert "(and 2 more)" in text
    (head,) = [line.split() for line in lines if line.startswith("queue ")]
    assert head == [
        "queue", "waiting", "running", "sched.", "failed", "put/s", "done/s", "oldest",
    ]  # fmt: skip
    (mail,) = [line.split() for line in lines if line.startswith("mail ")]
    assert mail[1:5] == ["40", "7", "1", "3"]
    assert mail[-2:] == ["30", "s"]
    assert "of 201" in text


@pytest.mark.parametrize("size", [(80, 24), (200, 60), (40, 12), (20, 8), (10, 5), (1, 1)])
@pytest.mark.parametrize("tab", ["queues", "workers", "running", "failures"])
def test_every_view_fits_into_every_terminal(
    picture: Picture, size: tuple[int, int], tab: str
) -> None:
    lines = draw(picture, State(tab=tab), size, Outage(5.0, "connection refused"))

    assert max(map(len, lines)) <= size[0]
    assert len(lines) <= max(size[1], 8)


def test_two_hundred_queues_can_be_scrolled_to_the_end(picture: Picture) -> None:
    state = State(sorts={"queues": 6})
    first = draw(picture, state)
    keys.press(state, "end")
    last = draw(picture, state)

    assert any(line.startswith("mail ") for line in first)
    assert any(line.startswith("queue-199 ") for line in last)
    keys.press(state, "home")
    assert draw(picture, state) == first


def test_a_filter_leaves_the_matching_rows(picture: Picture) -> None:
    state = State()
    for key in ("/", *"queue-00x", "backspace", "enter"):
        assert keys.press(state, key)

    text = "\n".join(draw(picture, state))

    assert "1-10 of 10" in text
    assert "filter: queue-00" in text
    assert "queue-007 (paused)" in text
    keys.press(state, "escape")
    assert "of 201" in "\n".join(draw(picture, state))
    state.filter = "*-19*"
    assert "of 10 " in "\n".join(draw(picture, state))


def test_keys_of_a_filter_are_text(picture: Picture) -> None:
    state = State()
    for key in ("/", "q", "p", "s"):
        assert keys.press(state, key)

    assert (state.filter, state.is_paused) == ("qps", False)
    assert "filter: qps" in draw(picture, state)[-1]


def test_workers_show_their_longest_job(picture: Picture) -> None:
    text = "\n".join(draw(picture, State(tab="workers")))

    assert "host-1-0" in text
    assert "30 s app.Send +6" in text
    assert "3 s" in text


def test_running_jobs_show_how_long_they_run(picture: Picture) -> None:
    lines = draw(picture, State(tab="running"))
    rows = [line for line in lines if "app.Send" in line and "mail" in line and line[0] != "n"]

    assert len([line for line in rows if "30 s" in line]) == 7
    assert picture.running[0].job.jid in "\n".join(lines)


def test_an_outage_is_said_and_the_numbers_stay(picture: Picture) -> None:
    text = "\n".join(draw(picture, outage=Outage(5.0, "connection refused")))

    assert "no answer since" in text
    assert "connection refused" in text
    assert "mail" in text
    assert "no answer" in "\n".join(draw(None, outage=Outage(5.0, "gone")))


def test_names_cannot_control_the_terminal(picture: Picture) -> None:
    assert "app.Send:Time\\u202eout" in "\n".join(draw(picture, State(tab="failures")))


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (99_999, "99,999"), (123_456, "123k"), (1_234_567, "1.2M"), (5e9, "5.0G")],
)
def test_counts_are_short(number: float, text: str) -> None:
    assert short(number) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.034, "0.03"), (2.345, "2.3"), (1234.5, "1,234")]
)
def test_rates_are_short(value: float, text: str) -> None:
    assert rate(value) == text


def test_keys_are_read_from_escape_sequences() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"q\x1b[A\x1b[6~\x1b[Z\t\x1b")

    assert keys.read(reader) == ["q", "up", "page down", "back tab", "tab", "escape"]
    os.close(writer)
    assert keys.read(reader) == ["q"]
    os.close(reader)
