"""A namespace in which every change that people can make has something to change."""

from __future__ import annotations

from qless_py import Client, Job, Workflow, step
from qless_py.client.operations import carry_out
from qless_py.handlers.resolve import OPERATIONS_QUEUE
from qless_py.protocol import deploys, workers


def _fail_next(client: Client, queue: str) -> None:
    job = client.queues[queue].pop(worker="gone")
    assert isinstance(job, Job)
    job.fail("Broke", "it broke")


def prepare(client: Client) -> dict[str, str]:
    """Fill the namespace; return the names that the store has chosen."""
    queue = client.queues["mail"]
    for jid in ("runs", "fails", "done"):
        queue.put("K", jid=jid)
    _, failing, ending = queue.pop(3, worker="w")
    failing.fail("Refused", "no")
    ending.complete()
    for jid in ("waits", "parent"):
        queue.put("K", jid=jid, tags=["x"])
    queue.put("K", jid="later", delay=600)
    queue.put("K", jid="child", depends=["parent", "later"])
    queue.recur("K", {}, 60, jid="tick")
    client.queues["empty"].put("K", jid="gone")
    client.cancel("gone")
    client.track("waits")
    client.throttles["api"].set(concurrency=1)
    client.users["ada"].set(weight=1)
    client.webhooks.add("https://h.example/", id="hook")
    client.run(workers.register("w", "n", b"{}"))
    with client.batch("night") as batch:
        batch.put("batches", "K")
    client.workflows.submit(Workflow("flow", step("flows", "K", name="first")))
    _fail_next(client, "batches")
    _fail_next(client, "flows")
    undoable = client.operations.start("priority", "jid:waits", priority=1)
    carried_out = client.queues[OPERATIONS_QUEUE].pop()
    assert carried_out is not None
    carried_out.complete(result=carry_out(carried_out))
    marker, _ = client.run(deploys.mark("v1", "ann"))
    return {
        "UNDOABLE": undoable,
        "OPERATION": client.operations.start("tag", "state:failed", tags=["t"]),
        "TOKEN": client.tokens.create("t", scopes=["put"]).token.id,
        "DELIVERY": client.webhooks.test("hook"),
        "MARKER": marker.id,
    }
