"""Sample data: jobs in every state, with ordinary names."""

from __future__ import annotations

from qless_py import Client, Job, Workflow, chain, group, step
from qless_py.protocol.options import PutSpec


def fill(client: Client) -> None:
    """Put jobs in every state."""
    mail = client.queues["mail"]
    for number in range(8):
        mail.put(
            "app.mail.Send", {"to": f"user{number}@example.org"}, jid=f"mail-{number}",
            tags=["eu"], priority=-number,
        )  # fmt: skip
    mail.pop(1)[0].complete(result={"sent": True})
    mail.pop(1)[0].fail("app.mail.Send:Timeout", "Traceback\n  TimeoutError: no answer")
    mail.pop(1)
    mail.put("app.mail.Send", {}, jid="later", delay=600)
    mail.put("app.mail.Send", {}, jid="child", depends=["mail-5"])
    client.throttles["api"].set(concurrency=1, rate=10, per=60)
    mail.put("app.mail.Send", {}, jid="of-ann", user="ann", throttles=["api"])
    mail.recur("app.Digest", {}, interval=3600, jid="digest")
    client.queues["stopped"].put("app.Slow", {})
    client.queues["stopped"].pause(reason="maintenance")
    client.track("mail-4")
    mail.put("app.mail.Send", {}, jid="gone", tags=["eu"])
    gone = client.jobs["gone"]
    assert isinstance(gone, Job)
    gone.cancel(by="ann", reason="sent twice")
    sizes = group(*(step("images", "app.Resize", {"n": n}, name=f"size-{n}") for n in range(40)))
    flow = chain(step("images", "app.Fetch", name="fetch"), sizes, step("mail", "app.mail.Send"))
    report: PutSpec = {"queue": "mail", "klass": "app.Report"}
    client.workflows.submit(Workflow("photos", flow, on_success=report))
    client.queues["images"].pop(1)[0].complete()
    with client.batch("night", on_complete=report) as batch:
        batch.put("images", "app.Resize", {"n": 1}, retries=0, priority=9)
        batch.put("images", "app.Resize", {"n": 2})
    client.queues["images"].pop(1)[0].fail("app.Resize:OSError", "no space left on device")
    client.operations.start("tag", "state:failed", tags=["seen"], by="ann")
