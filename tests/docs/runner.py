"""Run the blocks of a document in order, in one folder, on one embedded store."""

import contextlib
import doctest
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.docs.blocks import RUN, Block
from tests.eventually import eventually

ROOT = Path(__file__).parents[2]
INTERPRETER = Path(__file__).with_name("interpreter.py")
COMMAND_TIMEOUT = 150
STOP_TIMEOUT = 40
GLANCE = 0.05
# Stopped as a person would, by Ctrl-C or TERM: both are a good end.
GOOD_ENDS = {0, -signal.SIGTERM, -signal.SIGINT, 128 + signal.SIGTERM, 128 + signal.SIGINT}
# Commands that fork, serve or start themselves again begin as users begin them.
QUICK_PROGRAM = f"""\
#!/bin/sh
mkdir {{made}}/began 2>/dev/null && exec {{own}} "$@"
case " $* " in
  *" work "* | *" web "* | *" demo "*) exec {{own}} "$@" ;;
esac
exec {{python}} -I -S {Path(__file__).with_name("program.py")} {{warm}} {{own}} "$@"
"""

_COMMAND = re.compile(
    r"^\$ (?P<command>(?:.*\\\n)*.*\n?)(?P<shown>(?:(?!\$ ).*\n?)*)", re.MULTILINE
)


class BlockFailedError(AssertionError):
    """A block did not do what the document shows."""


class Runner:
    """What the blocks of one document share."""

    def __init__(self, name: str, folder: Path, warm: Path | None) -> None:
        self._name = name
        self._folder = folder
        self._work = folder / "work"
        self._environment = _environment(folder)
        self._started: list[tuple[Block, subprocess.Popen[bytes], Path]] = []
        self._interpreter: _Interpreter | None = None
        (folder / "home").mkdir()
        self._work.mkdir()
        _offer_checkout(self._work)
        if warm:
            quick = _quick_program(folder, warm)
            self._environment["PATH"] = f"{quick}:{self._environment['PATH']}"

    def run(self, block: Block) -> None:
        """Run one block, or raise what is wrong with it."""
        if block.not_run:
            return
        if block.file:
            file = self._work / block.file
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.code)
        elif block.language in RUN:
            getattr(self, f"_run_{block.language}")(block)

    def close(self) -> None:
        """Stop what runs until stopped; it must have run until now and end well."""
        if self._interpreter:
            self._interpreter.close()
        wrong = [
            failure for started in reversed(self._started) if (failure := self._stop(*started))
        ]
        if wrong:
            raise BlockFailedError("\n".join(wrong))

    def _run_python(self, block: Block) -> None:
        if self._interpreter is None:
            self._interpreter = _Interpreter(self._work, self._environment)
        error = self._interpreter.run(block, self._name)
        if error:
            raise self._failed(block, error)

    def _run_bash(self, block: Block) -> None:
        if block.runs_on:
            self._start(block, block.code)
        else:
            self._command(block, block.code)

    def _run_console(self, block: Block) -> None:
        commands = list(_COMMAND.finditer(block.code))
        if not commands:
            raise self._failed(block, "no line begins with '$ '")
        for found in commands:
            if block.runs_on:
                self._start(block, found["command"])
                continue
            output = self._command(block, found["command"])
            flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            shown = found["shown"].strip()
            if shown and not doctest.OutputChecker().check_output(shown, output.strip(), flags):
                raise self._failed(block, f"{found['command']}shown:\n{shown}\nprinted:\n{output}")

    def _command(self, block: Block, command: str) -> str:
        # Output goes to a file: a server that the command leaves behind may hold it open.
        with tempfile.TemporaryFile("w+") as output:
            process = self._popen(command, output.fileno())
            try:
                code = process.wait(COMMAND_TIMEOUT)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                code = -signal.SIGKILL
            output.seek(0)
            text = output.read()
        if code:
            raise self._failed(block, f"{command}ended with {code}:\n{text}")
        return text

    def _start(self, block: Block, command: str) -> None:
        log = self._folder / f"started-{block.line}-{len(self._started)}.log"
        with log.open("wb") as output:
            self._started.append((block, self._popen(command, output.fileno()), log))

    def _popen(self, command: str, output: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self._work,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    def _await_a_word(self, process: subprocess.Popen[bytes], log: Path) -> None:
        """Wait until a program has printed something: one that has only begun may still fail."""
        until = time.monotonic() + STOP_TIMEOUT
        while process.poll() is None and not log.stat().st_size and time.monotonic() < until:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GLANCE)

    def _stop(self, block: Block, process: subprocess.Popen[bytes], log: Path) -> str:
        self._await_a_word(process, log)
        ended = process.poll()
        if ended is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                code = process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                code = process.wait()
            if code in GOOD_ENDS and log.stat().st_size and b"Error: " not in log.read_bytes():
                return ""
        ending = (
            f"ended by itself with {ended}" if ended is not None else f"was stopped with {code}"
        )
        return str(self._failed(block, f"{ending}:\n{log.read_text()}"))

    def _failed(self, block: Block, why: str) -> BlockFailedError:
        return BlockFailedError(f"{self._name}:{block.line} ({block.language}): {why}")


class _Interpreter:
    """The Python that runs all Python blocks of a document."""

    def __init__(self, work: Path, environment: dict[str, str]) -> None:
        asked, self._asks = os.pipe()
        self._answers, answered = os.pipe()
        command = [sys.executable, "-u", str(INTERPRETER), str(asked), str(answered)]
        self._process = subprocess.Popen(
            command, cwd=work, env=environment, pass_fds=(asked, answered), start_new_session=True
        )
        os.close(asked)
        os.close(answered)
        self._replies = os.fdopen(self._answers)

    def run(self, block: Block, name: str) -> str:
        request = json.dumps({"code": block.code, "name": name, "line": block.line})
        os.write(self._asks, f"{request}\n".encode())
        reply = self._replies.readline()
        return str(json.loads(reply)) if reply else "the interpreter has gone"

    def close(self) -> None:
        os.close(self._asks)
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._replies.close()


@contextlib.contextmanager
def running(name: str, warm: Path | None = None) -> Iterator[Runner]:
    """Return a runner for the document of that name, in a folder of its own.

    With the socket of a `warm_program`, only the first command of `qless-py`, and those that start
    processes or serve, are new processes.
    """
    # Short, because the socket of the embedded store lies below it.
    folder = Path(tempfile.mkdtemp(prefix="qd"))
    try:
        with contextlib.closing(Runner(name, folder, warm)) as runner:
            yield runner
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QLESS_PY_")}
    kept.pop("REDIS_URL", None)
    return kept | {
        "HOME": str(folder / "home"),
        "XDG_DATA_HOME": str(folder / "home" / "data"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "QLESS_PY_URL": f"embedded://{folder}/store",
        "NO_COLOR": "1",
        # Any free port: others may run the same documents on this machine.
        "QLESS_PY_WEB_BIND": "127.0.0.1:0",
        "GUNICORN_CMD_ARGS": "--bind 127.0.0.1:0",
    }


@contextlib.contextmanager
def warm_program() -> Iterator[Path]:
    """Run a `warm_program`, and return its socket."""
    with tempfile.TemporaryDirectory(prefix="qw") as folder:
        path = Path(folder) / "s"
        command = [sys.executable, "-m", "tests.docs.warm_program", str(path)]
        process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
        try:
            eventually(path.exists, "the warm program did not start")
            yield path
        finally:
            process.kill()
            process.wait()


def _quick_program(folder: Path, warm: Path) -> Path:
    """Return a folder with a `qless-py` whose commands run in copies of the warm program."""
    made = folder / "quick"
    made.mkdir()
    program = made / "qless-py"
    own = Path(sys.executable).with_name("qless-py")
    program.write_text(QUICK_PROGRAM.format(own=own, python=sys.executable, warm=warm, made=made))
    program.chmod(0o755)
    return made


def _offer_checkout(work: Path) -> None:
    """Make the commands of bin/ callable from the folder as from a checkout."""
    (work / "bin").mkdir()
    for command in (ROOT / "bin").iterdir():
        wrapper = work / "bin" / command.name
        wrapper.write_text(f'#!/bin/sh\nexec "{command}" "$@"\n')
        wrapper.chmod(0o755)
