"""One run of the demo: start workers, kill some, wait for all jobs, compare the totals."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from rich.console import Console

from qless_py import Client, Job, QlessError, protocol
from qless_py.cli.demo import jobs, screen, workers
from qless_py.cli.demo.indexing import Totals, count_tree
from qless_py.cli.demo.screen import Moment, Screen
from qless_py.cli.demo.workers import Crash, Fleet
from qless_py.client.humanize import duration, plural
from qless_py.dashboard import DashboardConfig, create_app
from qless_py.dashboard.server import listen
from qless_py.protocol.batches import BatchStatus

BROKEN_FILES: Final = MappingProxyType(
    {
        "half_a_function.py": b"def begun(:\n    return\n",
        "zero_bytes.py": b"value = 1\n\x00\x00\x00\n",
        "no_such_encoding.py": b"# -*- coding: klingon -*-\nvalue = 1\n",
    },
)


def write_broken_files(folder: Path) -> None:
    """Write files that are not Python into a folder, so that some jobs fail."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in BROKEN_FILES.items():
        (folder / name).write_bytes(content)


@contextlib.contextmanager
def serving(client: Client) -> Iterator[str]:
    """Serve the dashboard on a free port of this machine; yield its address."""
    app = create_app(client, DashboardConfig(environment="demo"))
    server = listen(app, "127.0.0.1", 0, is_silent=True)
    # A daemon: a browser that reads a live stream must not keep the demo running.
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# Short leases, so that the jobs of a killed worker are soon retried.
_CONFIG: Final = (("heartbeat", 2), ("grace-period", 0.5))
_WORKERS: Final = 2
_LOOK: Final = 0.1
_CHILD_DIES_AT: Final = 0.25
_PARENT_DIES_AT: Final = 0.5
_STUCK: Final = 60.0


class DemoError(QlessError):
    """The demo cannot continue."""


def standard_library() -> Path:
    """Return the folder of the standard library."""
    return Path(sysconfig.get_paths()["stdlib"])


@dataclass(slots=True)
class Demo:
    """One run: index the source files of `folder`, with the embedded store in `store`."""

    folder: Path
    store: Path
    console: Console
    crashes: bool = True
    _crashed: list[Crash] = field(default_factory=list)

    def run(self) -> bool:
        """Run the demo; return whether all results are right."""
        with ExitStack() as stack:
            extra = stack.enter_context(tempfile.TemporaryDirectory(prefix="qless-py-broken-"))
            write_broken_files(Path(extra))
            url = f"embedded://{quote(str(self.store.resolve()))}"
            client = stack.enter_context(_fresh_namespace(url))
            self._print(f"Indexing the source files in {self.folder}")
            self._print(f"Store: {url}, namespace {client.namespace}")
            window = stack.enter_context(serving(client))
            self._print(f"Dashboard, while this runs: {window}")
            status = self._work(client, url, Path(extra))
            return self._sum_up(client, status)

    def _work(self, client: Client, url: str, extra: Path) -> BatchStatus:
        """Let workers run the jobs; return the final status of the batch."""
        arguments = ["--url", url, "--namespace", client.namespace, "--import", "qless_py.cli.demo"]
        for name in jobs.QUEUES:
            arguments += ["--queue", name]
        children = max(1, (os.cpu_count() or 1) // _WORKERS)
        arguments += ["--children", str(children)]
        roots = [
            {"name": "library", "path": str(self.folder), "strict": False},
            {"name": "broken", "path": str(extra), "strict": True},
        ]
        report = {"url": url, "namespace": client.namespace}
        with Fleet(arguments, self.store / "workers.log") as fleet, Screen(self.console) as shown:
            for _ in range(_WORKERS):
                shown.note(f"worker started: supervisor {fleet.start()}, children: {children}")
            client.queues[jobs.SURVEY].put(
                jobs.Survey, {"roots": roots, "report": report}, jid=jobs.SURVEY
            )
            status = self._watch(client, fleet, shown)
            job = client.jobs[jobs.REPORT_JID]
            if isinstance(job, Job):
                job.wait(_STUCK)
        return status

    def _watch(self, client: Client, fleet: Fleet, shown: Screen) -> BatchStatus:
        """Follow the jobs until all have ended, and crash workers on the way."""
        pause = threading.Event()
        last, changed_at = None, time.monotonic()
        while True:
            status = client.batches[jobs.BATCH].status
            moment = _moment(client, status)
            shown.show(moment)
            if status is not None and status["state"] == "finished":
                return status
            if moment != last:
                last, changed_at = moment, time.monotonic()
            self._refuse_trouble(client, fleet, time.monotonic() - changed_at)
            if self.crashes and moment.total:
                self._crash(client, fleet, shown, moment.ended / moment.total)
            pause.wait(_LOOK)

    def _refuse_trouble(self, client: Client, fleet: Fleet, quiet: float) -> None:
        log = self.store / "workers.log"
        survey = client.jobs[jobs.SURVEY]
        if isinstance(survey, Job) and survey.state == "failed":
            raise DemoError(f"the survey failed: {survey.failure['message'].strip()}")
        if fleet.ended():
            raise DemoError(f"a worker exited unexpectedly, see {log}")
        if quiet > _STUCK:
            raise DemoError(f"no progress for {_STUCK:.0f} s, see {log}")

    def _crash(self, client: Client, fleet: Fleet, shown: Screen, share: float) -> None:
        """Kill a child, later a supervisor, as soon as it runs a job."""
        crash = None
        if not self._crashed and share >= _CHILD_DIES_AT:
            crash = workers.kill_child(client)
        elif len(self._crashed) == 1 and share >= _PARENT_DIES_AT:
            crash = workers.kill_supervisor(client, fleet)
        if crash is None:
            return
        self._crashed.append(crash)
        held = plural(len(crash.jids), "job")
        shown.note(f"sent SIGKILL to {crash.what} {crash.pid}, which held {held}")
        if crash.what == "supervisor":
            shown.note(f"worker restarted: supervisor {fleet.start()}")

    def _sum_up(self, client: Client, status: BatchStatus) -> bool:
        job = client.jobs[jobs.REPORT_JID]
        if not isinstance(job, Job) or job.state != "complete":
            raise DemoError("the report job has not completed")
        report = job.result
        seconds = status["finished_at"] - status["opened_at"]
        rate = status["total"] / max(seconds, 0.001)
        self._print(f"Done: {status['total']:,} jobs in {duration(seconds)}, {rate:,.0f} jobs/s")
        screen.show_largest(self.console, report)
        screen.show_times(self.console, client, status["opened_at"], status["finished_at"])
        failed = screen.show_failures(self.console, client)
        recoveries = [screen.recovery(client, crash) for crash in self._crashed]
        screen.show_recoveries(self.console, recoveries)
        self._print("Counting the same files in one process, without a queue, to compare …")
        plain, _ = count_tree(self.folder)
        is_equal = screen.show_totals(self.console, Totals(**report["totals"]), plain)
        self._print(f"The totals are {'equal' if is_equal else 'NOT equal'}.")
        command = f"{shlex.quote(sys.executable)} -m qless_py"
        place = shlex.quote(f"embedded://{quote(str(self.store.resolve()))}")
        where = f"--url {place} --namespace {client.namespace}"
        self._print(
            "The jobs are still in the store. Inspect them in the browser or here:\n"
            f"  {command} web {where}\n"
            f"  {command} job show {jobs.REPORT_JID} {where}"
        )
        is_recovered = all(one.is_whole for one in recoveries)
        return is_equal and is_recovered and failed == len(BROKEN_FILES)

    def _print(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)


def _fresh_namespace(url: str) -> Client:
    """Open a namespace that no earlier demo has used."""
    number = 1
    while True:
        client = Client(url, namespace=f"demo-{number}")
        if "schema" not in client.run(protocol.namespace.meta()):
            break
        client.close()
        number += 1
    for option, value in _CONFIG:
        client.config[option] = value
    return client


def _moment(client: Client, status: BatchStatus | None) -> Moment:
    counts = client.queues.counts
    workers = sum(1 for row in client.workers.counts if row.get("info"))
    if status is None:
        return Moment(0, 0, 0, 0, 0, workers)
    return Moment(
        total=status["total"],
        ended=status["completed"] + status["failed"] + status["canceled"],
        failed=status["failed"],
        waiting=sum(one["waiting"] for one in counts),
        running=sum(one["running"] for one in counts),
        workers=workers,
    )
