"""Programs as handlers: their input, their exit codes, and how they are stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import psutil
import pytest

from qless_py import BadArgumentError, Client, Job, MsgpackCodec
from qless_py.handlers.programs import (
    Command,
    CommandExpiredError,
    CommandFailedError,
    CommandTimeoutError,
)
from qless_py.testing import HandlerOptions, perform
from tests.conftest import Clock
from tests.worker.conftest import assert_ended

pytestmark = pytest.mark.fork

PUT: dict[str, Any] = {"priority": 2, "tags": ["a", "b"], "retries": 3}


def taken(client: Client, data: Any = None, **options: Any) -> Job:
    client.queues["q"].put("any.Klass", data, jid="j", **options)
    return again(client)


def again(client: Client) -> Job:
    job = client.queues["q"].pop()
    assert job is not None
    return job


def found(client: Client) -> Job:
    job = client.jobs["j"]
    assert isinstance(job, Job)
    return job


def run(job: Job, *argv: str, **options: Any) -> Any:
    given: Any = list(argv)
    if options.get("shell"):
        (given,) = argv
    return perform(job, HandlerOptions(performer=Command(given, **options)))


def python(tmp_path: Path, code: str) -> tuple[str, str]:
    file = tmp_path / "program.py"
    file.write_text(textwrap.dedent(code))
    return sys.executable, str(file)


def test_a_program_gets_the_data_the_jid_and_the_rest(
    client: Client, clock: Clock, tmp_path: Path
) -> None:
    code = """
        import json, os, sys
        known = {name: os.environ[name] for name in os.environ if name.startswith("QLESS_")
                 and not name.startswith("QLESS_PY_")}
        print(json.dumps([json.load(sys.stdin), sys.argv[1:], known, os.environ["MORE"]]))
    """
    job = taken(client, {"any": "data"}, **PUT)

    output = run(job, *python(tmp_path, code), "my", "args", environment={"MORE": "x"})

    data, words, known, more = json.loads(output)
    assert (data, words, more) == ({"any": "data"}, ["my", "args", "j"], "x")
    assert known == {
        "QLESS_JID": "j",
        "QLESS_QUEUE": "q",
        "QLESS_KLASS": "any.Klass",
        "QLESS_RETRIES": "3",
        "QLESS_RETRIES_LEFT": "3",
        "QLESS_PRIORITY": "2.0",
        "QLESS_TAGS": "a,b",
        "QLESS_WORKER": client.worker_name,
        "QLESS_EXPIRES_AT": str(clock.now + 60),
        "QLESS_SPAWNED_FROM": "",
    }
    assert found(client).result == output


def test_a_program_that_says_nothing_leaves_no_result(client: Client) -> None:
    assert run(taken(client), "true") is None
    assert found(client).state == "complete"


def test_75_runs_the_job_again_for_one_of_its_retries(client: Client, clock: Clock) -> None:
    run(taken(client, retries=1), "sh", "-c", "echo busy >&2; exit 75", retry_wait=5)
    assert (found(client).retries_left, found(client).due_at) == (0, clock.now + 5)

    clock.advance(5)
    run(again(client), "sh", "-c", "exit 75")

    assert found(client).failure["group"] == "any.Klass:CommandFailedError"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("echo one >&2; echo two >&2; exit 3", "exit code 3\none\ntwo"),
        ("kill -9 $$", "ended by signal 9"),
    ],
)
def test_any_other_end_fails_the_job_with_the_end_of_its_errors(
    client: Client, code: str, message: str
) -> None:
    with pytest.raises(CommandFailedError):
        run(taken(client), code, shell=True)

    assert found(client).failure["message"] == message


def test_a_program_that_is_not_there_fails_the_job(client: Client) -> None:
    with pytest.raises(CommandFailedError, match=r"cannot run no-such-program: .*No such file"):
        run(taken(client), "no-such-program")

    assert found(client).failure["group"] == "any.Klass:CommandFailedError"


def test_much_goes_in_and_out_at_once_and_so_much_is_kept(client: Client, tmp_path: Path) -> None:
    code = """
        import sys
        print("e" * 300_000, file=sys.stderr, flush=True)
        print("the end", file=sys.stderr)
        data = sys.stdin.read()
        print("o" * 300_000, len(data))
        sys.exit(len(data) != 500_002)
    """
    client.config["max-data-size"] = 600_000

    output = run(taken(client, "x" * 500_000), *python(tmp_path, code), output=1000)

    assert output == "o" * 1000


def test_a_program_need_not_read_its_data(client: Client) -> None:
    assert run(taken(client, "x" * 500_000), "sh", "-c", "exec <&-; echo fine") == "fine\n"


def test_only_what_is_asked_for_is_run_by_a_shell(client: Client) -> None:
    assert run(taken(client), "echo", "$HOME;", "ls") == "$HOME; ls j\n"
    assert run(taken(client), 'read data; echo "$1 $data"', shell=True) == "j null\n"


@pytest.mark.parametrize(
    "wrong",
    [
        {"argv": []},
        {"argv": "ls"},
        {"argv": ["ls"], "shell": True},
        {"argv": ["ls"], "output": -1},
        {"argv": ["ls"], "retry_wait": "soon"},
        {"argv": ["ls"], "kill_interval": 0},
    ],
)
def test_invalid_values_are_rejected(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadArgumentError):
        Command(**wrong)


def test_with_a_wait_failures_are_tried_again_until_the_job_is_too_old(
    client: Client, clock: Clock
) -> None:
    options = {"retry_wait": 20, "expire": 50}
    run(taken(client, retries=0), "false", **options)
    clock.advance(20)
    run(again(client), "false", **options)
    clock.advance(20)

    with pytest.raises(CommandFailedError, match="exit code 1"):
        run(again(client), "false", **options)

    assert found(client).failure["group"] == "any.Klass:CommandFailedError"
    assert found(client).tries.total == 2


def test_a_job_that_is_too_old_is_not_tried_at_all(client: Client, clock: Clock) -> None:
    client.queues["q"].put("any.Klass", jid="j")
    clock.advance(51)

    with pytest.raises(CommandExpiredError):
        run(again(client), "touch", "/nowhere/at/all", expire=50)


def test_a_program_that_runs_too_long_gets_term_and_then_kill(client: Client) -> None:
    polite = "trap 'echo bye >&2; exit 0' TERM; while :; do sleep 0.01; done"
    with pytest.raises(CommandTimeoutError, match=r"(?s)killed after 1\.0 s\n.*bye"):
        run(taken(client), polite, shell=True, kill_timeout=1, kill_interval=20)

    deaf = "trap '' TERM; echo deaf >&2; while :; do sleep 0.01; done"
    with pytest.raises(CommandTimeoutError, match="deaf"):
        run(taken(client), deaf, shell=True, kill_timeout=1, kill_interval=0.1)

    assert found(client).failure["group"] == "any.Klass:CommandTimeoutError"


def test_what_a_program_started_ends_with_it(client: Client) -> None:
    output = run(taken(client), "sleep 60 & echo $!", shell=True)

    with contextlib.suppress(psutil.NoSuchProcess):
        assert_ended([psutil.Process(int(output))])


def test_a_handler_that_is_asked_to_stop_ends_its_program(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "pid"

    with pytest.raises(TimeoutError):
        run(taken(client, soft_limit=1), f"echo $$ > {file}; exec sleep 60", shell=True)

    assert not psutil.pid_exists(int(file.read_text()))
    assert found(client).failure["group"] == "any.Klass:SoftLimitError"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel must offer it")
def test_a_program_is_killed_when_its_worker_dies(tmp_path: Path) -> None:
    code = """
        import sys
        from qless_py.handlers.programs.process import Limits, Process
        argv = ["sh", "-c", 'echo $$ > "$1"; exec sleep 60', "sh", sys.argv[1]]
        with Process(argv, b"", {}, Limits(None, 1, 1, 1)) as process:
            process.wait()
    """
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [sys.executable, "-c", textwrap.dedent(code), str(pipe)]
    worker = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    program = psutil.Process(int(pipe.read_text()))

    worker.send_signal(signal.SIGKILL)
    worker.wait()

    assert_ended([program])


def test_data_of_another_codec_is_given_as_json(client: Client) -> None:
    job = taken(client, {"n": 1}, codec="msgpack")
    assert run(job, "sh", "-c", "cat") == '{"n": 1}'

    with pytest.raises(CommandFailedError, match="cannot be written as JSON"):
        run(taken(client, {"n": b"\xff"}, codec=MsgpackCodec.name), "cat")
