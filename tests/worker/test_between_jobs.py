"""What a job leaves behind in its process, and what becomes of jobs fetched with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from qless_py import Client
from tests.servers import Server
from tests.worker import leaving_handlers
from tests.worker.conftest import Start
from tests.worker.job_helpers import put, result

pytestmark = [pytest.mark.fork, pytest.mark.any_server]

IMPORTS = ["tests.worker.leaving_handlers"]


def test_the_next_job_inherits_no_timer_signal_folder_or_umask(live: Client, work: Start) -> None:
    before = put(live, leaving_handlers.sees_state)
    left = put(live, leaving_handlers.leaves_state)
    after = put(live, leaving_handlers.sees_state)
    work(imports=IMPORTS)

    assert result(live, left) == result(live, before)[0]
    assert result(live, after) == result(live, before)


@pytest.mark.parametrize("isolation", ["child", "job"])
def test_atexit_functions_of_jobs_run_when_their_process_ends(
    live: Client, work: Start, tmp_path: Path, isolation: str
) -> None:
    file = tmp_path / "ended"
    jids = [put(live, leaving_handlers.registers, {"file": str(file)}) for _ in range(3)]

    assert work(imports=IMPORTS, isolation=isolation, burst=True).wait() == 0

    assert sorted(file.read_text().split()) == sorted(jids)


def test_an_atexit_function_that_does_not_end_delays_no_worker_for_long(
    live: Client, work: Start, tmp_path: Path
) -> None:
    file = tmp_path / "ended"
    jid = put(live, leaving_handlers.never_exits, {"file": str(file)})

    worker = work(imports=IMPORTS, burst=True)

    assert worker.wait() == 0
    assert file.read_text().split() == [jid]
    worker.wait_for_log("atexit functions took longer")


@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_client_of_a_module_serves_each_async_job(
    live: Client, work: Start, server: Server, concurrency: int
) -> None:
    handler = leaving_handlers.puts_by_a_client_of_its_module
    jids = [put(live, handler, {"url": server.url, "number": number}) for number in range(4)]
    work(imports=IMPORTS, concurrency=concurrency)

    assert len({result(live, jid) for jid in jids}) == 4


@pytest.mark.parametrize("isolation", ["child", "job"])
def test_no_job_fetched_with_it_starts_after_a_job_has_backed_off(
    live: Client, work: Start, tmp_path: Path, isolation: str
) -> None:
    file = tmp_path / "calls"
    live.throttles["api"].set(concurrency=200)
    for number in range(1, 101):
        data = {"file": str(file), "number": number, "allowed": 70}
        live.queues["work"].put(
            leaving_handlers.calls_a_service, data, jid=f"j{number}", throttles=["api"]
        )

    assert work(imports=IMPORTS, isolation=isolation, burst=True).wait() == 0

    assert file.read_text().split() == [f"j{number}" for number in range(1, 71)]
    assert live.queues["work"].counts["running"] == 0
