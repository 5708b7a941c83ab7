"""Audit lines: they reach a log by default, and do not get in the way of other set-ups."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from qless_py import Client
from qless_py.auth import audit_log
from qless_py.dashboard import Access, DashboardConfig, Role, create_app
from tests.dashboard.conftest import Visitor


def _ann(_: object) -> Access:
    return Access("ann", Role.ADMIN, shows_data=True)


@pytest.fixture
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return a function that leaves Python's logging as it is in a new process."""

    def reset() -> None:
        monkeypatch.setattr(logging.root, "handlers", [])
        monkeypatch.setattr(audit_log.LOGGER, "level", logging.NOTSET)
        monkeypatch.setattr(audit_log.LOGGER, "handlers", [])

    return reset


def test_changes_are_written_to_stderr_by_default(
    visit: Callable[..., Visitor],
    unconfigured: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    unconfigured()
    visit().post("/config", option="heartbeat", value="30", do="set")

    (line,) = [one for one in capsys.readouterr().err.splitlines() if "audit" in one]
    assert "INFO qless_py.dashboard.audit: change of option heartbeat: user=local" in line


def test_a_configured_log_gets_each_line_once(
    visit: Callable[..., Visitor],
    unconfigured: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    unconfigured()
    visitor = visit()
    records: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())  # type: ignore[method-assign]
    logging.root.addHandler(handler)

    visitor.post("/config", option="heartbeat", value="30", do="set")

    assert sum("change of option" in one for one in records) == 1
    assert capsys.readouterr().err == ""


def test_a_logger_that_dictconfig_disabled_is_enabled_again(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log.LOGGER, "disabled", True)

    create_app(client)

    assert not audit_log.LOGGER.disabled


def test_a_chosen_level_is_kept(client: Client, unconfigured: Callable[[], None]) -> None:
    unconfigured()
    audit_log.LOGGER.setLevel(logging.ERROR)

    create_app(client)

    assert audit_log.LOGGER.level == logging.ERROR


def test_a_pause_names_the_user_who_paused(client: Client, visit: Callable[..., Visitor]) -> None:
    client.queues["mail"].put("app.Send")
    visitor = visit(auth=[_ann])

    visitor.post("/queues/mail/pause", reason="deploy")

    assert client.queues["mail"].counts["pause"]["by"] == "ann"
    assert "by ann" in visitor.get("/queues/mail").text


def test_a_long_name_does_not_prevent_a_pause(client: Client) -> None:
    config = DashboardConfig(
        secret="s" * 16, auth=[lambda _: Access("ä" * 200, Role.ADMIN, shows_data=True)]
    )
    Visitor(create_app(client, config).test_client()).post("/queues/mail/pause")

    assert client.queues["mail"].counts["pause"]["by"] == "ä" * 127
