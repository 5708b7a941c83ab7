"""`--app MODULE:NAME`: commands use the store, the codecs and the rules of an App."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qless_py import Client, Job
from qless_py.app import load_app
from qless_py.dashboard import Access, DashboardConfig, Role, create_app
from qless_py.dashboard.wsgi import make_app
from tests.cli.conftest import Program
from tests.servers import Server

KEY = "2026:AAAAAAAAAAAAAAAAAAAAAA=="

APP = """\
import qless_py

app = qless_py.App(
    {url},
    namespace="shop",
    codec=qless_py.EncryptedCodec.from_environment("SHOP_KEYS"),
    imports=["{package}.jobs"],
    redact=["iban"],
)

@app.on_worker_start
def worker_start(): print("worker starts", flush=True)

@app.on_worker_stop
def worker_stop(): print("worker stops", flush=True)

@app.on_child_start
def child_start(): print("child starts", flush=True)

@app.on_child_stop
def child_stop(): print("child stops", flush=True)
"""
JOBS = """\
from {package}.worker import app

@app.job(queue="mail", retries=3)
def send(to: str) -> str:
    print("sends", flush=True)
    return f"sent to {{to}}"
"""

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write an application, and return the name of its package, which is another each time."""
    monkeypatch.setenv("SHOP_KEYS", KEY)
    package = f"shop_{os.urandom(4).hex()}"
    folder = tmp_path / package

    def written(url: str | None = None, **files: str) -> str:
        folder.mkdir(exist_ok=True)
        for name, text in {"__init__": "", "worker": APP, "jobs": JOBS, **files}.items():
            filled = text.replace("{url}", repr(url)).replace("{package}", package)
            (folder / f"{name}.py").write_text(filled.replace("{{", "{").replace("}}", "}"))
        return package

    before = [*sys.path]
    yield written
    sys.path[:] = before
    for name in [one for one in sys.modules if one.partition(".")[0] == package]:
        del sys.modules[name]


def test_a_command_uses_the_store_and_the_codecs_of_the_app(
    program: Program, write: Write, server: Server
) -> None:
    name = f"{write(server.url)}.worker:app"

    # Before and after the command; QLESS_PY_URL names a store that does not answer.
    put = program("--app", name, "put", "mail", "k", '{"to": "ann"}', QLESS_PY_URL="redis://x:1/0")
    jid = put.stdout.split()[0]
    shown = program("job", "show", jid, "--app", name, "--json")

    assert '"to": "ann"' in shown.stdout
    with Client(server.url, namespace="shop") as client:
        job = client.jobs[jid]
        assert isinstance(job, Job)
        assert b"ann" not in job.raw


def test_the_environment_and_the_settings_file_name_the_app(
    program: Program, write: Write, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{write(server.url)}.worker"  # The module is enough: it has one App.

    assert program.json("config", "check")["namespace"] == "ql"
    checked = program("config", "check", "--json", QLESS_PY_APP=name)
    assert '"namespace": "shop"' in checked.stdout

    (tmp_path / "qless-py.toml").write_text(f'app = "{name}"\n')
    below = tmp_path / "below"
    below.mkdir()
    monkeypatch.chdir(below)  # The App is found beside the file that names it.
    assert program.json("config", "check")["namespace"] == "shop"
    assert program.json("config", "check", "--app", "")["namespace"] == "ql"


def test_a_store_on_the_command_line_overrides_that_of_the_app(
    program: Program, write: Write, server: Server
) -> None:
    name = f"{write('redis://nowhere:1/0')}.worker:app"

    program("--app", name, "put", "mail", "k", "{}", "--url", server.url, "--namespace", "other")

    app = load_app(name)
    assert (app.url, app.namespace) == (server.url, "other")
    assert len(app.client.queues["mail"]) == 1
    app.client.close()


@pytest.mark.parametrize(
    ("files", "name", "message"),
    [
        ({}, "{package}.nosuch:app", "there is no module '{package}.nosuch'"),
        ({}, "{package}.worker:ap", "did you mean 'app'"),
        ({}, "{package}.jobs:send", "is a Task, not a qless_py.App"),
        ({}, "{package}", "has no qless_py.App"),
        ({"worker": "import nosuch"}, "{package}.worker:app", "No module named 'nosuch'"),
        ({"worker": "1 / 0"}, "{package}.worker:app", "ZeroDivisionError: division by zero"),
        ({"worker": "def ("}, "{package}.worker:app", "SyntaxError"),
        ({"worker": "raise SystemExit(0)"}, "{package}.worker:app", "SystemExit: 0"),
    ],
)
def test_a_wrong_app_is_a_usage_error_in_one_line(
    program: Program, write: Write, files: dict[str, str], name: str, message: str
) -> None:
    package = write(None, **files)

    ended = program("queues", "--app", name.format(package=package), code=2)

    *before, last = ended.stderr.splitlines()
    assert last.startswith("Error: app ")
    assert message.format(package=package) in last
    assert bool(before) is bool(files)
    assert not files or "worker.py" in ended.stderr
    assert "importlib" not in ended.stderr


def test_a_missing_key_names_its_variable(program: Program, write: Write) -> None:
    name = f"{write()}.worker:app"

    ended = program("queues", "--app", name, code=2, SHOP_KEYS="")

    assert "environment variable SHOP_KEYS is not set" in ended.stderr.splitlines()[-1]


def work(name: str, *words: str, url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "qless_py", "--app", name, "work", "--burst", "-n", "1", *words],
        env={**os.environ, "QLESS_PY_URL": url},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.fixture
def put(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Callable[[], Job]]]:
    """Put a job of the application, and return what reads it again."""
    monkeypatch.syspath_prepend(".")
    with contextlib.ExitStack() as stack:

        def put(name: str) -> Callable[[], Job]:
            app = load_app(name)
            app.use_store(program.url)
            stack.callback(app.client.close)
            app.import_modules()
            (task,) = app.tasks.values()
            jid = task.put(to="ann")

            def read() -> Job:
                job = app.client.jobs[jid]
                assert isinstance(job, Job)
                return job

            return read

        yield put


Put = Callable[[str], Callable[[], Job]]


@pytest.mark.fork
@pytest.mark.parametrize("isolation", ["child", "job", "none"])
def test_a_worker_of_an_app_needs_no_other_option(
    write: Write, put: Put, server: Server, isolation: str
) -> None:
    name = f"{write()}.worker:app"
    read = put(name)

    done = work(name, "--isolation", isolation, url=server.url)

    assert done.returncode == 0, done.stderr
    # The process that checks the modules starts and stops as a child does.
    checked, job = ["child starts", "child stops"], ["child starts", "sends", "child stops"]
    assert done.stdout.splitlines() == [*checked, "worker starts", *job, "worker stops"]
    assert read().result == "sent to ann"


@pytest.mark.fork
def test_a_worker_does_not_start_if_its_start_hook_fails(
    write: Write, put: Put, server: Server
) -> None:
    name = f"{write(worker=APP.replace(_prints('worker starts'), '1 / 0'))}.worker:app"
    read = put(name)

    ended = work(name, url=server.url)

    assert (ended.returncode, "sends" in ended.stdout) == (1, False)
    assert "start hook of the worker failed hook=worker_start" in ended.stderr
    assert "ZeroDivisionError" in ended.stderr
    assert read().state == "waiting"


@pytest.mark.fork
def test_a_worker_does_not_start_if_a_child_could_not(
    write: Write, put: Put, server: Server
) -> None:
    name = f"{write(worker=APP.replace(_prints('child starts'), '1 / 0'))}.worker:app"
    read = put(name)

    ended = work(name, url=server.url)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert "cannot start: on_child_start child_start: ZeroDivisionError" in ended.stderr
    assert read().state == "waiting"


@pytest.mark.fork
def test_a_job_spends_nothing_on_a_start_hook_that_fails(
    write: Write, put: Put, server: Server
) -> None:
    fails = "import os, pathlib; pathlib.Path('checked').mkdir()"  # At the second time.
    name = f"{write(worker=APP.replace(_prints('child starts'), fails))}.worker:app"
    read = put(name)

    ended = work(name, "--isolation", "job", url=server.url)

    assert "start hook of the child failed hook=child_start" in ended.stderr
    assert (read().state, read().retries_left, read().crashes) == ("scheduled", 3, 0)


def _prints(text: str) -> str:
    return f'print("{text}", flush=True)'


def test_a_worker_needs_queues_that_an_app_without_jobs_cannot_name(
    program: Program, write: Write
) -> None:
    name = f"{write(jobs='')}.worker:app"

    assert "add --queue NAME" in program("work", "--app", name, code=2).stderr


def test_modules_of_an_app_that_cannot_be_imported_are_a_usage_error(
    program: Program, write: Write
) -> None:
    name = f"{write(jobs='1 / 0')}.worker:app"

    ended = program("work", "--app", name, code=2)

    assert "cannot import" in ended.stderr.splitlines()[-1]
    assert "jobs.py" in ended.stderr


def test_the_dashboard_decodes_and_hides_as_the_app_says(
    program: Program, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{write(program.url)}.worker:app"
    monkeypatch.syspath_prepend(".")
    app = load_app(name)
    jid = app.client.queues["mail"].put("k", {"to": "ann", "iban": "DE00", "password": "pw1"})
    viewer = DashboardConfig(auth=[lambda _request: Access("vera", Role.VIEWER)])

    assert "DE00" in make_app({"QLESS_PY_APP": name}).test_client().get(f"/jobs/{jid}").text
    seen = create_app(app, viewer).test_client().get(f"/jobs/{jid}").text

    assert "ann" in seen
    assert "DE00" not in seen
    assert "pw1" not in seen
    app.client.close()
