"""`migrate` from the command line, out of a real RQ."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis as redis_py
import rq
from rq.serializers import JSONSerializer

from tests import servers
from tests.cli.conftest import Program


@pytest.fixture
def source(server: servers.Server, redis: redis_py.Redis) -> Iterator[str]:
    """Return the URL of a database with two jobs of RQ, one of them pickled."""
    del redis
    with redis_py.Redis(unix_socket_path=server.socket, db=5) as connection:
        connection.flushdb()
        queue = rq.Queue("mail", connection=connection, serializer=JSONSerializer)
        queue.enqueue("app.send", 1, job_id="good")
        rq.Queue("mail", connection=connection).enqueue("app.send", 2, job_id="pickled")
        yield f"unix://{server.socket}?db=5"
        connection.flushdb()


def test_jobs_move_and_those_that_stay_are_listed(program: Program, source: str) -> None:
    options = ["--from", source, "--kind", "rq", "--map", "app.send=jobs.send"]

    dry = program("migrate", *options, "--dry-run", code=1)
    ended = program("migrate", *options, "--to-queue", "mail=letters", code=1)

    assert dry.stdout == "Would move 1 job\n"
    assert ended.stdout == "Moved 1 job\n"
    assert "mail pickled: it is pickled" in ended.stderr
    job = program.json("job", "show", "rq-good")
    assert (job["klass"], job["queue"]) == ("jobs.send", "letters")
    again = program.json("migrate", *options, code=1)
    assert (again["moved"], [one["id"] for one in again["refusals"]]) == (0, ["pickled"])


def test_wrong_words_are_usage_errors(program: Program, source: str) -> None:
    kind = ("--kind", "rq")

    assert "not the URL" in program("migrate", "--from", "http://x", *kind, code=2).stderr
    wrong = program("migrate", "--from", source, *kind, "--map", "app.send", code=2)
    assert "OLD=NEW" in wrong.stderr
    assert "no store" in program("migrate", "--from", "unix:///nowhere/sock", *kind, code=1).stderr
