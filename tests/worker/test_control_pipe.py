import contextlib
import fcntl
import os
import resource
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from qless_py.worker import control_pipe as orders
from qless_py.worker.control_pipe import Orders, announce


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


def test_nothing_announced_means_nothing_to_obey(pipe: Pipe) -> None:
    told = Orders(pipe.reader)

    told.read()

    assert not told.stop
    assert not told.orphaned


def test_orders_arrive_in_one_read_however_many_were_written(pipe: Pipe) -> None:
    told = Orders(pipe.reader)
    announce(pipe.writer, orders.LOST, "1.a")
    announce(pipe.writer, orders.LOST, "2.b")
    announce(pipe.writer, orders.STOP)

    told.read()

    assert told.lost == {"1.a", "2.b"}
    assert told.stop
    assert not told.release


def test_an_order_to_release_stops_as_well(pipe: Pipe) -> None:
    told = Orders(pipe.reader)
    announce(pipe.writer, orders.RELEASE)

    told.read()

    assert told.stop
    assert told.release


def test_the_end_of_the_pipe_says_that_the_parent_is_gone(pipe: Pipe) -> None:
    told = Orders(pipe.reader)
    os.close(pipe.writer)

    told.wait(40)

    assert told.orphaned
    assert told.stop


def test_waiting_ends_when_another_descriptor_can_be_read(pipe: Pipe) -> None:
    told = Orders(pipe.reader)
    reader, writer = os.pipe()
    os.write(writer, b"!")

    ready = told.wait(10.0, reader)

    assert ready == [reader]
    os.close(reader)
    os.close(writer)


def test_the_number_of_a_descriptor_may_be_any(pipe: Pipe) -> None:
    least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = 4096 if most == resource.RLIM_INFINITY else min(most, 4096)
    resource.setrlimit(resource.RLIMIT_NOFILE, (enough, most))
    try:
        high = fcntl.fcntl(pipe.reader, fcntl.F_DUPFD_CLOEXEC, 2000)  # select takes 1023 at most
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (least, most))
    told = Orders(high)
    announce(pipe.writer, orders.STOP)

    assert told.wait(1e9, high) == []
    assert told.stop
    os.close(high)


def test_a_child_that_reads_no_more_does_not_block_its_parent(pipe: Pipe) -> None:
    sent = 0
    while announce(pipe.writer, orders.LOST, "x" * 40):
        sent += 1

    assert sent > 100


def test_announcing_to_a_child_that_is_gone_is_no_error(pipe: Pipe) -> None:
    os.close(pipe.reader)

    assert announce(pipe.writer, orders.STOP) is False
