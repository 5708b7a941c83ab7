"""The App: what its clients and jobs share."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest

import qless_py
from qless_py import App, BadArgumentError, Client, ConfigError, EncryptedCodec, RetryPolicy
from qless_py.app import app_of, load_app
from qless_py.middleware import Timeout
from qless_py.testing import drain, perform
from tests.servers import Server

pytestmark = pytest.mark.any_server

NAMESPACE = "ql"
KEYS = {"SHOP_KEYS": "2025:" + base64.b64encode(bytes(16)).decode()}


here = App(namespace="here")
site = App()


@site.job(queue="crawl")
async def crawl(depth: int) -> int:
    if depth:
        await site.aio.queues["crawl"].put(crawl, crawl.data(depth=depth - 1))
    return depth


@here.job(queue="mail")
def greet(to: str) -> str:
    return f"hello {to}"


def send(to: str) -> str:
    return f"sent to {to}"


@pytest.fixture
def store(server: Server, redis: Any) -> Iterator[str]:
    """Return the URL of an empty store with the server's clock."""
    redis.flushall()
    yield server.url
    redis.flushall()


@pytest.fixture
def app(store: str) -> Iterator[App]:
    made = App(store, namespace=NAMESPACE)
    yield made
    made.client.close()


def test_a_job_of_an_app_goes_to_its_store(app: App) -> None:
    task = app.job(queue="mail", priority=3)(send)

    jid = task.put(to="ann")

    job = app.client.jobs[jid]
    assert isinstance(job, qless_py.Job)
    assert (job.queue_name, job.priority) == ("mail", 3)
    assert job.data == {"kwargs": {"to": "ann"}}
    assert task("ann") == "sent to ann"
    assert app.tasks == {f"{__name__}.send": task}


def test_a_function_may_be_declared_without_options(app: App) -> None:
    assert app.job(send).queue == "default"
    assert app.queues == ("default",)


def test_a_job_of_an_app_takes_no_client(app: App) -> None:
    options: Any = {"client": app.client}

    with pytest.raises(BadArgumentError, match="leave out client"):
        app.job(**options)


def test_options_of_the_app_are_defaults_of_its_jobs(store: str) -> None:
    policy = RetryPolicy(5)
    app = App(store, retry=policy, retries=2, soft_limit=3, hard_limit=9)

    task = app.job(queue="mail")(send)
    other = app.job(queue="mail", attempts=3, retries=1, hard_limit=7)(send)

    assert (task.retry, task.soft_limit, task.hard_limit) == (policy, 3, 9)
    assert task.default_job_options({}) == {"retries": 2}
    assert (other.soft_limit, other.hard_limit) == (3, 7)
    assert other.retry == qless_py.job(attempts=3)(send).retry  # not also the policy of the App
    assert other.default_job_options({}) == {"retries": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "http://host"}, "http"),
        ({"namespace": "a b"}, "namespace"),
        ({"codec": "pickle"}, "codec"),
        ({"codecs": [object()]}, "no name, encode and decode"),
        ({"middleware": [3]}, "neither callable nor a dotted name"),
        ({"middleware": "app.timed"}, "must be a list"),
        ({"imports": "shop.jobs"}, "must be a list"),
        ({"middleware": 5}, "middleware must be a list, not 5"),
        ({"middleware": [""]}, "neither callable nor a dotted name"),
        ({"codecs": None}, "codecs must be a list, not None"),
        ({"codecs": "msgpack"}, "codecs must be a list"),
        ({"redact": None}, "redact must be a list"),
        ({"namespace": ""}, "namespace '' is not a name"),
        ({"retries": -1}, "retries"),
        ({"retry": RetryPolicy(5), "attempts": 3}, "exclude"),
        ({"soft_limit": "soon"}, "soft_limit"),
        ({"redact": ["("]}, "not a regular expression"),
        ({"logging": 10}, "not a map for dictConfig or a function"),
        ({"patience": 1000}, "patience"),
    ],
)
def test_a_wrong_argument_is_refused_where_the_app_is_made(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(qless_py.QlessError, match=message):
        App(**options)


def test_a_client_is_made_on_first_use_and_shared(app: App) -> None:
    assert app.client is app.client
    assert app_of(app.client) is app
    assert app_of(object()) is None


def test_a_forked_process_may_use_the_client(app: App) -> None:
    task = app.job(queue="mail")(send)
    task.put(to="before")
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            task.put(to="child")
        os._exit(0)
    os.waitpid(pid, 0)

    task.put(to="parent")

    found = [app.client.queues["mail"].pop() for _ in range(3)]
    assert [job and job["kwargs"]["to"] for job in found] == ["before", "child", "parent"]


def test_each_event_loop_has_a_client_that_is_closed_with_it(app: App) -> None:
    seen = []

    async def put(number: int) -> None:
        assert app.aio is app.aio
        seen.append(app.aio)
        await app.aio.queues["mail"].put("k", number)

    for number in range(3):
        asyncio.run(put(number))

    assert len(set(seen)) == 3
    assert len(app.client.queues["mail"]) == 3
    assert not app._loop_clients._clients
    pools = [one.redis.connection_pool for one in seen]
    assert not any(one.is_connected for pool in pools for one in pool._available_connections)


def test_a_loop_that_ends_without_closing_anything_is_forgotten(app: App) -> None:
    async def use() -> None:
        await app.aio.queues["mail"].length()
        await app.aio.close()

    for _ in range(3):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(use())
        loop.close()

    assert len(app._loop_clients._clients) == 1
    asyncio.run(use())
    assert not app._loop_clients._clients


def test_async_handlers_use_the_client_of_their_loop(store: str) -> None:
    site.use_store(store, NAMESPACE)
    crawl.put(depth=3)

    assert [one.result for one in drain(site.client.queues["crawl"])] == [3, 2, 1, 0]

    site.client.close()


def test_outside_of_an_event_loop_there_is_no_asyncio_client(app: App) -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        _ = app.aio


def test_another_store_can_be_chosen(store: str) -> None:
    app = App("redis://127.0.0.1:1/0", namespace="a")
    first = app.client
    app.use_store(store, NAMESPACE)

    assert app.client is not first
    app.job(queue="mail")(send).put(to="ann")
    assert (app.url, app.namespace, len(app.client.queues["mail"])) == (store, NAMESPACE, 1)
    app.client.close()


@pytest.mark.parametrize("wrong", [{"url": "nope://"}, {"url": "redis://a", "namespace": "a b"}])
def test_a_wrong_store_changes_nothing(store: str, wrong: dict[str, str]) -> None:
    app = App(store, namespace=NAMESPACE)
    client = app.client

    with pytest.raises(qless_py.QlessError):
        app.use_store(**wrong)

    assert (app.url, app.namespace, app.client) == (store, NAMESPACE, client)
    client.close()


def test_clients_of_an_app_read_and_write_with_its_codecs(store: str) -> None:
    codec = EncryptedCodec.from_environment("SHOP_KEYS", environ=KEYS)
    app = App(store, namespace=NAMESPACE, codec=codec)
    jid = app.client.queues["mail"].put(greet, greet.data(to="ann"))

    job = app.client.jobs[jid]
    assert isinstance(job, qless_py.Job)
    assert b"ann" not in job.raw
    assert job.data == {"kwargs": {"to": "ann"}}
    assert [one.result for one in drain(app.client.queues["mail"])] == ["hello ann"]
    app.client.close()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "variable SHOP_KEYS is not set: expected ID:KEY"),
        ("  ", "variable SHOP_KEYS is not set"),
        ("secret", "SHOP_KEYS: key 1 is wrong"),
        (KEYS["SHOP_KEYS"] + " 2026:c2VjcmV0", "SHOP_KEYS: key 2 is wrong"),
        (" ".join([KEYS["SHOP_KEYS"]] * 2), "SHOP_KEYS: key id 2 is repeated"),
    ],
)
def test_wrong_keys_name_the_variable_and_show_no_key(value: str | None, message: str) -> None:
    environ = {} if value is None else {"SHOP_KEYS": value}

    with pytest.raises(ConfigError, match=message) as raised:
        EncryptedCodec.from_environment("SHOP_KEYS", environ=environ)

    assert "c2Vj" not in str(raised.value)


def test_the_last_key_encrypts_and_all_of_them_decrypt() -> None:
    old = EncryptedCodec.from_environment("SHOP_KEYS", environ=KEYS)
    new_key = base64.urlsafe_b64encode(b"\xff" * 32).decode()
    both = EncryptedCodec.from_environment(
        "SHOP_KEYS", environ={"SHOP_KEYS": f"{KEYS['SHOP_KEYS']} 2026:{new_key}"}
    )

    assert both.decode(old.encode(1, "j"), "j") == 1
    with pytest.raises(qless_py.UndecodableDataError, match="key that is not here"):
        old.decode(both.encode(1, "j"), "j")


@pytest.mark.parametrize("hook", ["x", lambda _job: None, asyncio.sleep])
def test_a_hook_is_called_without_arguments(hook: Any) -> None:
    with pytest.raises(BadArgumentError, match="hook"):
        App().on_child_start(hook)


def test_a_worker_gets_what_the_app_says(store: str) -> None:
    limit = Timeout(30)
    app = App(
        store,
        namespace="shop",
        middleware=[limit],
        imports=["shop.jobs"],
        attempts=5,
        soft_limit=3,
        codecs=[EncryptedCodec.from_environment("SHOP_KEYS", environ=KEYS)],
    )
    app.job(queue="mail")(send)

    made = app.worker_options(["a"], middleware=["x.y"], imports=["more"], children=3)

    assert (made.url, made.namespace, made.queues) == (store, "shop", ["a"])
    assert made.imports == ("shop.jobs", __name__, "more")
    assert made.middleware == (limit, "x.y")
    assert (made.soft_limit, made.hard_limit, made.children) == (3, 3600, 3)
    assert made.retry == qless_py.job(attempts=5)(send).retry
    assert [one.name for one in made.codecs] == ["encrypted"]
    assert made.hooks is app.hooks
    assert app.worker_options(["a"], soft_limit=None).soft_limit is None


def test_a_codec_that_does_not_read_what_it_wrote_is_found_before_a_worker_starts() -> None:
    class Broken(qless_py.JsonCodec):
        name = "broken"

        def decode(self, data: bytes, jid: str) -> Any:
            return super().decode(data, jid) and None

    check, _ = App(codecs=[Broken()]).worker_options(["a"]).checks

    assert check.subject == "codec broken"
    with pytest.raises(ConfigError, match="codec broken reads None"):
        check.run()


def test_without_queues_a_worker_serves_those_of_the_jobs() -> None:
    app = App()
    app.job(queue="mail")(send)
    app.job(queue="crawl")(test_a_client_is_made_on_first_use_and_shared)
    app.job(queue="mail")(test_outside_of_an_event_loop_there_is_no_asyncio_client)

    assert app.worker_options().queues == ("mail", "crawl")


def test_tests_run_jobs_with_the_middleware_of_the_app(store: str) -> None:
    seen = []

    @contextlib.contextmanager
    def around(job: qless_py.Job) -> Iterator[None]:
        seen.append(job.jid)
        yield

    app = App(store, namespace=NAMESPACE, middleware=[around])
    jid = app.client.queues["mail"].put(greet, greet.data(to="ann"))

    drain(app.client.queues["mail"])
    assert perform(qless_py.Job.build(app.client, greet, greet.data(to="bob"))) == "hello bob"

    assert seen[0] == jid
    assert len(seen) == 2
    app.client.close()


def test_logging_is_set_up_by_a_map_or_a_function() -> None:
    called = []
    App(logging=lambda: called.append(True)).set_up_logging()
    assert called == [True]

    other = logging.getLogger("qless_py.worker.supervisor")
    App(logging={"version": 1, "loggers": {"app.test": {"level": "ERROR"}}}).set_up_logging()
    assert logging.getLogger("app.test").level == logging.ERROR
    assert not other.disabled
    App().set_up_logging()
    with pytest.raises(ConfigError, match="logging of <App"):
        App(logging={"version": 7}).set_up_logging()


def test_the_password_of_the_store_is_not_shown() -> None:
    assert "secret" not in repr(App("redis://:secret@host/0"))
    assert repr(App("redis://host/0", namespace="shop")) == "<App shop redis://host/0>"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no.such:app", "there is no module 'no'"),
        ("tests.app.nosuch:app", "there is no module 'tests.app.nosuch'"),
        (f"{__name__}:her", "did you mean 'here'"),
        (f"{__name__}:send", "is a function, not a qless_py.App"),
        (f"{__name__}", "several Apps: use one of tests.app.test_app:here"),
        ("tests.servers", "has no qless_py.App"),
        ("tests.app.test_app:", "not of the form MODULE:NAME"),
        ("shop/worker.py", "not of the form MODULE:NAME"),
    ],
)
def test_a_wrong_name_of_an_app_says_what_is_wrong(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        load_app(name)

    assert "\n" not in str(raised.value)


def test_an_app_is_found_by_its_name() -> None:
    assert load_app(f"{__name__}:here") is not None
    assert load_app(f"{__name__}:here").namespace == "here"


def test_a_client_of_the_default_store_is_made_for_an_app_without_url(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QLESS_PY_URL", store)
    monkeypatch.setenv("QLESS_PY_NAMESPACE", NAMESPACE)
    app = App()
    app.job(queue="mail")(send).put(to="ann")

    with Client(store, namespace=NAMESPACE) as client:
        assert len(client.queues["mail"]) == 1
    app.client.close()
