"""Measure what tracing costs: instructions and calls of Python, CPU time, and bytes of a job.

Instructions do not depend on what else the machine does. Those on lines of the hooks are what
tracing costs while it is off.
"""

from __future__ import annotations

import linecache
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final

from opentelemetry import trace

import qless_py
from benchmarks import command
from benchmarks.tracing.handlers import set_up
from qless_py import testing, tracing
from qless_py.handlers.executor import HandlerOptions
from tests import servers

PACKAGE: Final = str(Path(qless_py.__file__).parent)
KLASS: Final = "benchmarks.tracing.handlers.nothing"
DATA: Final[dict[str, Any]] = {"kwargs": {}}
MODES: Final = ("off", "no exporter", "on")
ROUNDS: Final = 5
HOOK: Final = re.compile(r"instrumentation\.current|observer|_span\b|\bspan\b[ ,=]")


def turn(mode: str) -> None:
    tracing.uninstrument()
    if mode == "no exporter":
        tracing.instrument(tracer_provider=trace.NoOpTracerProvider())
    elif mode == "on":
        tracing.instrument(set_up)


def count(run: Callable[[], object]) -> Counter[str]:
    """Count the instructions of this package, those of the hooks, and the calls of functions."""
    counted: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _: Any) -> Any:
        name = frame.f_code.co_filename
        if event == "call":
            counted["calls"] += 1
            frame.f_trace_opcodes = name.startswith(PACKAGE)
        elif event == "opcode":
            counted["instructions"] += 1
            if HOOK.search(linecache.getline(name, frame.f_lineno or 0)):
                counted["of hooks"] += 1
        return note

    before = sys.gettrace()
    sys.settrace(note)
    try:
        run()
    finally:
        sys.settrace(before)
    return counted


def cpu_of(run: Callable[[], object], number: int) -> float:
    """Return the microseconds of CPU time of this process, the least of a few rounds."""
    spent = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(number):
            run()
        spent.append(time.process_time() - begun)
    return 1e6 * min(spent) / number


def operations(client: qless_py.Client) -> dict[str, Callable[[], object]]:
    """Return what is measured in this process."""
    queue = client.queues["bench"]
    hundred = [{"klass": KLASS, "data": DATA}] * 100
    options = HandlerOptions(allow_any=True)

    def run_one() -> None:
        queue.put(KLASS, DATA)
        testing.drain(queue, options=options)

    return {
        "put": lambda: queue.put(KLASS, DATA),
        "put_many of 100": lambda: queue.put_many(hundred),  # type: ignore[arg-type]
        "put and run": run_one,
    }


def in_process(client: qless_py.Client, number: int) -> Iterator[tuple[str, ...]]:
    """Measure each operation with each mode."""
    for name, run in operations(client).items():
        for mode in MODES:
            client.redis.flushall()
            turn(mode)
            run()
            counted = count(run)
            cpu = cpu_of(run, number)
            yield (
                *(name, mode, str(counted["instructions"]), str(counted["of hooks"])),
                *(str(counted["calls"]), f"{cpu:.0f}"),
            )
    turn("off")


def bytes_of_a_job(client: qless_py.Client) -> Iterator[tuple[str, ...]]:
    """Measure the stored value of a job."""
    for mode in MODES:
        turn(mode)
        jid = client.queues["bench"].put(KLASS, DATA)
        yield mode, str(client.redis.strlen(f"{{ql}}:job:{jid}"))
    turn("off")


def by_worker(client: qless_py.Client, url: str, number: int, *, traced: bool) -> float:
    """Return the microseconds of CPU time that a worker of one child spends on a job."""
    spent = []
    for jobs in (0, number):
        client.redis.flushall()
        turn("on" if traced else "off")
        client.queues["bench"].put_many([{"klass": KLASS, "data": DATA}] * jobs)
        before = os.times()
        program = [sys.executable, "-m", "qless_py", "work", "--app", "benchmarks.tracing.handlers"]
        subprocess.run(
            [*program, "--url", url, "-n", "1", "--burst", "--quiet", "--job-log", "off"],
            env={**os.environ, "TRACED": "1" if traced else ""},
            check=True,
        )
        after = os.times()
        user = after.children_user - before.children_user
        spent.append(user + after.children_system - before.children_system)
    turn("off")
    return 1e6 * (spent[1] - spent[0]) / number


def show(title: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print(f"\n{title}")
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    for row in (names, *rows):
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def main(given: Sequence[str] | None = None) -> None:
    """Measure and print."""
    arguments = command.parser("tracing", __doc__, "5%%").parse_args(given)
    number = 50 if arguments.quick else 1000
    for server in command.selected_servers(arguments):
        with servers.running(server) as private, qless_py.Client(private.url) as client:
            rows = list(in_process(client, max(number // 10, 5)))
            names = ("operation", "tracing", "instructions", "of hooks", "calls", "CPU µs")
            show(f"{server}: one operation in this process", names, rows)
            show("bytes of a job", ("tracing", "bytes"), list(bytes_of_a_job(client)))
            workers = [
                (mode, f"{by_worker(client, private.url, 10 * number, traced=mode == 'on'):.0f}")
                for mode in ("off", "on")
            ]
            show("a job in a worker", ("tracing", "CPU µs"), workers)


if __name__ == "__main__":
    main()
