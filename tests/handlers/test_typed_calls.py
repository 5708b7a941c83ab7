"""Typed functions: arguments and results travel as data and come back as what they were."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

import qless_py
from qless_py import BadArgumentError, Client, Jid, JobCanceledError, JobFailedError, aio
from qless_py.testing import drain
from tests.conftest import Clock
from tests.handlers import typed_tasks
from tests.handlers.typed_tasks import Level, Line, Order, Point, Size, Strict
from tests.servers import Server

WHEN = datetime(2031, 5, 1, 12, 30, 1, 250000, UTC)
KEY = UUID("12345678123456781234567812345678")
LINE = Line("a", Decimal("1.10"), WHEN)
VALUES: dict[str, Any] = {
    "when": WHEN,
    "day": date(2031, 5, 1),
    "at": time(8, 15),
    "span": timedelta(hours=1, milliseconds=5),
    "total": Decimal("12345678901234567890.123456789"),
    "key": KEY,
    "size": Size.LARGE,
    "level": Level.HIGH,
    "line": LINE,
    "point": Point(1, 2),
    "strict": Strict(when=WHEN, key=KEY),
    "order": Order(no=7, lines=[LINE]),
    "raw": b"\xff\x00",
    "path": Path("a/b"),
    "chosen": {1, 2},
    "by_number": {3: LINE},
    "pair": (1, "x"),
    "either": None,
    "mode": "slow",
    "few": 9,
    "plain": {"any": [1, None]},
}


def run(client: Client) -> Any:
    (done,) = drain(client.queues["typed"])
    return done.result


@pytest.mark.parametrize("codec", ["json", "msgpack"])
def test_arguments_come_back_as_what_they_were(client: Client, codec: str) -> None:
    typed_tasks.SEEN.clear()
    jid = typed_tasks.everything.using(client, codec=codec).put(**VALUES, extra=Decimal("0.1"))
    stored = jid.job.data["kwargs"]
    assert json.loads(json.dumps(stored)) == stored
    assert (stored["when"], stored["size"]) == ("2031-05-01T12:30:01.250000Z", "l")
    assert stored["order"]["no"] == 7

    assert run(client) is None

    (seen,) = typed_tasks.SEEN
    assert seen == {**VALUES, "more": {"extra": Decimal("0.1")}}
    assert {name: type(value) for name, value in seen.items() if name != "more"} == {
        name: type(value) for name, value in VALUES.items()
    }


def test_a_result_is_stored_as_data_and_waited_for_as_what_it_was(client: Client) -> None:
    jid = typed_tasks.priced.using(client).put([LINE, Line("b", Decimal("0.9"))])

    assert run(client) == {"sku": "sum", "price": "2.00", "sent": None}
    assert jid.wait(timeout=5) == Line("sum", Decimal("2.00"))
    assert jid.job.result == {"sku": "sum", "price": "2.00", "sent": None}


def test_other_languages_may_put_what_the_annotations_can_read(client: Client) -> None:
    data = {"kwargs": {"lines": [{"sku": "a", "price": 3}, {"sku": "b", "price": "0.5"}]}}
    client.queues["typed"].put(typed_tasks.priced, data)

    assert run(client) == {"sku": "sum", "price": "3.5", "sent": None}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"when": "yesterday"}, "when: Input should be a valid datetime"),
        ({"few": 10}, "few: Input should be less than 10, not 10"),
        ({"mode": "idle"}, "mode: Input should be 'fast' or 'slow', not 'idle'"),
        ({"line": {"sku": "a", "price": "cheap"}}, r"line.price: Input should be a valid decimal"),
        ({"order": {"no": 1, "lines": [{}]}}, r"order.lines\[0\].sku: Field required"),
        ({"extra": "x"}, "extra: Input should be a valid decimal"),
        ({"size": "x" * 500}, r"size: Input should be 's' or 'l', not 'x{59}…"),
    ],
)
def test_a_wrong_argument_is_named_with_its_path_and_nothing_is_put(
    client: Client, change: dict[str, Any], problem: str
) -> None:
    with pytest.raises(BadArgumentError, match=problem) as raised:
        typed_tasks.everything.using(client).put(**{**VALUES, **change})

    assert str(raised.value).startswith("tests.handlers.typed_tasks.everything: ")
    assert "\n" not in str(raised.value)
    assert client.queues.counts == []


@pytest.mark.parametrize(
    ("task", "value", "problem"),
    [
        (
            typed_tasks.two_names,
            typed_tasks.TwoNames.model_validate({"written": "x"}),
            "value.written: Field required",
        ),
        (typed_tasks.by_pair, {(1, 2): 3}, "valid array, when it is read again"),
        (typed_tasks.secret, SecretStr("hush"), "a secret is stored as asterisks"),
        (typed_tasks.secret, [SecretStr("hush")], "a secret is stored as asterisks"),
    ],
)
def test_a_value_that_would_not_come_back_is_refused(
    client: Client, task: Any, value: Any, problem: str
) -> None:
    with pytest.raises(BadArgumentError, match=problem) as raised:
        task.using(client).put(value)

    assert "hush" not in str(raised.value)
    assert client.queues.counts == []


def test_asterisks_that_are_no_secret_travel(client: Client) -> None:
    jid = typed_tasks.secret.using(client).put("**********")

    assert jid.job["kwargs"] == {"value": "**********"}


def test_a_parameter_may_have_any_name(client: Client, server: Server) -> None:
    task: Any = typed_tasks.named_as_its_task.using(client)

    assert task(self=1, client=2) == [1, 2]
    assert task.put(self=1, client=2).job["kwargs"] == {"self": 1, "client": 2}

    async def puts() -> Any:
        async with aio.Client(server.url, clock=client.runner.clock) as other:
            return await (await task.put_async(other, self=3, client=4)).job()

    assert asyncio.run(puts())["kwargs"] == {"self": 3, "client": 4}


def test_stored_arguments_that_do_not_fit_fail_the_job_without_their_values(
    client: Client,
) -> None:
    data = {"kwargs": {"lines": [{"sku": "a", "price": "secret"}]}}
    client.queues["typed"].put(typed_tasks.priced, data)

    with pytest.raises(BadArgumentError, match=r"lines\[0\].price") as raised:
        run(client)

    assert "secret" not in str(raised.value)


def test_what_has_no_annotation_travels_unchanged(client: Client) -> None:
    typed_tasks.bare.using(client).put({"a": 1}, more=[None])

    assert run(client) == [{"a": 1}, [None]]


def test_functions_without_annotations_do_not_import_pydantic() -> None:
    program = (
        "import sys, qless_py\n"
        "def f(value): return value\n"
        "task = qless_py.job(f)\n"
        "task.data(5)\n"
        "assert 'pydantic' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("task", "problem"),
    [
        (typed_tasks.unresolved, "an annotation cannot be resolved: name 'Fraction'"),
        (typed_tasks.opaque, "the annotation of value cannot travel as data"),
        (typed_tasks.returns_opaque, "the annotation of return cannot travel as data"),
    ],
)
def test_an_annotation_that_cannot_be_used_is_a_clear_error(
    client: Client, task: Any, problem: str
) -> None:
    arguments = {} if task is typed_tasks.returns_opaque else {"value": 1}
    for use in (lambda: task.using(client).put(**arguments), task.check):
        with pytest.raises(BadArgumentError, match=problem):
            use()
    typed_tasks.everything.check()
    assert client.queues.counts == []


def test_a_result_that_cannot_be_stored_fails_the_job(client: Client) -> None:
    jid = typed_tasks.lies.using(client).put()

    drain(client.queues["typed"], raises=False)

    with pytest.raises(JobFailedError, match="result"):
        jid.wait(timeout=5)


def test_an_async_function_is_converted_too(client: Client) -> None:
    jid = typed_tasks.later.using(client).put(date(2031, 1, 31))

    assert run(client) == {"after": "2031-02-01"}
    assert jid.wait(5) == {"after": date(2031, 2, 1)}
    assert asyncio.run(typed_tasks.later(date(2031, 1, 1))) == {"after": date(2031, 1, 2)}


def test_a_jid_is_text_that_travels_without_its_connection(client: Client) -> None:
    jid = typed_tasks.bare.using(client).put(1)

    assert isinstance(jid, str)
    assert jid == client.queues["typed"].jobs.waiting()[0]
    for copied in (
        copy.deepcopy(jid),
        pickle.loads(pickle.dumps(jid)),
        json.loads(json.dumps(jid)),
    ):
        assert type(copied) is str
        assert copied == jid
    client.queues["typed"].put("K", depends=[jid])
    client.queues["typed"].jobs.depends()


def test_a_jid_says_that_its_job_is_gone(client: Client) -> None:
    jid = typed_tasks.bare.using(client).put(1)
    client.cancel(jid)

    with pytest.raises(qless_py.JobNotFoundError):
        _ = jid.job
    with pytest.raises(JobCanceledError):
        jid.wait(timeout=5)


def test_an_asyncio_client_waits_for_the_result_too(
    client: Client, server: Server, clock: Clock
) -> None:
    async def put_and_wait() -> Any:
        async with aio.Client(server.url, clock=clock) as other:
            jid = await typed_tasks.later.put_async(other, day=date(2031, 1, 1))
            assert (await jid.job()).state == "waiting"
            await asyncio.to_thread(drain, client.queues["typed"])
            return await jid.wait(5), type(pickle.loads(pickle.dumps(jid)))

    assert asyncio.run(put_and_wait()) == ({"after": date(2031, 1, 2)}, str)


def test_a_schedule_of_a_task_is_one_however_often_it_is_set(client: Client) -> None:
    task = typed_tasks.priced.using(client, priority=3)

    jids = {task.recur(task.data([LINE]), 60) for _ in range(2)}

    assert jids == {"tests.handlers.typed_tasks.priced"}
    recurring = client.recurring[typed_tasks.priced.name]
    assert recurring is not None
    assert (recurring.queue_name, recurring.priority, recurring.interval) == ("typed", 3, 60)
    assert run(client)["price"] == "1.10"


def test_a_schedule_takes_a_jid_and_checks_the_arguments(client: Client, server: Server) -> None:
    task = typed_tasks.bare.using(client)

    assert task.recur({"kwargs": {"value": 1}}, cron="@daily", jid="mine") == "mine"
    with pytest.raises(BadArgumentError, match="missing a required argument: 'value'"):
        task.recur(cron="@daily")

    async def sets() -> Any:
        async with aio.Client(server.url, clock=client.runner.clock) as other:
            return await task.recur_async(other, task.data(1), cron="@daily")

    assert asyncio.run(sets()) == task.name


@pytest.mark.parametrize("data", [{"value": 1}, {"kwargs": [1]}, {"kwargs": {"other": 1}}, [1]])
def test_a_schedule_refuses_data_that_the_function_does_not_accept(
    client: Client, data: Any
) -> None:
    with pytest.raises(BadArgumentError, match=r"kwargs|missing a required argument"):
        typed_tasks.bare.using(client).recur(data, 60)

    assert client.recurring[typed_tasks.bare.name] is None


def test_a_schedule_writes_with_the_codec_of_its_task(client: Client) -> None:
    task = typed_tasks.bare.using(client, codec="msgpack")

    task.recur(task.data(1), 60)

    recurring = client.recurring[task.name]
    assert recurring is not None
    assert recurring.codec_name == "msgpack"
    popped = client.queues["typed"].pop()
    assert popped is not None
    assert (popped.codec_name, popped["kwargs"]) == ("msgpack", {"value": 1})


@pytest.mark.parametrize(
    ("args", "kwargs"), [((5,), {}), ((len,), {}), ((["a"],), {}), (("a",), {"to": "ann"})]
)
def test_a_batch_takes_only_jids_and_tasks(
    client: Client, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    batch: Any = client.batch("b")

    with pytest.raises(BadArgumentError, match="add takes jids, or a task"):
        batch.add(*args, **kwargs)

    assert batch.status["total"] == 0


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"client": "redis://h"}, "client is of the type str, not a Client"),
        ({"client": qless_py.App()}, "client is of the type App, not a Client"),
        ({"middleware": "app.timed"}, "middleware must be a list"),
    ],
)
def test_a_wrong_option_of_the_decorator_is_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadArgumentError, match=problem):
        qless_py.job(**options)(typed_tasks.Line)


def test_a_job_is_put_into_no_other_batch_than_it_names(client: Client) -> None:
    client.queues["own"].put("K")
    owner = client.queues["own"].pop()
    assert isinstance(owner, qless_py.Job)
    task = typed_tasks.bare.using(client, batch="other")
    for batch in (client.batch("b"), owner.batch("c")):
        with pytest.raises(BadArgumentError, match="'other' of the job is not"):
            batch.add(task, 1)
        with pytest.raises(BadArgumentError, match="'other' of the job is not"):
            batch.put("typed", "K", batch="other")
        with pytest.raises(BadArgumentError, match="'other' of the job is not"):
            batch.put_many("typed", [{"klass": "K"}, {"klass": "K", "batch": "other"}])
        batch.put("typed", "K", batch=batch.name)

    assert client.queues["typed"].counts["waiting"] == 2


def test_a_decorator_takes_its_queue_by_name() -> None:
    decorate: Any = qless_py.job

    with pytest.raises(BadArgumentError, match="its parameters are unknown"):
        decorate(dict)
    with pytest.raises(BadArgumentError, match=r"'mail' is not a function; name a queue as"):
        decorate("mail")


@pytest.mark.parametrize("more", [{"client": "redis://h"}, {"queue": ""}])
def test_another_client_or_queue_must_be_one(more: dict[str, Any]) -> None:
    with pytest.raises(BadArgumentError, match=r"client is of the type str|queue '' is not a name"):
        typed_tasks.bare.using(**more)


def test_specs_and_batches_know_the_queue_of_a_task(client: Client) -> None:
    client.queues["elsewhere"].put_many([typed_tasks.bare.spec(1)])
    client.put_many([typed_tasks.bare.spec(2), typed_tasks.priced.spec([])])
    with client.batch("b") as batch:
        jid = batch.add(typed_tasks.bare, 3, more=4)
        assert batch.add(client.queues["elsewhere"].put("K")) == 1
    client.queues["own"].put("K")
    owner = client.queues["own"].pop()
    assert isinstance(owner, qless_py.Job)
    owned = owner.batch()
    owned.add(typed_tasks.bare.using(priority=5), 5)

    assert client.queues["typed"].counts["waiting"] == 5
    assert client.job(jid).batch_name == "b"
    first = client.queues["typed"].peek()
    assert first is not None
    assert (first["kwargs"], first.priority) == ({"value": 5}, 5)


def test_options_of_one_put_replace_those_that_say_the_same(client: Client, clock: Clock) -> None:
    task = typed_tasks.bare.using(client, delay=60)

    jid = task.using(at=clock.now + 5).put(1)

    assert isinstance(jid, Jid)
    assert jid.job.due_at == clock.now + 5
