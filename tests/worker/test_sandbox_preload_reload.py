"""Sandboxes, preloading, reloading, process titles, and queues by pattern."""

from pathlib import Path

import pytest

from qless_py import BadArgumentError, Client
from qless_py.worker import WorkerOptions
from tests.eventually import eventually
from tests.worker import handlers
from tests.worker.conftest import LinePipe, Start
from tests.worker.job_helpers import pipes, put, read, result
from tests.worker.test_signals import CODE

pytestmark = [pytest.mark.fork, pytest.mark.any_server]


@pytest.mark.parametrize(
    "options", [{}, {"concurrency": 2}, {"isolation": "job"}, {"isolation": "none"}]
)
def test_a_job_has_an_empty_sandbox_that_is_removed_with_it(
    live: Client, work: Start, tmp_path: Path, options: dict[str, object]
) -> None:
    folder = tmp_path / "sandbox"
    jids = [put(live, handlers.in_sandbox) for _ in range(2)]
    work(sandbox=str(folder), **options)

    made = [result(live, jid) for jid in jids]

    assert [before for _, before in made] == [[], []]
    assert all(Path(path).parent == folder for path, _ in made)
    assert len({path for path, _ in made}) == 2
    assert list(folder.iterdir()) == []


def test_without_a_sandbox_a_job_has_none(live: Client, work: Start) -> None:
    jid = put(live, handlers.has_sandbox)
    work()

    assert result(live, jid) is False


def test_preloaded_handlers_are_imported_once_for_all_children(live: Client, work: Start) -> None:
    jids = [put(live, handlers.loaded) for _ in range(4)]
    work(preload=True, max_jobs=1)

    assert len({result(live, jid) for jid in jids}) == 1


@pytest.mark.parametrize("options", [{}, {"concurrency": 2}, {"isolation": "job"}])
def test_a_child_has_imported_its_handlers_before_its_first_job(
    live: Client, work: Start, tmp_path: Path, options: dict[str, object]
) -> None:
    pids = tmp_path / "pids"
    (tmp_path / "noting.py").write_text(
        f"import os\nopen({str(pids)!r}, 'a').write(f'{{os.getpid()}} ')\n"
    )
    worker = work(path=[str(tmp_path)], imports=["noting"], **options)

    worker.wait_for_state(live, "running")

    (child,) = [str(row["info"]["pid"]) for row in live.workers.counts]
    # The supervisor may call a child running that is still importing.
    eventually(lambda: child in pids.read_text().split(), "it imported no handlers without a job")


def test_changed_code_is_loaded_while_old_jobs_finish(
    live: Client, work: Start, reports: LinePipe, go: LinePipe, tmp_path: Path
) -> None:
    code = tmp_path / "changing.py"
    code.write_text(CODE.format(version=1))
    worker = work(watch=True, path=[str(tmp_path)], imports=["changing"])
    long = put(live, "changing.waits", pipes(reports, go))
    reports.line()

    code.write_text(CODE.format(version=22))

    assert result(live, put(live, "changing.version")) == 22
    go.send("on")
    assert result(live, long) == 1
    assert worker.process.poll() is None


def test_process_titles_name_the_role(live: Client, work: Start) -> None:
    jid = put(live, handlers.title)
    work()

    assert result(live, jid).startswith("qless-py: ch")


def test_queues_by_pattern_with_exclusions(live: Client, work: Start) -> None:
    wanted = [live.queues[name].put(handlers.nothing) for name in ("mail-a", "mail-b", "other")]
    unwanted = live.queues["mail-slow"].put(handlers.nothing)
    work(queues=["mail-*", "!mail-slow", "other"])

    for jid in wanted:
        result(live, jid)

    assert read(live, unwanted).state == "waiting"


@pytest.mark.parametrize(
    "options",
    [
        {"queues": "work"},
        {"queues": []},
        {"queues": ["a b"]},
        {"imports": "module"},
        {"children": 0},
        {"concurrency": 0},
        {"concurrency": 101},
        {"isolation": "thread"},
        {"reserver": "fastest"},
        {"weights": {"unknown": 1}, "reserver": "weighted"},
        {"batch": 0},
        {"max_jobs": 0},
        {"max_memory": -1},
        {"grace": -1},
        {"grace": float("nan")},
        {"interval": 0},
        {"hard_limit": "long"},
        {"kill_interval": -0.1},
    ],
)
def test_invalid_options_are_rejected_by_name(options: dict[str, object]) -> None:
    given: dict[str, object] = {"queues": ["work"], **options}

    with pytest.raises(BadArgumentError, match=next(iter(options))[:5]):
        WorkerOptions(**given)  # type: ignore[arg-type]
