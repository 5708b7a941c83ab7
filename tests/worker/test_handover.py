"""The state that one program hands over to the next, which may be of another version."""

import os
from collections.abc import Iterator

import msgpack
import pytest

from qless_py.worker import control_pipe, reexec
from qless_py.worker.status_board import LeasedJob, StatusBoard


@pytest.fixture
def board() -> Iterator[StatusBoard]:
    made = StatusBoard()
    yield made
    made.close()


@pytest.fixture
def pipe() -> Iterator[int]:
    reader, writer = os.pipe()
    yield writer
    for end in (reader, writer):
        os.close(end)


def hand_over(state: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> reexec.HandoverState:
    file = os.memfd_create("state")
    os.write(file, msgpack.packb(state))
    monkeypatch.setenv("QLESS_PY_WORKER_STATE", str(file))
    return reexec.inherited_state()


def test_the_state_written_by_earlier_versions_is_read(
    board: StatusBoard, pipe: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.hold([LeasedJob("jid", "1.nonce", "work", 5.0, 60.0)])
    state = {
        "quiet": True,
        "owed": [["worker_deregister", b'["host-1-0"]']],
        "members": [
            {
                "index": 1,
                "worker": "host-1-1",
                "nonce": "nonce",
                "board": os.dup(board.descriptor),
                "pipe": pipe,
                "pid": 4711,
                "forked_at": 12.5,
                "told": b"S",
                "given_back": ["2.nonce"],
                "doomed": {"1.nonce": 99.5},
                "cause": "ran into its hard limit",
            }
        ],
        "probe": None,
    }

    handed = hand_over(state, monkeypatch)

    (child,) = handed.children
    assert (child.index, child.worker, child.nonce, child.pid) == (1, "host-1-1", "nonce", 4711)
    assert (child.pipe, child.forked_at) == (pipe, 12.5)
    assert child.leave_message == control_pipe.STOP
    assert child.released == {"2.nonce"}
    assert child.kill_deadlines == {"1.nonce": 99.5}
    assert child.cause == "ran into its hard limit"
    assert [one.jid for one in child.board.read().held] == ["jid"]
    assert [(call.script, call.args) for call in handed.pending] == [
        ("worker_deregister", (b'["host-1-0"]',))
    ]
    assert (handed.is_quiet, handed.probe) == (True, None)
    assert not reexec.is_reexec()  # A child of this program must not find the state.
    child.board.close()


def test_a_program_that_replaced_none_starts_with_nothing() -> None:
    assert reexec.inherited_state() == reexec.HandoverState()
