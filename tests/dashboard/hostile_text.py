"""Texts that try to inject markup or break the layout, in every field that takes text."""

from __future__ import annotations

import json
import re
from typing import Final

from qless_py import Client, Workflow, group, protocol, step

MARK: Final = "qx7"
CORPUS: Final = (
    f"<script>{MARK}()</script>",
    f'"><img src=x onerror={MARK}()>',
    f"' onfocus='{MARK}()' autofocus='",
    f"</textarea></pre></title></svg><svg onload={MARK}()>",
    f"javascript:{MARK}()",
    f"{{{{ {MARK} }}}}{{% raw %}}",
    f"<!--{MARK}--!><a href=x>",
    f"\u202e{MARK}\x00\x1b[31m\r\nSet-Cookie: {MARK}=1",
)
LONG: Final = "W" * 90


def fill(client: Client) -> None:
    """Use hostile and long texts wherever text can be chosen freely."""
    for number, text in enumerate(CORPUS):
        clean = re.sub(r"[\x00-\x1f\x7f]", " ", text)
        queue = client.queues[f"queue-{number}"]
        queue.put(f"app.{clean}", {text: [text, {"deep": text}]}, jid=f"waits-{number}", tags=["x"])
        queue.put("K", text, jid=f"fails-{number}", priority=5)
        job = queue.pop()
        assert job is not None
        job.log(clean, {text: text})
        job.set_progress(text)
        job.fail(f"group {clean}", f"message {text}")
        queue.put("K", text, jid=f"ends-{number}", priority=5)
        ended = queue.pop()
        assert ended is not None
        ended.complete(result={text: text})
        queue.recur("K", {text: text}, interval=60, jid=f"recurs-{number}")
        client.queues[f"stopped-{number}"].put("K", text)
        client.queues[f"stopped-{number}"].pause(reason=clean)
        quoted = clean.replace('"', "'").replace("\\", "/")
        client.operations.start("cancel", f'"{quoted}"', by=text)
        client.track(f"waits-{number}")
    info = {"host": CORPUS[0], "queues": list(CORPUS), "pid": CORPUS[1], "state": CORPUS[2],
            "version": {CORPUS[3]: 1}, "busy": CORPUS[4], "slots": "many", "rss": [1]}  # fmt: skip
    client.run(protocol.workers.register("worker-1", "n", json.dumps(info).encode()))
    client.run(protocol.workers.register("worker-2", "n", b'{"queues": 5, "busy": {}, "host": 1}'))
    _fill_with_long_words(client)
    _submit(client)


def _submit(client: Client) -> None:
    """Submit a workflow with hostile classes, results and failures, and long names."""
    klasses = [re.sub(r"[\x00-\x1f\x7f]", " ", text) for text in CORPUS]
    part = group(*(step("flow", f"app.{one}", {one: one}, name=LONG[:59] + str(n))
                   for n, one in enumerate(klasses)))  # fmt: skip
    client.workflows.submit(Workflow(LONG[:60], part))
    first, second = client.queues["flow"].pop(2, worker="worker-1")
    first.complete(result=CORPUS)
    second.fail(klasses[0], CORPUS[1])
    with client.batch(LONG) as batch:
        batch.put("flow", f"app.{klasses[1]}", CORPUS, jid=f"{LONG}-6")


def _fill_with_long_words(client: Client) -> None:
    """Name everything with words too long for a line on a phone."""
    queue = client.queues[LONG]
    client.throttles[LONG].set(concurrency=1)
    client.users[LONG].set(weight=2)
    for jid in (f"{LONG}-1", f"{LONG}-2"):
        queue.put(f"app.{LONG}", {LONG: LONG}, jid=jid, tags=[LONG], user=LONG, throttles=[LONG])
    (job,) = queue.pop(1, worker=LONG)
    job.set_progress(LONG)
    job.track()
    client.queues["fails"].put("K", {}, jid=f"{LONG}-3", depends=[f"{LONG}-1"])
    client.queues["fails"].put("K", {}, jid=f"{LONG}-4")
    (failed,) = client.queues["fails"].pop(1, worker=LONG)
    failed.fail(LONG, LONG)
    queue.recur("K", {}, interval=60, jid=f"{LONG}-5", tags=[LONG])
    queue.pause(reason=LONG)
