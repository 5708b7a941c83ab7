"""Objects of frameworks that jobs name: an adapter performs them, and learns how each run ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from qless_py import Client, Discard, Retry, Snooze
from qless_py.handlers import resolve
from qless_py.handlers.executor import Executor, HandlerOptions
from qless_py.handlers.resolve import HandlerNotAllowedError

pytestmark = pytest.mark.any_server

HOME = __name__


class Foreign:
    """A task of some framework."""

    def __init__(self, function: Callable[[], Any], *, is_async: bool = False) -> None:
        self.function = function
        self.is_async = is_async


class ForeignAdapter(resolve.Adapter):
    ends: list[tuple[str, BaseException | None]]

    def __init__(self, foreign: Foreign) -> None:
        self.foreign = foreign
        self.is_async = foreign.is_async
        self.attempts = 3
        self.__module__ = foreign.function.__module__

    def perform(self, job: Any) -> Any:
        del job
        if self.is_async:
            return asyncio.sleep(0, self.foreign.function())
        return self.foreign.function()

    def ended(self, job: Any, error: BaseException | None) -> None:
        self.ends.append((job.klass_name.rpartition(".")[2], error))


def returns() -> str:
    return "done"


def fails() -> None:
    raise ZeroDivisionError


def snoozes() -> None:
    raise Snooze(5)


def discards() -> None:
    raise Discard


returning, failing = Foreign(returns), Foreign(fails)
snoozing, discarding = Foreign(snoozes), Foreign(discards)
returning_async = Foreign(returns, is_async=True)
elsewhere = Foreign(print)


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found: list[Any] = []
    monkeypatch.setattr(ForeignAdapter, "ends", found, raising=False)
    monkeypatch.setattr(resolve, "_ADAPTERS", {})
    resolve.adapt(Foreign, ForeignAdapter)
    return found


def run(client: Client, name: str) -> Any:
    client.queues["q"].put(f"{HOME}.{name}", {})
    return Executor(HandlerOptions(imports=[HOME])).run(client.queues["q"].pop())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["returning", "returning_async"])
def test_an_adapter_performs_and_notes_the_end(client: Client, ends: list[Any], name: str) -> None:
    assert run(client, name) == "done"
    assert ends == [(name, None)]


@pytest.mark.parametrize(
    ("name", "kind"), [("failing", Retry), ("snoozing", Snooze), ("discarding", Discard)]
)
def test_an_adapter_learns_what_policies_decided(
    client: Client, ends: list[Any], name: str, kind: type[BaseException]
) -> None:
    with pytest.raises(kind):
        run(client, name)

    assert [(one, type(error)) for one, error in ends] == [(name, kind)]


def test_an_adapter_may_only_run_in_the_module_of_its_object(
    client: Client, ends: list[Any]
) -> None:
    with pytest.raises(HandlerNotAllowedError, match="builtins"):
        run(client, "elsewhere")

    assert ends == []


def test_an_adapter_that_raises_at_the_end_is_logged(
    client: Client, ends: list[Any], caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    def raises(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(ForeignAdapter, "ended", raises)

    assert run(client, "returning") == run(client, "returning_async") == "done"
    assert caplog.text.count("adapter cannot note the end of a run") == 2
    assert ends == []
