import os
import signal

import pytest

from qless_py.worker.board import Activity, Board, Held


def held(number: int) -> Held:
    return Held(f"job-{number}", f"{number}.nonce", "queue", 1.5, 60.0)


def test_a_new_board_holds_nothing() -> None:
    note = Board().read()

    assert note.held == ()
    assert note.activity is Activity.STARTING
    assert note.started is None


def test_jobs_leave_the_board_one_by_one_in_their_order() -> None:
    board = Board()
    board.hold([held(1), held(2)])

    board.start(0)
    running = board.read()
    board.settle(0)
    settling = board.read()
    board.end(0)
    rest = board.read()

    assert (running.running, running.started) == (held(1), held(1))
    assert (settling.running, settling.started) == (None, held(1))
    assert rest.held == (held(2),)
    assert rest.started is None
    assert board.ended == 1


def test_every_change_gives_another_version() -> None:
    board = Board()
    seen = {board.read().version}

    for change in (board.ask, board.idle, board.ask, board.idle):
        change()
        seen.add(board.read().version)

    assert len(seen) == 5


def test_a_batch_of_a_hundred_jobs_with_the_longest_names_fits() -> None:
    board = Board()
    jobs = [Held(f"{n:0128}", f"{n:040}", "q" * 128, 1e9, 3600.0) for n in range(100)]

    board.hold(jobs)

    assert board.read().held == tuple(jobs)


def test_more_than_fits_is_refused_and_leaves_the_board_as_it_was() -> None:
    board = Board()
    board.hold([held(1)])

    with pytest.raises(ValueError, match="does not fit"):
        board.hold([Held("j" * 128, "l" * 128, "q" * 128, 0.0, 1.0)] * 100)

    assert board.read().held == (held(1),)


@pytest.mark.fork
def test_what_a_killed_child_noted_last_is_still_there() -> None:
    board = Board()
    reader, writer = os.pipe()

    pid = os.fork()
    if pid == 0:
        board.hold([held(1), held(2), held(3)])
        board.start(0)
        board.end(0)
        board.start(1)
        os.write(writer, b"!")
        signal.pause()
    assert os.read(reader, 1) == b"!"
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)

    assert board.read().held == (held(2), held(3))
    assert board.read().started == held(2)
    os.close(reader)
    os.close(writer)


@pytest.mark.fork
def test_a_reader_never_sees_half_a_note() -> None:
    board = Board()
    batches = [[held(n) for n in range(size)] for size in (1, 40)]

    pid = os.fork()
    if pid == 0:
        while True:
            for batch in batches:
                board.hold(batch)
    seen = {len(board.read().held) for _ in range(3000)}
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)

    assert seen <= {0, 1, 40}
