"""Handlers for workers under test. They report what they do through named pipes."""

import asyncio
import ctypes
import multiprocessing
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from qless_py import GracefulStop, ImmediateStop, Job, LostLeaseError


def report(job: Job, text: str) -> None:
    with Path(job["pipe"]).open("ab", buffering=0) as pipe:
        pipe.write(f"{text}\n".encode())


class ByQueue:
    @staticmethod
    def work(job: Job) -> str:
        return f"work of {job.jid}"

    def perform(self, job: Job) -> str:
        return f"perform of {job.jid}"


def double(job: Job) -> int:
    return 2 * int(job["number"])


def counts(job: Job) -> None:
    job["number"] += 1


def nothing(_job: Job) -> None:
    pass


async def awaits_nothing(_job: Job) -> None:
    pass


def tells_its_jid(job: Job) -> None:
    report(job, job.jid)


def raises(_job: Job) -> None:
    raise ValueError("this went wrong")


def leaves(_job: Job) -> None:
    raise SystemExit("I am off")


def completes(job: Job) -> str:
    job.complete(result="mine")
    return "ignored"


def retries(job: Job) -> None:
    if job.retries_left == job.original_retries:
        job.retry()


def fails(job: Job) -> None:
    job.fail("my-group", "my message")
    raise ValueError("after the result")


def spoils_its_data(job: Job) -> None:
    job["bad"] = {1, 2, 3}
    raise ValueError("and then this")


def unwritable(_job: Job) -> Any:
    return {1, 2, 3}


def large(_job: Job) -> str:
    return "x" * 2_000_000


def follows_up(job: Job) -> None:
    job.put("work", double, {"number": 4}, jid="follow-up")


def dies_once(job: Job) -> str:
    if job.crashes == 0:
        os._exit(7)
    return "alive"


def waits(job: Job) -> str:
    """Report the pid and wait for a line on the pipe `go`."""
    report(job, str(os.getpid()))
    with Path(job["go"]).open("rb", buffering=0) as go:
        # Enough bytes at once that two readers of the same pipe do not share a line.
        return go.read(3).decode().strip()


def stoppable(job: Job) -> None:
    try:
        report(job, str(os.getpid()))
        threading.Event().wait(300)
    except ImmediateStop:
        report(job, "stopped")
        raise
    except LostLeaseError:
        report(job, "lost")
        raise


def stubborn(job: Job) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    report(job, str(os.getpid()))
    threading.Event().wait(300)


def spins(job: Job) -> str:
    """Hold the interpreter without a break for some seconds."""
    report(job, "spinning")
    until = time.monotonic() + float(job["seconds"])
    while time.monotonic() < until:
        sum(range(1000))
    return "done"


def starts_a_program(_job: Job) -> str:
    """Return the signals that a program started by a job ignores."""
    status = subprocess.run(["cat", "/proc/self/status"], check=True, capture_output=True).stdout
    ignored = next(line for line in status.decode().splitlines() if line.startswith("SigIgn"))
    return ignored.split()[1]


def ends_of_programs(_job: Job) -> list[int]:
    """Return the exit codes of programs that have ended before anybody asked for them."""
    programs = [subprocess.Popen(["sh", "-c", "exit 3"]) for _ in range(20)]
    return [program.wait() for program in reversed(programs)]


def sockets(_job: Job) -> list[str]:
    return sockets_of("self")


def sockets_of(process: int | str) -> list[str]:
    """Return the sockets that a process has open."""
    open_ones = [one for one in Path(f"/proc/{process}/fd").iterdir() if one.is_symlink()]
    return [name for one in open_ones if (name := str(one.readlink())).startswith("socket")]


async def asynchronous(_job: Job) -> int:
    return 1


def forks(job: Job) -> tuple[int, int]:
    """Fork, and let the copy leave the handler in the way the data names."""
    copy = os.fork()
    if copy == 0:
        if job["by"] == "raise":
            raise ValueError("of a copy")
        if job["by"] == "exit":
            raise SystemExit(4)
        return 0, 0
    return os.getpid(), os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])


def terminates_a_process(_job: Job) -> int | None:
    process = multiprocessing.get_context("fork").Process(target=threading.Event().wait)
    process.start()
    process.terminate()
    process.join(30)
    process.kill()
    return process.exitcode


async def waits_async(job: Job) -> str:
    """Like `waits`, in the event loop."""
    report(job, str(os.getpid()))
    return await asyncio.to_thread(_heard, job)


def _heard(job: Job) -> str:
    with Path(job["go"]).open("rb", buffering=0) as go:
        # Enough bytes at once that two readers of the same pipe do not share a line.
        return go.read(3).decode().strip()


async def stoppable_async(job: Job) -> None:
    report(job, "begun")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        report(job, "canceled")
        raise


def loops(job: Job) -> None:
    """Run in Python for long, so that a thread can be interrupted."""
    pause = threading.Event()
    try:
        report(job, str(os.getpid()))  # The test may interrupt it right after this line.
        for _ in range(30000):
            pause.wait(0.01)
    except ImmediateStop:
        report(job, "stopped")
        raise
    except LostLeaseError:
        report(job, "lost")
        raise


def heeds(job: Job) -> str:
    """Return normally when the worker is stopping."""
    try:
        with job.stoppable():
            report(job, str(os.getpid()))
            threading.Event().wait(300)
    except GracefulStop:
        report(job, "leaving")
        return "undisturbed"
    return "never stored"


def hands_itself_back(job: Job) -> None:
    with job.stoppable():
        report(job, str(os.getpid()))
        threading.Event().wait(300)


def misses_the_first(job: Job) -> None:
    """Ignore the first interruption, as if it came right before the wait."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGURG)}

    def missed(number: int, _frame: object) -> None:
        signal.signal(number, before[signal.Signals(number)])
        report(job, "missed")

    for number in before:
        signal.signal(number, missed)
    hands_itself_back(job)


def closes_everything(_job: Job) -> None:
    """Close the pipe by which the process would report that the job has ended."""
    os.closerange(3, 256)


def pid(_job: Job) -> int:
    return os.getpid()


def grows(_job: Job) -> int:
    """Keep 60 MB for ever."""
    kept.append(b"x" * 60_000_000)
    return os.getpid()


kept: list[bytes] = []


def big(job: Job) -> str:
    return "x" * int(job["size"])


def in_sandbox(job: Job) -> tuple[str | None, list[str]]:
    folder = Path(str(job.sandbox))
    before = [one.name for one in folder.iterdir()]
    (folder / "left").write_text("behind")
    return job.sandbox, before


def leaves_an_orphan(_job: Job) -> int:
    """Fork twice, so that a process outlives its parent; give its pid."""
    reader, writer = os.pipe()
    middle = os.fork()
    if middle == 0:
        orphan = os.fork()
        if orphan:
            os.write(writer, str(orphan).encode())
        os._exit(0)
    os.waitpid(middle, 0)
    return int(os.read(reader, 20))


def title(_job: Job) -> str:
    return Path("/proc/self/comm").read_text().strip()


def loaded(_job: Job) -> float:
    return LOADED_AT


LOADED_AT = time.monotonic()


def dies(_job: Job) -> None:
    os._exit(7)


def sleeps(_job: Job) -> None:
    threading.Event().wait(300)


def has_sandbox(job: Job) -> bool:
    return job.sandbox is not None


def short(_job: Job) -> None:
    threading.Event().wait(0.005)


def sleeps_in_c(job: Job) -> int:
    report(job, "asleep")
    return int(ctypes.CDLL(None).sleep(int(job["seconds"])))
