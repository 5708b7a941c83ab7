"""No job is lost, stuck or run twice without reason while processes are killed with SIGKILL."""

import os
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from qless_py import Client, Job, QlessError, fsck
from qless_py.protocol.options import PutSpec
from tests.chaos import checker, handlers, ledger
from tests.chaos.checker import Ending, Violations
from tests.chaos.ledger import Ledger, Line
from tests.chaos.nemesis import Nemesis, Workers

JOBS = 2000
PER_PUT = 20
PARENTS, CHILDREN = 2, 2
HEARTBEAT, GRACE = 2.0, 0.5
QUIET = 3 * (HEARTBEAT + GRACE) + 5


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ql") as made:
        yield Path(made)


def produce(client: Client, book: Path, seed: int) -> None:
    """Put the jobs; write each acknowledgement down, on the disk, before the next put."""
    rng = random.Random(seed)
    written = Ledger(book)
    for first in range(0, JOBS, PER_PUT):
        jids = [f"job-{number}" for number in range(first, first + PER_PUT)]
        specs: list[PutSpec] = [
            {
                "klass": handlers.work,
                "jid": jid,
                "retries": 50,
                "data": {"ledger": str(book), "seconds": seconds(rng)},
            }
            for jid in jids
        ]
        try:
            client.queues["chaos"].put_many(specs)
        except (QlessError, redis.RedisError):
            written.write(*(Line("unsure", jid) for jid in jids), sync=True)
        else:
            written.write(*(Line("acked", jid) for jid in jids), sync=True)
    written.close()


def seconds(rng: random.Random) -> float:
    """Draw how long a job lasts: mostly short, at times long enough to be frozen in the middle."""
    return rng.uniform(1.0, 1.5) if rng.random() < 0.015 else rng.uniform(0.005, 0.05)


def ended(client: Client) -> int:
    """Count the jobs that are complete or failed; -1 while the store is away."""
    try:
        failed = sum(client.jobs.failed().values())
        return len(client.jobs.complete(0, 1000)) + len(client.jobs.complete(1000, 1000)) + failed
    except (QlessError, redis.RedisError):
        return -1


def run(client: Client, nemesis: Nemesis, book: Path, seed: int) -> None:
    producer = threading.Thread(target=produce, args=(client, book, seed))
    producer.start()
    pause = threading.Event()
    seen, changed_at = -1, time.monotonic()
    while time.monotonic() - changed_at < QUIET:
        now = ended(client)
        if now != seen:
            seen, changed_at = now, time.monotonic()
        if seen == JOBS:
            break
        # The last jobs run without faults, so that the end is not put off again and again.
        if seen < JOBS * 0.95:
            nemesis.act()
        else:
            nemesis.thaw()
        pause.wait(0.05)
    producer.join(60)


def endings(client: Client) -> dict[str, Ending]:
    found = client.jobs.get(*(f"job-{number}" for number in range(JOBS)))
    return {
        job.jid: Ending(job.state, tuple(entry["what"] for entry in job.history), job.result or "")
        for job in found
        if isinstance(job, Job)
    }


def report(text: str) -> None:
    """Print, which pytest shows when the test fails: the seed runs the same faults again."""
    print(text)  # noqa: T201


@pytest.mark.slow
@pytest.mark.fork
@pytest.mark.timeout(240)
def test_nothing_is_lost_stuck_or_repeated_without_reason_under_kills(folder: Path) -> None:
    seed = int(os.environ.get("QLESS_PY_CHAOS_SEED", "0")) or random.SystemRandom().getrandbits(32)
    report(f"QLESS_PY_CHAOS_SEED={seed}")
    url = f"embedded://{folder}/store"
    book = folder / "ledger"
    workers = Workers(url, CHILDREN, folder / "workers.log")
    with Client(url) as client:
        for option, value in (("heartbeat", HEARTBEAT), ("grace-period", GRACE)):
            client.config[option] = value
        client.config["max-crashes"] = 50
        nemesis = Nemesis(seed, workers, client)
        try:
            for _ in range(PARENTS):
                workers.start()
            run(client, nemesis, book, seed)
        finally:
            nemesis.thaw()
            workers.stop()
        report("\n".join(nemesis.log))
        found = endings(client)
        violations = checker.violations(ledger.read(book), found)
        findings = fsck.check(client.redis, client.namespace)
        server = psutil.Process(int(client.redis.info("server")["process_id"]))
    psutil.wait_procs([server], timeout=5)  # It writes its file out before it ends.

    again = sum(1 for one in found.values() if one.history.count("popped") > 1)
    report(f"{dict(nemesis.faults)}; {again} jobs ran more than once")
    assert violations == Violations()
    assert findings == []
    assert nemesis.faults["server"] == 1
    assert nemesis.faults["child"] >= 5
    assert nemesis.faults["parent"] >= 2
    assert nemesis.faults["frozen"] >= 1
    assert again > 0
    assert all(one.state == "complete" for one in found.values())
