"""appctl.syslog: lines go where the options say, and nothing stays open."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from appctl import syslog
from appctl.log_pattern import Record


@pytest.fixture
def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    monkeypatch.setattr(syslog, "_state", syslog._State())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "log"))
        sock.settimeout(5)
        syslog.set_method(f"unix:{tmp_path / 'log'}")
        yield sock


def test_a_line_has_the_prefix_of_its_method_and_the_socket_is_closed_at_the_end(
    listener: socket.socket,
) -> None:
    record = Record("prog", 1, 30, "module", "INFO", 1, 0.0, 0.0, "", "text")
    for _ in range(2):
        syslog.send(record, "line", None)
        assert listener.recv(1000).startswith(b"<30> Jan  1 00:00:00 ")
    (opened,) = syslog._state.sockets.values()
    syslog._close()
    assert opened.fileno() == -1
    assert syslog._state.sockets == {}
