"""The blocking and the trio connection, against each other and against a plain socket."""

import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio

from rpc.address import TcpAddress, TcpListenAddress, UnixAddress, parse_active, parse_passive
from rpc.blocking import Connection
from rpc.errors import ConnectError, ConnectionLost, ListenError, RemoteError, Timeout
from rpc.message import (
    Notification,
    Reply,
    Request,
    encode_error,
    encode_notification,
    encode_request,
    encode_result,
)
from rpc.trio_io import MessageStream, connect, listen


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="t-rpc-") as name:
        yield Path(name)


def soon() -> float:
    return time.monotonic() + 10


def pair() -> tuple[Connection, socket.socket]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(10)
    return Connection(ours), theirs


def test_a_call_returns_the_result() -> None:
    connection, peer = pair()
    with connection, peer:
        peer.sendall(encode_result(["db"], 0))
        assert connection.call("list_dbs", [], soon()) == ["db"]
        assert peer.recv(1000) == encode_request("list_dbs", [], 0)


def test_an_error_reply_is_an_exception_with_the_error() -> None:
    connection, peer = pair()
    with connection, peer:
        peer.sendall(encode_error({"error": "x"}, 0))
        with pytest.raises(RemoteError) as caught:
            connection.call("get_schema", ["db"], soon())
        assert caught.value.error == {"error": "x"}


def test_notifications_during_a_call_are_kept_in_order() -> None:
    connection, peer = pair()
    with connection, peer:
        peer.sendall(encode_notification("a", []) + encode_notification("b", []) + encode_result(1, 0))
        assert connection.call("m", [], soon()) == 1
        assert [connection.receive(soon()) for _ in range(2)] == [
            Notification("a", []),
            Notification("b", []),
        ]


def test_replies_may_come_in_any_order() -> None:
    connection, peer = pair()
    with connection, peer:
        first, second = connection.send_request("a", []), connection.send_request("b", [])
        peer.sendall(encode_result("second", second) + encode_result("first", first))
        assert connection.wait_reply(first, soon()) == Reply("first", None, first)
        assert connection.receive(soon()) == Reply("second", None, second)


def test_an_echo_request_is_answered_while_waiting() -> None:
    connection, peer = pair()
    with connection, peer:
        peer.sendall(encode_request("echo", ["hi"], "echo") + encode_notification("n", []))
        assert connection.receive(soon()) == Notification("n", [])
        assert peer.recv(1000) == encode_result(["hi"], "echo")


def test_a_passed_deadline_is_a_timeout_and_the_connection_lives() -> None:
    connection, peer = pair()
    with connection, peer:
        with pytest.raises(Timeout):
            connection.receive(time.monotonic())
        peer.sendall(encode_notification("n", []))
        assert connection.receive(soon()) == Notification("n", [])


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"", "End of file"),
        (b'{"a" 1}', "protocol error"),
        (b"[]", "protocol error: message is not a JSON object"),
    ],
)
def test_the_loss_of_a_connection_says_why(sent: bytes, reason: str) -> None:
    connection, peer = pair()
    with connection:
        peer.sendall(sent)
        peer.close()
        with pytest.raises(ConnectionLost) as caught:
            connection.receive(soon())
        assert reason in caught.value.reason


FAULTS = [(b'{"a" 1}', "protocol error"), (b"[]", "not a JSON object")]


@pytest.mark.parametrize(("fault", "reason"), FAULTS)
def test_what_came_before_a_fault_is_received_before_the_error(fault: bytes, reason: str) -> None:
    connection, peer = pair()
    with connection, peer:
        peer.sendall(
            encode_request("echo", [], "echo") + encode_notification("n", []) + encode_result(1, 0) + fault
        )
        assert connection.call("m", [], soon()) == 1
        assert connection.receive(soon()) == Notification("n", [])
        for _ in range(2):
            with pytest.raises(ConnectionLost, match=reason):
                connection.receive(soon())
        assert encode_result([], "echo") in peer.recv(1000)


@pytest.mark.parametrize(("fault", "reason"), FAULTS)
def test_a_trio_stream_receives_what_came_before_a_fault(fault: bytes, reason: str) -> None:
    async def main() -> None:
        ours, theirs = trio.socket.socketpair()
        with theirs:
            stream = MessageStream(trio.SocketStream(ours))
            await theirs.send(encode_notification("a", []) + encode_notification("b", []) + fault)
            assert [await stream.receive() for _ in range(2)] == [
                Notification("a", []),
                Notification("b", []),
            ]
            for _ in range(2):
                with pytest.raises(ConnectionLost, match=reason):
                    await stream.receive()
            await stream.aclose()

    trio.run(main)


def test_what_a_peer_said_before_it_left_is_received_though_its_echo_cannot_be_answered() -> None:
    connection, peer = pair()
    with connection:
        peer.sendall(encode_request("echo", [], "echo") + encode_notification("n", []))
        peer.close()
        assert connection.receive(soon()) == Notification("n", [])
        with pytest.raises(ConnectionLost):
            connection.receive(soon())


def test_more_than_the_kernel_buffers_is_sent() -> None:
    connection, peer = pair()
    with connection, peer:
        big = "x" * 3_000_000
        received = bytearray()

        def drain() -> None:
            while len(received) < len(big):
                received.extend(peer.recv(1 << 16))

        thread = threading.Thread(target=drain)
        thread.start()
        connection.notify("n", [big], soon())
        thread.join()
        assert bytes(received) == encode_notification("n", [big])


def long_path(directory: Path) -> str:
    deep = directory / ("d" * 100)
    deep.mkdir()
    return str(deep / ("s" * 50))


@pytest.mark.parametrize("name", [lambda d: str(d / "sock"), long_path], ids=["short", "long"])
def test_messages_go_both_ways_over_a_unix_socket(directory: Path, name: Callable[[Path], str]) -> None:
    path = name(directory)

    async def main() -> None:
        listening = listen(UnixAddress(path, passive=True))
        try:
            client = MessageStream(await connect(UnixAddress(path)))
            server = MessageStream(await listening.listener.accept())
            await client.send(encode_request("a", [], 1) + encode_notification("b", []))
            assert await server.receive() == Request("a", [], 1)
            assert await server.receive() == Notification("b", [])
            await server.send(encode_result({}, 1))
            assert await client.receive() == Reply({}, None, 1)
            await client.aclose()
            with pytest.raises(ConnectionLost, match="End of file"):
                await server.receive()
            await server.aclose()
        finally:
            listening.close()

    trio.run(main)
    assert not os.path.exists(path)


def test_tcp_listening_tells_the_port_that_the_kernel_chose() -> None:
    async def main() -> None:
        listening = listen(parse_passive("ptcp:0:127.0.0.1"))
        try:
            assert isinstance(listening.bound, TcpListenAddress)
            port = listening.bound.port
            assert port > 0
            stream = await connect(TcpAddress("127.0.0.1", port))
            await stream.aclose()
            with Connection.open(TcpAddress("127.0.0.1", port), soon()):
                pass
            with pytest.raises(ListenError, match="Address already in use"):
                listen(parse_passive(f"ptcp:{port}:127.0.0.1"))
        finally:
            listening.close()

    trio.run(main)


def test_a_socket_left_by_a_dead_server_is_replaced(directory: Path) -> None:
    async def main() -> None:
        first = listen(UnixAddress(str(directory / "sock"), passive=True))
        second = listen(UnixAddress(str(directory / "sock"), passive=True))
        first.close()
        assert (directory / "sock").exists(), "the second's file is not the first's to remove"
        second.close()

    trio.run(main)


def test_a_relative_socket_lies_in_the_run_directory(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVS_RUNDIR", str(directory))

    async def main() -> None:
        listening = listen(parse_passive("punix:sub.sock"))
        assert (directory / "sub.sock").exists()
        Connection.open(parse_active("unix:sub.sock"), soon()).close()
        listening.close()

    trio.run(main)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("unix:/nonexistent/sock", "No such file or directory"),
        ("tcp:127.0.0.1:1", "Connection refused"),
        ("tcp:localhost:1", "Connection refused"),
        ("ssl:127.0.0.1:1", "Private key must be configured"),
    ],
)
def test_a_failure_to_connect_has_address_and_reason(text: str, reason: str) -> None:
    with pytest.raises(ConnectError) as blocking:
        Connection.open(parse_active(text), soon())
    with pytest.raises(ConnectError) as asynchronous:
        trio.run(connect, parse_active(text))
    for error in (blocking.value, asynchronous.value):
        assert error.address == text
        assert reason in error.reason


@pytest.mark.parametrize("text", ["punix:/nonexistent/sock", "ptcp:1:192.0.2.1", "pssl:1:192.0.2.1"])
def test_a_failure_to_listen_names_the_address(text: str) -> None:
    with pytest.raises(ListenError) as caught:
        listen(parse_passive(text))
    assert caught.value.address == text


def test_two_that_send_before_they_read_do_not_block_each_other() -> None:
    """A server reads nothing while it has much to tell; who sends to it takes that in meanwhile."""
    left, right = socket.socketpair()
    much = "x" * (4 << 20)

    def talk(sock: socket.socket, said: list[str]) -> None:
        with Connection(sock) as connection:
            connection.notify("say", [much], time.monotonic() + 60)
            message = connection.receive(time.monotonic() + 60)
            assert isinstance(message, Notification)
            said.append(str(message.params[0]))

    said: list[str] = []
    other = threading.Thread(target=talk, args=(right, said))
    other.start()
    talk(left, said)
    other.join()
    assert said == [much, much]
