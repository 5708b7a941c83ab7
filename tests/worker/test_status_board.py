"""The status board: what a child writes to it, its supervisor can always read."""

import os
import signal

import pytest

from qless_py.worker.status_board import MAX_JOBS, Activity, LeasedJob, Stage, StatusBoard


def held(number: int) -> LeasedJob:
    return LeasedJob(f"jid-{number}", f"{number}.nonce", "work", float(number), 60.0)


@pytest.fixture
def board() -> StatusBoard:
    return StatusBoard()


def test_a_new_status_board_says_that_the_child_starts(board: StatusBoard) -> None:
    status = board.read()

    assert status.activity is Activity.STARTING
    assert status.held == ()
    assert not status.is_idle


def test_jobs_are_held_then_run_then_settled_then_gone(board: StatusBoard) -> None:
    board.hold([held(1), held(2)])
    assert board.read().not_started == (held(1), held(2))

    board.mark_running(0)
    assert [one.leased for one in board.read().running] == [held(1)]
    assert board.read().not_started == (held(2),)

    board.mark_acknowledging(0)
    assert board.read().running == ()
    assert board.read().acknowledging == (held(1),)

    board.mark_ended(0)
    assert board.read().held == (held(2),)
    assert board.ended == 1


def test_several_jobs_may_run_at_once_and_end_in_any_order(board: StatusBoard) -> None:
    board.hold([held(1), held(2), held(3)])
    for row in range(3):
        board.mark_running(row)

    board.mark_acknowledging(1)
    board.mark_ended(1)

    assert [one.leased for one in board.read().running] == [held(1), held(3)]


def test_jobs_held_before_keep_their_progress(board: StatusBoard) -> None:
    board.hold([held(1), held(2)])
    board.mark_running(0)
    board.mark_running(1)
    board.set_hard_limit(1, 7.0)
    since = board.read().running[1].started_at
    board.mark_acknowledging(0)
    board.mark_ended(0)

    board.hold([held(2), held(3)], kept_slots=[1])

    (running,) = board.read().running
    assert (running.leased, running.started_at, running.hard_limit) == (held(2), since, 7.0)
    assert board.read().not_started == (held(3),)


def test_a_limit_is_not_known_before_it_is_noted(board: StatusBoard) -> None:
    board.hold([held(1)])
    board.mark_running(0)

    assert board.read().running[0].hard_limit is None


def test_a_child_is_idle_only_when_it_holds_nothing(board: StatusBoard) -> None:
    board.hold([held(1)])
    board.mark_running(0)
    board.mark_acknowledging(0)
    assert not board.read().is_idle
    board.mark_ended(0)
    assert not board.read().is_idle

    board.mark_idle()

    assert board.read().is_idle


def test_every_change_increments_the_counter(board: StatusBoard) -> None:
    versions = [board.read().version]
    for step in (
        board.mark_fetching,
        board.mark_idle,
        lambda: board.hold([held(1)]),
        board.mark_fetching,
    ):
        step()
        versions.append(board.read().version)

    assert len(set(versions)) == len(versions)


def test_the_status_board_fits_as_many_of_the_longest_names_as_one_pop_returns(
    board: StatusBoard,
) -> None:
    longest = [LeasedJob(f"{n:0128}", f"{n:0200}", "q" * 128, 1.0, 60.0) for n in range(100)]

    board.hold(longest)

    assert board.read().held == tuple(longest)


def test_more_jobs_than_fit_are_rejected(board: StatusBoard) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        board.hold([held(number) for number in range(MAX_JOBS + 1)])


def test_an_entry_outlives_the_child_that_wrote_it(board: StatusBoard) -> None:
    child = os.fork()
    if child == 0:
        board.hold([held(1), held(2)])
        board.mark_running(0)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)

    status = board.read()

    assert status.stages == (Stage.RUNNING, Stage.HELD)
    assert status.held == (held(1), held(2))


def test_another_program_opens_the_status_board_by_its_descriptor(board: StatusBoard) -> None:
    board.hold([held(1)])

    other = StatusBoard(os.dup(board.descriptor))

    assert other.read() == board.read()
    other.close()


def test_a_heartbeat_is_counted_and_changes_nothing_else(board: StatusBoard) -> None:
    before = board.read()

    board.pong()

    assert board.pongs == 1
    assert board.read() == before
