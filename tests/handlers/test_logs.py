"""Log lines name their job, in text and JSON, also in a file that is rotated."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qless_py import BadArgumentError, Client, SoftLimitError
from qless_py.handlers import logs
from qless_py.testing import perform
from tests.handlers import jobs

Lines = Callable[[], list[str]]


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in [one for one in root.handlers if one not in handlers]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "log"


def logged_by_a_job(client: Client) -> str:
    jid = client.queues["q"].put(jobs.logs_lines, {"lines": 1})
    job = client.queues["q"].pop()
    assert job is not None
    perform(job)
    return jid


def test_a_line_for_a_person_names_the_job(client: Client, file: Path) -> None:
    logs.configure(file=str(file))

    jid = logged_by_a_job(client)
    logging.getLogger("app").info("no job")

    first, second = [line for line in file.read_text().splitlines() if " app " in line]
    expected = rf"[-\dT:.]+Z INFO \d+ app \[{jid} q tests\.handlers\.jobs\.logs_lines\] line 0"
    assert re.fullmatch(expected, first)
    assert second.endswith(" app no job")


def test_a_line_for_a_program_has_fields(client: Client, file: Path) -> None:
    logs.configure("DEBUG", "json", str(file))

    with logs.context(site="north", jid="of the job, not this"):
        jid = logged_by_a_job(client)
    broken = KeyError("x")
    more = {"number": 5, "queue": "given"}
    logging.getLogger("app").error("it broke", exc_info=broken, extra=more)

    lines = [json.loads(line) for line in file.read_text().splitlines()]
    first, second = [line for line in lines if line["logger"] == "app"]
    assert (first["jid"], first["queue"], first["klass"]) == (
        jid,
        "q",
        "tests.handlers.jobs.logs_lines",
    )
    assert (first["message"], first["level"], first["site"]) == ("line 0", "info", "north")
    assert second["error"].endswith("KeyError: 'x'")
    assert (second["number"], second["jid"], second["klass"]) == (5, "", "")
    assert second["at"].endswith("+00:00")


def test_a_rotated_log_file_is_reopened(file: Path) -> None:
    logs.configure(file=str(file))
    logger = logging.getLogger("app")
    logger.info("old")

    file.rename(file.with_suffix(".1"))
    logger.info("new")

    assert "old" in file.with_suffix(".1").read_text()
    assert file.read_text().endswith("app new\n")


def test_setting_it_up_again_replaces_it(file: Path) -> None:
    logs.configure("INFO", file=str(file))
    logs.configure("WARNING", file=str(file))

    logging.getLogger("app").info("quiet")
    logging.getLogger("app").warning("once")

    assert file.read_text().count("once") == 1
    assert "quiet" not in file.read_text()


def test_lines_go_to_the_error_stream_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    logging.getLogger("app").info("hello")

    assert capsys.readouterr().err.endswith("app hello\n")


class _Interrupted(logging.Formatter):
    """The end of a handler's time while it writes a line."""

    def format(self, record: logging.LogRecord) -> str:
        raise SoftLimitError(record.getMessage())


def test_an_interrupt_while_logging_reaches_the_handler(file: Path) -> None:
    for where in (None, str(file)):
        logs.configure(file=where).setFormatter(_Interrupted())
        with pytest.raises(SoftLimitError, match="now"):
            logging.getLogger("app").warning("now")


def test_an_unknown_form_is_rejected_and_changes_nothing() -> None:
    before = list(logging.getLogger().handlers)

    with pytest.raises(BadArgumentError, match="human, json"):
        logs.configure(form="xml")

    assert logging.getLogger().handlers == before


def test_the_filter_works_without_the_rest(
    caplog: pytest.LogCaptureFixture, client: Client
) -> None:
    caplog.handler.addFilter(logs.JobFilter())
    caplog.set_level(logging.INFO)

    jid = logged_by_a_job(client)

    (record,) = [one for one in caplog.records if one.name == "app"]
    fields: dict[str, Any] = vars(record)
    assert fields["jid"] == jid
