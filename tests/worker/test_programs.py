"""Programs as handlers, and bursts, on real workers."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import textwrap
from pathlib import Path

import pytest

from qless_py import Client, JobFailedError
from tests import servers
from tests.worker import hostile_handlers
from tests.worker.conftest import Start
from tests.worker.job_helpers import put, read, result

pytestmark = [pytest.mark.fork, pytest.mark.any_server]

PROGRAM = """
    import os, signal, sys
    kind = os.environ["QLESS_KLASS"]
    if kind == "talks":
        for _ in range(500):
            os.write(1, b"o" * 100_000)
            os.write(2, b"e" * 100_000)
    elif kind == "stays":
        left = os.fork()
        if left == 0:
            os.setsid()
            signal.pause()
        print(left)
    elif kind == "dies":
        os.abort()
"""


def test_noisy_lingering_or_dying_programs_delay_no_job(
    live: Client, server: servers.Server, launch: Start, tmp_path: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    words = [sys.executable, "-m", "qless_py", "work", "--url", server.url, "-q", "work", "-n", "2"]
    # None of them reads its data, which does not fit into a pipe.
    kinds = ("talks", "stays", "dies", "is silent")
    jids = {kind: put(live, kind, "x" * 400_000) for kind in kinds}

    worker = launch(*words, "--burst", "--exec", f"{sys.executable} {program}")
    try:
        assert worker.wait() == 0
    finally:
        with contextlib.suppress(ValueError, TypeError, ProcessLookupError):
            os.kill(int(read(live, jids["stays"]).result), signal.SIGKILL)

    assert result(live, jids["talks"]) == "o" * 65536
    assert int(result(live, jids["stays"])) > 0
    assert result(live, jids["is silent"]) is None
    with pytest.raises(JobFailedError, match="ended by signal 6"):
        result(live, jids["dies"])


def test_a_program_that_cannot_be_run_fails_its_jobs_and_ends_no_worker(
    live: Client, server: servers.Server, launch: Start, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    program.write_text("#!/nowhere/sh\n")  # It is there, and that is not.
    program.chmod(0o700)
    jids = [put(live, "any") for _ in range(3)]
    words = [sys.executable, "-m", "qless_py", "work", "--url", server.url, "-q", "work", "-n", "2"]

    worker = launch(*words, "--burst", "--exec", str(program))

    assert worker.wait() == 0
    for jid in jids:
        with pytest.raises(JobFailedError, match=f"cannot run {program}"):
            result(live, jid)


def test_a_burst_ends_when_all_that_jobs_have_put_is_done(live: Client, work: Start) -> None:
    for _ in range(4):
        put(live, hostile_handlers.breeds, {"depth": 3})
    later = put(live, hostile_handlers.retries_later)

    worker = work(burst=True, children=3, max_jobs=7, imports=["tests.worker.hostile_handlers"])

    assert worker.wait() == 0
    assert len(live.jobs.complete(0, 1000)) == 4 * (2**4 - 1)
    assert live.queues["work"].counts["waiting"] == 0
    assert read(live, later).state == "scheduled"
