"""Those who wait: workers with a request each, and readers of events, in processes of their own."""

from __future__ import annotations

import http.client
import json
import multiprocessing
import re
import selectors
import socket
import threading
import time
from typing import Any, Final

CONTEXT: Final = multiprocessing.get_context("spawn")
DONE: Final = b"event: job.completed"
GAP: Final = b"event: gap"
ID: Final = re.compile(rb"^id: ([0-9-]+)$", re.MULTILINE)
END: Final = 4096  # Bytes in which there is a whole event.
IDLE: Final = 2.0  # Seconds without an event, after which a reader has them all.


def connection(port: int) -> http.client.HTTPConnection:
    made = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    made.connect()
    made.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def send(to: http.client.HTTPConnection, method: str, path: str, body: Any = None) -> Any:
    headers = {"Content-Type": "application/json"} if body is not None else {}
    to.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
    answer = to.getresponse()
    text = answer.read()
    if answer.status >= 300:
        raise RuntimeError(f"{method} {path}: {answer.status} {text.decode()}")
    return json.loads(text) if text else None


class Crowd:
    """Workers and readers until they are stopped."""

    def __init__(self, port: int, workers: int, readers: int) -> None:
        self._is_over = CONTEXT.Event()
        self._results: Any = CONTEXT.Queue()
        self._processes = [
            CONTEXT.Process(target=run, args=(port, number, self._is_over, self._results))
            for run, number in ((work_all, workers), (read_all, readers))
        ]
        for one in self._processes:
            one.start()

    def stop(self, number: int) -> dict[str, Any]:
        self._is_over.set()
        found: dict[str, Any] = {}
        for _ in self._processes:
            found |= self._results.get(timeout=60)
        for one in self._processes:
            one.join()
        return {"expected": number, **found}


def work_all(port: int, number: int, is_over: Any, results: Any) -> None:
    completed: dict[str, int] = {}
    delays: list[float] = []
    errors: list[str] = []
    lock = threading.Lock()

    def work(index: int) -> None:
        to = connection(port)
        while not is_over.is_set():
            body = {"worker": f"w{index}", "queues": ["q"], "count": 10, "wait": 5}
            for job in send(to, "POST", "/pop", body)["jobs"]:
                delay = time.time() - job["data"]
                send(to, "POST", f"/jobs/{job['jid']}/complete", {"lease": job["lease"]})
                with lock:
                    completed[job["jid"]] = completed.get(job["jid"], 0) + 1
                    delays.append(delay)

    def guarded(index: int) -> None:
        try:
            work(index)
        except Exception as error:  # noqa: BLE001 - counted and printed
            errors.append(f"worker {index}: {error!r}")

    threads = [threading.Thread(target=guarded, args=(index,)) for index in range(number)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    twice = sum(count > 1 for count in completed.values())
    found = {"completed": len(completed), "twice": twice, "delays": delays, "errors": errors}
    results.put(found)


def read_all(port: int, number: int, is_over: Any, results: Any) -> None:
    """Count the events of each reader in the bytes as they come.

    A reader whose stream ends, as it does after five minutes, connects again behind its last event.
    """
    selector = selectors.DefaultSelector()
    events, tails, ends, gaps = [0] * number, [b""] * number, [b""] * number, 0

    def connect(index: int) -> None:
        request = b"GET /api/v1/events?types=job.completed HTTP/1.1\r\nHost: localhost\r\n"
        if known := ID.findall(ends[index]):
            request += b"Last-Event-ID: " + known[-1] + b"\r\n"
        made = socket.create_connection(("127.0.0.1", port))
        made.sendall(request + b"\r\n")
        selector.register(made, selectors.EVENT_READ, index)

    for index in range(number):
        connect(index)
    last = time.monotonic()
    while not is_over.is_set() or time.monotonic() < last + IDLE:
        for key, _ in selector.select(0.2):
            index = key.data
            received = key.fileobj.recv(2**18)  # type: ignore[union-attr]
            if not received:
                selector.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]
                connect(index)
                continue
            text = tails[index] + received
            ends[index] = (ends[index] + received)[-END:]
            events[index] += text.count(DONE)
            gaps += text.count(GAP)
            tails[index] = _unfinished(text)
            last = time.monotonic()
    results.put({"events": events, "gaps": gaps})


def _unfinished(text: bytes) -> bytes:
    """Return the end of a text that may be the beginning of a mark."""
    longest = max(len(DONE), len(GAP)) - 1
    for size in range(min(longest, len(text)), 0, -1):
        end = text[-size:]
        if any(mark.startswith(end) for mark in (DONE, GAP)):
            return end
    return b""
