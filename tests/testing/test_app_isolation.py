"""With the fixture `qless_app` nothing that a test puts reaches the store of the App."""

from __future__ import annotations

import pytest

from tests.servers import Server

pytest_plugins = ["pytester"]
# The plugin replaces the client of an App; which server that has makes no difference to it.
pytestmark = pytest.mark.any_server

APP = """
    import qless_py

    seen = []

    class Around:
        def __init__(self, job):
            seen.append(job.jid)
        def __enter__(self):
            pass
        def __exit__(self, *error):
            pass

    class Other(qless_py.JsonCodec):
        name = "other"

    app = qless_py.App("redis://production.invalid:1/0", codec=Other(), middleware=[Around])
    second = qless_py.App("redis://production.invalid:2/0")

    def production():
        raise AssertionError("this is the real store")

    @app.job(queue="mail")
    def send(to: str) -> str:
        return f"sent to {to}"

    @app.job(queue="mail")
    async def forward(to: str) -> None:
        await app.aio.queues["mail"].put(send, send.data(to=to))

    @qless_py.job(queue="mail")
    def plain(to: str) -> str:
        return to

    @qless_py.job(queue="mail", client=production)
    def declared(to: str) -> str:
        return to

    @second.job(queue="other")
    def elsewhere(to: str) -> str:
        return to
"""

CONFTEST = """
    import pytest

    @pytest.fixture(scope="session")
    def qless_url():
        return {url!r}
"""

SUITE = """
    import asyncio
    import threading

    import pytest
    import qless_py
    import site_app
    from qless_py.testing import assert_put, drain, run_inline
    from site_app import app, declared, elsewhere, forward, plain, second, send

    def test_no_fixture_is_needed():
        send.put(to="ann")
        plain.put(to="bob")
        declared.put(to="kim")
        elsewhere.put(to="lea")
        thread = threading.Thread(target=send.put, kwargs={"to": "eve"})
        thread.start()
        thread.join()

        assert [one.result for one in drain(app.client.queues["mail"])] == [
            *("sent to ann", "bob", "kim", "sent to eve")
        ]
        assert len(second.client.queues["other"]) == 1

    def test_threads_may_put_first_and_at_once():
        threads = [threading.Thread(target=send.put, kwargs={"to": str(n)}) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(app.client.queues["mail"]) == 8

    def test_each_test_has_an_empty_store(qless_client):
        assert len(qless_client.queues["mail"]) == 0
        assert app.client is qless_client
        assert qless_client.settings.codec.name == "other"

    def test_asyncio_and_middleware(qless_client, qless_clock):
        forward.put(to="ann")
        site_app.seen.clear()
        done = drain(qless_client.queues["mail"])
        assert [one.result for one in done] == [None, "sent to ann"]
        assert site_app.seen == [one.jid for one in done]

        async def put():
            await send.put_async(app.aio, to="bob")

        asyncio.run(put())
        with run_inline(qless_client):
            elsewhere.put(to="lea")
        assert len(qless_client.queues["mail"]) == 0

    def test_the_clock_of_the_server(qless_live_client):
        send.put(to="ann")
        assert len(qless_live_client.queues["mail"]) == 1
        assert app.client is qless_live_client
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["ini", "fixture"])
def test_no_job_of_a_test_reaches_another_store(
    pytester: pytest.Pytester, server: Server, way: str
) -> None:
    conftest = CONFTEST.format(url=server.url)
    if way == "ini":
        pytester.makeini("[pytest]\nqless_app = site_app:app\npythonpath = .")
    else:
        pytester.makeini("[pytest]\npythonpath = .")
        conftest += """
    @pytest.fixture
    def qless_app():
        from site_app import app
        return app
"""
    pytester.makeconftest(conftest)
    pytester.makepyfile(site_app=APP, test_site=SUITE)

    result = pytester.runpytest_subprocess(
        *("-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:cov", "-W", "error")
    )

    result.assert_outcomes(passed=5)
