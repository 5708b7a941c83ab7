"""Deliveries: signed, repeated by the schedule, and noted with their webhook."""

from __future__ import annotations

import json

import pytest
import standardwebhooks

from qless_py import Client, Job
from qless_py.protocol.webhooks import SCHEDULE
from tests.conftest import Clock
from tests.push.servers import Recorder, Request, answer
from tests.webhooks.conftest import Deliver

pytestmark = pytest.mark.any_server

DAY = 86400.0


def verified(secret: str, request: Request) -> dict[str, object]:
    """Verify a request as a receiver does, and return its payload."""
    found = standardwebhooks.Webhook(secret).verify(request.body, request.headers)
    assert isinstance(found, dict)
    return found


def test_an_event_arrives_signed_and_thin(
    client: Client, target: Recorder, deliver: Deliver
) -> None:
    new = client.webhooks.add(f"{target.url}/in", types=["job.*"], queues=["mail*"])
    jid = client.queues["mail"].put("app.Send", {"secret": "x"})
    client.queues["other"].put("app.Send", {})

    (job,) = deliver()

    (request,) = target.requests
    payload = verified(new.secret, request)
    event = client.events.read("0").events[-1]
    assert (job.state, job.result["status"]) == ("complete", 200)
    assert payload == {
        "type": "job.put",
        "timestamp": "2023-11-14T22:13:20.000Z",
        "data": {"id": payload["data"]["id"], "jid": jid, "queue": "mail", "klass": "app.Send"},  # type: ignore[index]
    }
    assert request.headers["webhook-id"] == job.jid == f"{new.webhook.id}-{payload['data']['id']}"  # type: ignore[index]
    assert (request.path, request.headers["content-type"]) == ("/in", "application/json")
    assert event.type != "gap"
    found = client.webhooks.get(new.webhook.id)
    assert (found.delivered, found.last_status, found.failing_since) == (1, 200, None)


def test_everything_arrives_after_a_receiver_was_down_for_days(
    client: Client, clock: Clock, target: Recorder, deliver: Deliver
) -> None:
    new = client.webhooks.add(target.url, types=["job.put"], disable_after=30 * DAY)
    begin = clock.now
    for number in range(3):
        client.queues["mail"].put("K", {}, jid=f"j{number}")
    target.answers += [answer("503 Busy")] * 3 * len(SCHEDULE)
    waits = []
    for number in range(len(SCHEDULE)):
        jobs = deliver()
        assert [job.state for job in jobs] == ["scheduled"] * 3, number
        due = max(job.due_at or 0 for job in jobs)
        waits.append(due - clock.now)
        clock.now = due + 1

    assert client.webhooks.get(new.webhook.id).failing_since == begin
    assert {job.state for job in deliver()} == {"complete"}

    last = [verified(new.secret, one) for one in target.requests[-3:]]
    assert {one["data"]["jid"] for one in last} == {"j0", "j1", "j2"}  # type: ignore[index]
    assert len({request.body for request in target.requests}) == 3, "attempts send the same bytes"
    assert len({request.headers["webhook-id"] for request in target.requests}) == 3
    for wait, wanted in zip(waits, SCHEDULE, strict=True):
        assert wanted <= wait <= 1.1 * wanted + 0.1
    assert client.webhooks.get(new.webhook.id).failing_since is None


def test_a_delivery_that_fails_each_time_fails_after_the_last_attempt(
    client: Client, clock: Clock, target: Recorder, deliver: Deliver
) -> None:
    new = client.webhooks.add(target.url, types=["job.put"], disable_after=30 * DAY)
    client.queues["mail"].put("K", {})
    target.answers += [answer("500 Oops")] * 10
    for _ in range(10):
        (job,) = deliver()
        clock.advance(1.2 * DAY)

    assert (job.state, len(target.requests)) == ("failed", 10)
    assert "answered 500" in job.failure["message"]
    client.webhooks.redeliver(job.jid)
    (again,) = deliver()
    assert (again.state, again.jid) == ("complete", job.jid)
    assert verified(new.secret, target.requests[-1])


def test_retry_after_postpones_the_next_attempt(
    client: Client, clock: Clock, target: Recorder, deliver: Deliver
) -> None:
    client.webhooks.add(target.url, types=["job.put"])
    client.queues["mail"].put("K", {})
    target.answers.append(answer("429 Slow", b"", "Retry-After: 120"))

    (job,) = deliver()

    assert (job.due_at or 0) - clock.now == pytest.approx(120, abs=1)


def test_a_receiver_that_is_gone_gets_no_more(
    client: Client, target: Recorder, deliver: Deliver
) -> None:
    new = client.webhooks.add(target.url, types=["job.put"])
    client.queues["mail"].put("K", {}, jid="first")
    target.answers.append(answer("410 Gone"))

    (job,) = deliver()
    client.queues["mail"].put("K", {}, jid="second")

    found = client.webhooks.get(new.webhook.id)
    assert (job.state, found.state, found.reason) == (
        "failed", "disabled", "the receiver answered 410",
    )  # fmt: skip
    assert deliver() == []
    client.webhooks.enable(new.webhook.id)
    assert client.webhooks.replay(new.webhook.id, 0)[0] == 2
    deliver()
    assert [json.loads(one.body)["data"]["jid"] for one in target.requests] == [
        "first", "first", "second",
    ]  # fmt: skip


def test_a_webhook_that_fails_for_three_days_is_disabled(
    client: Client, clock: Clock, target: Recorder, deliver: Deliver
) -> None:
    new = client.webhooks.add(target.url, types=["job.put"])
    client.queues["mail"].put("K", {})
    target.answers += [answer("500 Oops")] * 20
    states = []
    for _ in range(6):
        deliver()
        states.append(client.webhooks.get(new.webhook.id).state)
        clock.advance(0.9 * DAY)

    assert states[0] == "enabled"
    assert states[-1] == "disabled"
    found = client.webhooks.get(new.webhook.id)
    assert "answered 500" in (found.reason or "")
    assert "webhook.disabled" in [one.type for one in client.events.read("0").events]
    (jid,) = client.webhooks.deliveries(new.webhook.id).jids
    job = client.jobs[jid]
    assert isinstance(job, Job)
    assert job.state == "failed"


def test_both_keys_sign_for_a_day_after_a_rotation(
    client: Client, clock: Clock, target: Recorder, deliver: Deliver
) -> None:
    old = client.webhooks.add(target.url, types=["job.put"])
    new = client.webhooks.rotate(old.webhook.id)
    client.queues["mail"].put("K", {})
    deliver()

    assert verified(old.secret, target.requests[-1]) == verified(new.secret, target.requests[-1])
    clock.advance(DAY + 1)
    client.queues["mail"].put("K", {})
    deliver()
    assert verified(new.secret, target.requests[-1])
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        verified(old.secret, target.requests[-1])


def test_a_removed_webhook_gets_nothing_more(
    client: Client, target: Recorder, deliver: Deliver
) -> None:
    new = client.webhooks.add(target.url, types=["job.put"])
    client.queues["mail"].put("K", {})
    target.answers.append(answer("500 Oops"))
    deliver()
    client.webhooks.remove(new.webhook.id)
    client.settings.clock.advance(10)  # type: ignore[attr-defined]

    assert deliver() == []
    assert len(target.requests) == 1


def test_a_hostile_receiver_gets_no_redirect_no_private_address_and_no_memory(
    client: Client, target: Recorder, deliver: Deliver
) -> None:
    new = client.webhooks.add(target.url, types=["job.put"])
    client.queues["mail"].put("K", {})
    target.answers += [
        answer("302 Found", b"", f"Location: {target.url}/elsewhere"),
        answer("500 Oops", b"x" * 200_000),
    ]

    (first,) = deliver()
    client.settings.clock.advance(10)  # type: ignore[attr-defined]
    (second,) = deliver()
    client.settings.clock.advance(400)  # type: ignore[attr-defined]
    (third,) = deliver(allow_targets=())

    assert [first.state, second.state, third.state] == ["scheduled"] * 3
    assert [one.path for one in target.requests] == ["/", "/"]
    assert "refused" in (client.webhooks.get(new.webhook.id).last_error or "")
    assert len(str(second.history)) < 20_000


def test_a_test_is_a_delivery_of_its_own(
    client: Client, target: Recorder, deliver: Deliver
) -> None:
    new = client.webhooks.add(target.url, types=["job.failed"])

    jid = client.webhooks.test(new.webhook.id)
    (job,) = deliver()

    assert (job.jid, job.state) == (jid, "complete")
    assert verified(new.secret, target.requests[0])["type"] == "webhook.test"
