"""The board: what a child notes, and what its parent can always read."""

import os
import signal

import pytest

from qless_py.worker.status_board import MOST, Activity, Board, Held, Stage


def held(number: int) -> Held:
    return Held(f"jid-{number}", f"{number}.nonce", "work", float(number), 60.0)


@pytest.fixture
def board() -> Board:
    return Board()


def test_a_fresh_board_says_that_the_child_starts(board: Board) -> None:
    note = board.read()

    assert note.activity is Activity.STARTING
    assert note.held == ()
    assert not note.is_idle


def test_jobs_are_held_then_run_then_settled_then_gone(board: Board) -> None:
    board.hold([held(1), held(2)])
    assert board.read().waiting == (held(1), held(2))

    board.start(0)
    assert [one.held for one in board.read().running] == [held(1)]
    assert board.read().waiting == (held(2),)

    board.settle(0)
    assert board.read().running == ()
    assert board.read().settling == (held(1),)

    board.end(0)
    assert board.read().held == (held(2),)
    assert board.ended == 1


def test_several_jobs_may_run_at_once_and_end_in_any_order(board: Board) -> None:
    board.hold([held(1), held(2), held(3)])
    for row in range(3):
        board.start(row)

    board.settle(1)
    board.end(1)

    assert [one.held for one in board.read().running] == [held(1), held(3)]


def test_jobs_that_were_held_before_keep_how_far_they_are(board: Board) -> None:
    board.hold([held(1), held(2)])
    board.start(0)
    board.start(1)
    board.limit(1, 7.0)
    since = board.read().running[1].since
    board.settle(0)
    board.end(0)

    board.hold([held(2), held(3)], before=[1])

    (running,) = board.read().running
    assert (running.held, running.since, running.limit) == (held(2), since, 7.0)
    assert board.read().waiting == (held(3),)


def test_a_limit_is_not_known_before_it_is_noted(board: Board) -> None:
    board.hold([held(1)])
    board.start(0)

    assert board.read().running[0].limit is None


def test_a_child_is_idle_only_when_it_holds_nothing(board: Board) -> None:
    board.hold([held(1)])
    board.start(0)
    board.settle(0)
    assert not board.read().is_idle
    board.end(0)
    assert not board.read().is_idle

    board.idle()

    assert board.read().is_idle


def test_every_turn_shows_that_something_happened(board: Board) -> None:
    versions = [board.read().version]
    for step in (board.ask, board.idle, lambda: board.hold([held(1)]), board.ask):
        step()
        versions.append(board.read().version)

    assert len(set(versions)) == len(versions)


def test_as_many_jobs_with_the_longest_names_fit_as_one_call_hands_out(board: Board) -> None:
    longest = [Held(f"{n:0128}", f"{n:0200}", "q" * 128, 1.0, 60.0) for n in range(100)]

    board.hold(longest)

    assert board.read().held == tuple(longest)


def test_more_jobs_than_fit_are_refused(board: Board) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        board.hold([held(number) for number in range(MOST + 1)])


def test_a_note_outlives_the_child_that_wrote_it(board: Board) -> None:
    child = os.fork()
    if child == 0:
        board.hold([held(1), held(2)])
        board.start(0)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)

    note = board.read()

    assert note.stages == (Stage.RUNNING, Stage.HELD)
    assert note.held == (held(1), held(2))


def test_another_program_finds_the_board_by_its_descriptor(board: Board) -> None:
    board.hold([held(1)])

    other = Board(os.dup(board.descriptor))

    assert other.read() == board.read()
    other.close()


def test_a_beat_is_counted_and_moves_nothing_else(board: Board) -> None:
    before = board.read()

    board.beat()

    assert board.beats == 1
    assert board.read() == before
