from __future__ import annotations

import os
import threading
from pathlib import Path

from qless_py import store
from qless_py.store.runner import Runner
from tests.store.calls import QUICK, length, put


def test_a_server_killed_under_the_runner_costs_nothing(folder: Path) -> None:
    with store.connect(f"embedded://{folder}") as connection:
        runner = Runner(connection, "ql", policy=QUICK)
        for number in range(60):
            if number % 20 == 10:
                os.kill(connection.info("server")["process_id"], 9)
            assert runner.run(put(f"job-{number}")).created

        assert runner.run(length()) == 60


def test_a_server_killed_while_threads_put_loses_and_doubles_nothing(folder: Path) -> None:
    with store.connect(f"embedded://{folder}") as connection:
        runner = Runner(connection, "ql", policy=QUICK)
        created: list[bool] = []

        def work(name: int) -> None:
            for number in range(0, 100, 10):
                calls = [put(f"job-{name}-{number + i}") for i in range(10)]
                created.extend(reply.created for reply in runner.run_many(calls))

        threads = [threading.Thread(target=work, args=(name,)) for name in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(2):
            os.kill(connection.info("server")["process_id"], 9)
            runner.run(length())
        for thread in threads:
            thread.join()

        assert created == [True] * 300
        assert runner.run(length()) == 300
