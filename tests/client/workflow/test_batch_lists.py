"""Lists of batches, canceling a batch and retrying what failed in it."""

from __future__ import annotations

import pytest

from qless_py import Client, Workflow, protocol, step
from qless_py.errors import (
    BadArgumentError,
    BatchClosedError,
    BatchNotFoundError,
    DependencyError,
    WrongStateError,
)
from qless_py.protocol.batches import BatchPage
from qless_py.protocol.options import PutSpec
from tests.client.workflow.simulated_worker import KLASS, QUEUE, Crew
from tests.conftest import Clock


def fill(client: Client, name: str, *jids: str) -> None:
    with client.batch(name) as batch:
        for jid in jids:
            batch.put(QUEUE, KLASS, jid=jid, retries=0)


def named(page: BatchPage) -> list[str]:
    return [one["name"] for one in page.batches]


def phases(page: BatchPage) -> dict[str, str]:
    return {one["name"]: one["phase"] for one in page.batches}


@pytest.fixture
def several(client: Client, clock: Clock) -> Client:
    """One batch or workflow in each phase."""
    for name in ("bad", "good", "gone", "busy"):
        fill(client, name, f"{name}-1", f"{name}-2")
        clock.advance(1)
        if name == "gone":
            client.jobs.get("gone-1").cancel()  # type: ignore[union-attr]
        if name != "busy":
            Crew(client, fails=lambda jid: jid == "bad-2").run()
        clock.advance(1)
    client.workflows.submit(Workflow("flow", step(QUEUE, KLASS, name="a")))
    clock.advance(1)
    client.batch("early")
    return client


def test_batches_are_listed_with_their_phase_the_newest_in_front(several: Client) -> None:
    page = several.batches.page()

    assert list(phases(page).items()) == [
        ("early", "open"),
        ("workflow:flow", "running"),
        ("busy", "running"),
        ("gone", "canceled"),
        ("good", "complete"),
        ("bad", "failed"),
    ]
    assert (page.total, page.examined, page.cursor) == (6, 6, None)
    assert several.batches["bad"].status["phase"] == "failed"  # type: ignore[index]


def test_a_list_is_limited_by_name_phase_and_kind(several: Client) -> None:
    pages = several.batches.page

    assert named(pages(name="g*")) == ["gone", "good"]
    assert named(pages(name="g")) == []
    assert named(pages(phases=["failed", "open"])) == ["early", "bad"]
    assert named(pages(workflows=True)) == ["workflow:flow"]
    assert "workflow:flow" not in named(pages(workflows=False))
    assert named(several.workflows.page(name="f*w")) == ["workflow:flow"]
    assert several.workflows.page(name="f*w", phases=["failed"]).batches == []
    with pytest.raises(BadArgumentError, match="phase"):
        pages(phases=["dreaming"])


def test_pages_continue_though_batches_come_and_move_meanwhile(several: Client) -> None:
    first = several.batches.page(count=3)
    several.batch("newer")
    several.batches["early"].close()  # Finished, so it moves to the front.
    rest = several.batches.page(first.cursor, count=3)

    assert named(first) == ["early", "workflow:flow", "busy"]
    assert (named(rest), rest.cursor) == (["gone", "good", "bad"], None)
    with pytest.raises(BadArgumentError, match="cursor"):
        several.batches.page("nonsense")


def test_a_page_examines_a_bounded_number_of_batches(client: Client) -> None:
    with client.pipeline() as pipeline:
        for number in range(2_600):
            pipeline.call(protocol.batches.open_encoded(f"b{number:04}", {}))

    page = client.batches.page(name="b0001")
    rest = client.batches.page(page.cursor, name="b0001")

    assert (page.batches, page.examined, page.total) == ([], 2_500, 2_600)
    assert (named(rest), rest.cursor) == (["b0001"], None)


def test_cancel_deletes_what_has_not_ended_and_puts_the_callbacks(client: Client) -> None:
    report: PutSpec = {"queue": QUEUE, "klass": KLASS, "jid": "report"}
    with client.batch("outer", on_complete=report, on_success=report) as outer:
        for number in range(250):
            outer.put(QUEUE, KLASS, jid=f"j{number}", retries=0)
        with client.batch("inner", within=outer) as inner:
            inner.put(QUEUE, KLASS, jid="inside")
    Crew(client, fails=lambda jid: jid == "j1").once(2)

    assert client.batches["outer"].cancel() == 249
    status = client.batches["outer"].status

    assert status is not None
    assert (status["state"], status["pending"]) == ("finished", 0)
    assert (status["completed"], status["failed"], status["canceled"]) == (1, 1, 249)
    assert "canceled_at" in status
    assert client.batches["inner"].status["phase"] == "canceled"  # type: ignore[index]
    assert client.jobs["j1"].state == "failed"  # type: ignore[union-attr]
    assert client.jobs["report"].state == "waiting"  # type: ignore[union-attr]
    with pytest.raises(BatchClosedError):
        client.batches["outer"].put(QUEUE, KLASS)
    assert client.batches["outer"].cancel() == 0
    with pytest.raises(WrongStateError, match="canceled"):
        client.batches["outer"].retry()


def test_cancel_in_parts_and_what_others_wait_for(client: Client) -> None:
    fill(client, "b", *(f"j{number}" for number in range(230)))
    client.queues[QUEUE].put(KLASS, jid="outside", depends=["j5"])

    first = client.batches["b"].cancel(100)
    with pytest.raises(DependencyError, match="j5"):
        client.batches["b"].cancel()

    assert 100 <= first < 230
    assert client.batches["b"].status["pending"] == 1  # type: ignore[index]
    client.jobs["outside"].cancel()  # type: ignore[union-attr]
    assert client.batches["b"].cancel() == 1


def test_retry_runs_the_failed_jobs_of_a_batch_and_of_those_within_it(client: Client) -> None:
    with client.batch("outer") as outer:
        outer.put(QUEUE, KLASS, jid="a")
        outer.put(QUEUE, KLASS, jid="fine")
        with client.batch("inner", within=outer) as inner:
            inner.put(QUEUE, KLASS, jid="b")
    client.queues[QUEUE].put(KLASS, jid="c")
    Crew(client, fails=lambda jid: jid != "fine").run()
    assert client.batches["outer"].status["phase"] == "failed"  # type: ignore[index]

    assert client.batches["outer"].retry(1) == ["a"]
    assert client.batches["outer"].retry() == ["b"]
    assert client.batches["outer"].retry() == []
    assert client.batches["outer"].status["phase"] == "running"  # type: ignore[index]
    Crew(client).run()

    assert client.batches["outer"].status["phase"] == "complete"  # type: ignore[index]
    assert client.jobs["c"].state == "failed"  # type: ignore[union-attr]
    with pytest.raises(BatchNotFoundError):
        client.batches["none"].retry()
    with pytest.raises(BatchNotFoundError):
        client.batches["none"].cancel()


def test_a_workflow_within_a_batch_is_canceled_with_its_gate(client: Client) -> None:
    outer = client.batch("outer")
    client.workflows.submit(Workflow("flow", step(QUEUE, KLASS, name="a"), within=outer))

    assert client.batches["outer"].cancel() == 1
    assert client.workflows["flow"].status["state"] == "canceled"  # type: ignore[index]
    assert client.batches["outer"].status["phase"] == "canceled"  # type: ignore[index]


def test_jobs_are_found_by_their_batch_whatever_their_state(client: Client) -> None:
    fill(client, "b", "a", "bad", "c")
    fill(client, "bb", "other")
    Crew(client, fails=lambda jid: jid == "bad").once(2)

    found = client.jobs.search("batch:b").jobs

    assert {job.jid: job.state for job in found} == {
        "a": "complete",
        "bad": "failed",
        "c": "waiting",
    }
    assert [job.jid for job in client.jobs.search("batch:b state:failed").jobs] == ["bad"]
