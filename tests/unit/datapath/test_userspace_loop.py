"""The thread that forwards in userspace, and the commands that it is sent."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from datapath.provider import Vport
from datapath.userspace.forwarder import Forwarder
from datapath.userspace.loop import Loop
from datapath.userspace.ports import Port


class Inert(Port):
    """A port that is nothing but a descriptor."""

    def close(self) -> None:
        os.close(self.descriptor)


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop(Forwarder(lambda _: False), "forward nothing")
    made.start()
    yield made
    made.stop()


def test_a_port_that_cannot_be_waited_for_is_refused_and_not_attached(loop: Loop, tmp_path: Path) -> None:
    path = tmp_path / "file"  # epoll refuses those
    path.touch()
    port = Inert(Vport(1, "p1", "internal"), os.open(path, os.O_RDONLY))
    attached: list[Port] = []
    with pytest.raises(PermissionError):
        loop.watch(port, lambda: attached.append(port))
    loop.settle()
    port.close()
    assert attached == []


def test_what_is_sent_is_done_in_order_once_the_loop_has_settled(loop: Loop) -> None:
    gate = threading.Event()
    done: list[int] = []

    def wait() -> None:
        gate.wait(5.0)

    loop.post(wait)
    for number in range(100):
        loop.post(lambda number=number: done.append(number))  # type: ignore[misc]
    assert done == []
    gate.set()
    loop.settle()
    assert done == list(range(100))
