"""How tracing is turned on, and that nothing is imported or called before."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Any, cast

import pytest

import qless_py
from qless_py import App, BadArgumentError, Client, testing, tracing
from qless_py.errors import ConfigError
from qless_py.handlers.executor import HandlerOptions
from qless_py.protocol import instrumentation
from tests import servers
from tests.tracing.conftest import Traced

OFF = """
import sys

class Spy:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            frame = sys._getframe(1)
            while "importlib" in frame.f_code.co_filename:
                frame = frame.f_back
            importers.add(frame.f_globals["__name__"])

importers = set()
sys.meta_path.insert(0, Spy())
import qless_py, qless_py.tracing
from qless_py.cli import main
from qless_py.testing import drain
from qless_py.handlers.executor import HandlerOptions

client = qless_py.Client({url!r})
context = qless_py.tracing.context_from_headers({{"baggage": "a=b"}})
client.queues["q"].put("os.path.basename", context=context)
client.queues["q"].put_many([{{"klass": "os.getpid"}}])
drain(client.queues["q"], options=HandlerOptions(allow_any=True), raises=False)
# redis-py imports it by itself, if it is there.
assert not [one for one in importers if not one.startswith(("redis.", "opentelemetry."))], importers
assert not [one for one in sys.modules if one.startswith("qless_py.tracing.s")]
"""
MISSING = """
import sys
sys.modules["opentelemetry"] = None
import qless_py
for turn_on in (lambda: qless_py.App(tracing=True), qless_py.tracing.instrument):
    try:
        turn_on()
    except qless_py.ConfigError as error:
        print(error)
"""


ADVICE = "install qless_py with the extra `otel`"
PACKAGE = Path(qless_py.__file__).parent


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_nothing_is_imported_before_tracing_is_turned_on(server: servers.Server) -> None:
    run(OFF.format(url=server.url))


def test_without_the_extra_the_error_names_it() -> None:
    assert run(MISSING).splitlines() == 2 * [
        f"tracing needs the packages opentelemetry-api and opentelemetry-sdk; {ADVICE}"
    ]


def test_tracing_that_is_off_calls_no_function(client: Client) -> None:
    called: list[str] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        own = frame.f_code.co_filename.removeprefix(str(PACKAGE))
        if event == "call" and own.startswith(("/tracing/", "/protocol/instrumentation")):
            called.append(frame.f_code.co_qualname)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        client.queues["q"].put("os.getpid")
        client.queues["q"].put_many([{"klass": "os.getpid"}])
        options = HandlerOptions(allow_any=True)
        testing.drain(client.queues["q"], options=options, raises=False)
    finally:
        sys.setprofile(before)

    assert called == []


@pytest.mark.parametrize("wrong", ["yes", 5, ["a"]])
def test_an_app_refuses_what_is_no_tracing(wrong: Any) -> None:
    with pytest.raises(BadArgumentError, match="tracing is a"):
        App(tracing=wrong)
    with pytest.raises(BadArgumentError, match="is none of child, link"):
        tracing.instrument(runs=wrong)
    with pytest.raises(BadArgumentError, match="is not callable"):
        tracing.Tracing(setup=wrong)
    assert instrumentation.current is None


def test_an_app_traces_as_it_says(live: Client, traced: Traced) -> None:
    made: list[str] = []

    def set_up() -> object:
        made.append("provider")
        return traced.tracer_provider

    for given in (set_up, tracing.Tracing(setup=set_up, runs="link")):
        App(tracing=cast("Any", given))
        live.queues["q"].put("k")
        live.queues["q"].put("k")

    assert made == ["provider"] * 2
    assert traced.names() == ["send q"] * 4
    App(tracing=False)
    assert instrumentation.current is not None
    tracing.uninstrument()
    live.queues["q"].put("k")
    assert len(traced.all()) == 4


def test_a_setup_function_may_put_jobs(live: Client, traced: Traced) -> None:
    def set_up() -> object:
        live.queues["q"].put("k", jid="inner")
        return traced.tracer_provider

    tracing.instrument(set_up)
    live.queues["q"].put("k", jid="outer")

    assert len(live.queues["q"]) == 2
    assert [(span.attributes or {})["messaging.message.id"] for span in traced.all()] == ["outer"]


def test_a_setup_that_raises_fails_no_put(
    live: Client, traced: Traced, caplog: pytest.LogCaptureFixture
) -> None:
    del traced

    def set_up() -> None:
        raise LookupError("no collector")

    tracing.instrument(set_up)
    with caplog.at_level(logging.WARNING, "qless_py.tracing"):
        jid = live.queues["q"].put("k")
        tracing.start_process()

    assert live.jobs[jid] is not None
    assert [record.message for record in caplog.records if "tracing" in record.name] == [
        "cannot set up tracing",
        "tracing is on, but no tracer provider is set: no spans are exported",
    ]


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("OTEL_TRACES_EXPORTER", "smoke", "install opentelemetry-exporter-smoke"),
        ("OTEL_METRICS_EXPORTER", "console,smoke", "no exporter 'smoke' of metrics"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "pigeon", "'pigeon' is none of http/protobuf, grpc"),
    ],
)
def test_an_exporter_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, why: str
) -> None:
    if name == "OTEL_METRICS_EXPORTER":
        monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigError, match=why):
        tracing.check_environment()


def test_a_worker_without_its_exporter_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "smoke")

    done = subprocess.run(
        [sys.executable, "-m", "qless_py", "work", "-q", "q", "--import", "json", "--otel"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert "install opentelemetry-exporter-smoke" in done.stderr
