import contextlib
import fcntl
import os
import resource
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from qless_py.worker import control_pipe
from qless_py.worker.control_pipe import ControlPipe, send


class Pipe(NamedTuple):
    reader: int
    writer: int


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    yield Pipe(reader, writer)
    for end in (reader, writer):
        with contextlib.suppress(OSError):
            os.close(end)


def test_an_empty_pipe_holds_no_message(pipe: Pipe) -> None:
    control = ControlPipe(pipe.reader)

    control.read()

    assert not control.stop
    assert not control.orphaned


def test_one_read_returns_all_messages(pipe: Pipe) -> None:
    control = ControlPipe(pipe.reader)
    send(pipe.writer, control_pipe.LOST, "1.a")
    send(pipe.writer, control_pipe.LOST, "2.b")
    send(pipe.writer, control_pipe.STOP)

    control.read()

    assert control.lost == {"1.a", "2.b"}
    assert control.stop
    assert not control.release


def test_a_release_message_also_stops(pipe: Pipe) -> None:
    control = ControlPipe(pipe.reader)
    send(pipe.writer, control_pipe.RELEASE)

    control.read()

    assert control.stop
    assert control.release


def test_the_end_of_the_pipe_means_the_supervisor_is_gone(pipe: Pipe) -> None:
    control = ControlPipe(pipe.reader)
    os.close(pipe.writer)

    control.wait(40)

    assert control.orphaned
    assert control.stop


def test_waiting_ends_when_another_descriptor_can_be_read(pipe: Pipe) -> None:
    control = ControlPipe(pipe.reader)
    reader, writer = os.pipe()
    os.write(writer, b"!")

    ready = control.wait(10.0, reader)

    assert ready == [reader]
    os.close(reader)
    os.close(writer)


def test_a_descriptor_may_have_any_number(pipe: Pipe) -> None:
    least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = 4096 if most == resource.RLIM_INFINITY else min(most, 4096)
    resource.setrlimit(resource.RLIMIT_NOFILE, (enough, most))
    try:
        high = fcntl.fcntl(pipe.reader, fcntl.F_DUPFD_CLOEXEC, 2000)  # select takes 1023 at most
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (least, most))
    control = ControlPipe(high)
    send(pipe.writer, control_pipe.STOP)

    assert control.wait(1e9, high) == []
    assert control.stop
    os.close(high)


def test_a_child_that_stops_reading_does_not_block_its_supervisor(pipe: Pipe) -> None:
    sent = 0
    while send(pipe.writer, control_pipe.LOST, "x" * 40):
        sent += 1

    assert sent > 100


def test_writing_to_a_dead_child_is_no_error(pipe: Pipe) -> None:
    os.close(pipe.reader)

    assert send(pipe.writer, control_pipe.STOP) is False
