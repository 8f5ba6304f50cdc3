"""Remotes of ovsdb-server: their status, their options, and what cannot be a remote; beside the C server."""

import json
import re
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.kit import peers
from tests.kit.peers import C_BIN, Daemon, Home
from tests.kit.transcripts import SocketClient

pytestmark = pytest.mark.peer
SOURCE = "--remote=db:Open_vSwitch,Open_vSwitch,manager_options"
NO_PROBES = ("--", "set", "Manager", ".", "inactivity_probe=0")  # which the tests would not answer
both = pytest.mark.parametrize("which", list(peers.OVSDB_SERVERS))


@pytest.fixture
def place() -> Iterator[Home]:
    with peers.home() as made:
        yield made


def vsctl(server: Daemon, *args: str) -> str:
    return server.run(C_BIN / "ovs-vsctl", "--no-wait", *args).stdout


def managers(server: Daemon) -> dict[str, tuple[bool, dict[str, str]]]:
    """By target: is_connected and status."""
    text = vsctl(server, "--columns=target,is_connected,status", "--format=json", "list", "Manager")
    table = json.loads(text)
    return {target: (connected, dict(status[1])) for target, connected, status in table["data"]}


def wait_status(server: Daemon, target: str, right: Callable[[bool, dict[str, str]], bool]) -> dict[str, str]:
    found: list[dict[str, str]] = []

    def look() -> bool:
        connected, status = managers(server)[target]
        found[:] = [status]
        return right(connected, status)

    peers.wait_until(look, f"the status of {target} is right", timeout=40)
    return found[0]


def connect(port: int, host: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection((host, port), timeout=20)


def echo(sock: socket.socket, text: str) -> None:
    sock.sendall(json.dumps({"method": "echo", "params": [text], "id": text}).encode())
    received = ""
    while f'"id":"{text}"' not in received:
        data = sock.recv(1 << 16)
        assert data
        received += data.decode()


def add_manager(sock: socket.socket, target: str) -> None:
    """As ovs-vsctl does, over a connection that stands; the answer is the next echo's to skip."""
    manager = {"op": "insert", "table": "Manager", "row": {"target": target}, "uuid-name": "new"}
    used = ["manager_options", "insert", ["set", [["named-uuid", "new"]]]]
    mutation = {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [used]}
    request = {"method": "transact", "params": ["Open_vSwitch", manager, mutation], "id": "manager"}
    sock.sendall(json.dumps(request).encode())


@both
def test_the_row_of_a_listener_tells_of_its_clients(place: Home, which: str) -> None:
    with peers.OVSDB_SERVERS[which](place, SOURCE) as server, ExitStack() as stack:
        vsctl(server, "set-manager", "ptcp:0:127.0.0.1", *NO_PROBES)
        status = wait_status(server, "ptcp:0:127.0.0.1", lambda _, status: "bound_port" in status)
        port = int(status.pop("bound_port"))
        assert status == {"sec_since_connect": "0", "sec_since_disconnect": "0"}
        for _ in range(2):
            stack.enter_context(connect(port))
        status = wait_status(
            server, "ptcp:0:127.0.0.1", lambda connected, status: connected and "n_connections" in status
        )
        assert status == {
            "bound_port": str(port),
            "n_connections": "2",
            "sec_since_connect": "0",
            "sec_since_disconnect": "0",
        }
        stack.close()
        wait_status(server, "ptcp:0:127.0.0.1", lambda connected, _: not connected)


@both
def test_the_row_of_an_outgoing_connection_tells_of_its_state_and_locks(place: Home, which: str) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        peers.OVSDB_SERVERS[which](place, SOURCE) as server,
        closing(SocketClient(place.socket)) as other,
    ):
        listener.settimeout(20)
        target = f"tcp:127.0.0.1:{listener.getsockname()[1]}"
        vsctl(server, "set-manager", target, *NO_PROBES)
        first, _ = listener.accept()
        with first:
            for method, lock in (("lock", "b"), ("steal", "c"), ("steal", "d"), ("lock", "e")):
                first.sendall(json.dumps({"method": method, "params": [lock], "id": lock}).encode())
            echo(first, "x")
            for method, lock in (("steal", "c"), ("steal", "e")):
                other.send({"method": method, "params": [lock], "id": lock})
                other.receive()
            status = wait_status(server, target, lambda _, status: "locks_lost" in status)
            assert set(status.pop("locks_held").split()) == {"b", "d"}
            assert (status.pop("locks_waiting"), status.pop("locks_lost")) == ("e", "c")
            assert status.pop("sec_since_connect").isdigit()
            assert status.pop("state") in ("ACTIVE", "IDLE")
            assert status == {}
        second, _ = listener.accept()
        with second:
            status = wait_status(
                server, target, lambda connected, status: connected and "sec_since_disconnect" in status
            )
            assert "locks_held" not in status


def test_other_options_reach_those_who_are_connected(place: Home) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        peers.our_ovsdb_server(place, SOURCE) as server,
        ExitStack() as stack,
    ):
        listener.settimeout(20)
        active = f"tcp:127.0.0.1:{listener.getsockname()[1]}"
        vsctl(server, "set-manager", active, "ptcp:0:127.0.0.1")
        status = wait_status(server, "ptcp:0:127.0.0.1", lambda _, status: "bound_port" in status)
        clients = [
            stack.enter_context(listener.accept()[0]),
            stack.enter_context(connect(int(status["bound_port"]))),
        ]

        def set_all(setting: str) -> None:
            for row in json.loads(vsctl(server, "--columns=_uuid", "-f", "json", "list", "Manager"))["data"]:
                vsctl(server, "set", "Manager", row[0][1], setting)

        for setting in ("inactivity_probe=0", "max_backoff=2000", "other_config:dscp=12"):
            set_all(setting)
            for client in clients:
                echo(client, setting)
        set_all("inactivity_probe=1000")
        for client in clients:  # who says nothing is asked for a sign of life now
            client.settimeout(20)
            assert b'"echo"' in client.recv(1000)


def test_a_client_that_does_not_answer_the_probe_is_dropped(place: Home) -> None:
    with peers.our_ovsdb_server(place, SOURCE) as server:
        vsctl(server, "set-manager", "ptcp:0:127.0.0.1", "--", "set", "Manager", ".", "inactivity_probe=1000")
        status = wait_status(server, "ptcp:0:127.0.0.1", lambda _, status: "bound_port" in status)
        with connect(int(status["bound_port"])) as client:
            received = b""
            while data := client.recv(1000):
                received += data
            assert received.count(b'"echo"') == 2  # the method and the id, once
        told = "no response to inactivity probe after 1 seconds"
        peers.wait_until(lambda: told in server.output(), "the log tells it")


NONSENSE = [
    "foo:bar",
    "ptcp:99999",
    "ptcp:0:nowhere",
    "tcp:[::1",
    "tcp:" + "a" * 70 + ":1",
    "ssl:\u00e9\u0301.example:1",
    "tcp:no-such-host.invalid:1",
    "unix:/nope",
    "punix:/nodir/x",
    "pssl:0:127.0.0.1",
    "ssl:127.0.0.1:1",
]


def test_what_cannot_be_a_remote_is_told_once_and_in_its_row_and_the_server_goes_on(place: Home) -> None:
    with peers.our_ovsdb_server(place, SOURCE) as server, closing(SocketClient(place.socket)) as client:
        vsctl(server, "init")
        rows: list[dict[str, Any]] = [
            {
                "op": "insert",
                "table": "Manager",
                "row": {"target": t, "max_backoff": 1000},
                "uuid-name": f"m{n}",
            }
            for n, t in enumerate([*NONSENSE, ""])
        ]
        names = ["set", [["named-uuid", row["uuid-name"]] for row in rows]]
        link = {"op": "update", "table": "Open_vSwitch", "where": [], "row": {"manager_options": names}}
        client.send({"method": "transact", "params": ["Open_vSwitch", *rows, link], "id": 1})
        assert "error" not in json.dumps(client.receive()["result"])
        for target in [*NONSENSE, ""]:
            status = wait_status(server, target, lambda _, status: "last_error" in status)
            assert status["last_error"]
        told = server.output()
        assert "Traceback" not in told
        for target in NONSENSE[:4]:
            assert told.count(f"|ERR|{target}: ") == 1
        assert told.count('row has missing or invalid "target" column') == 1
        assert vsctl(server, "list-br") == ""


def test_a_server_without_descriptors_left_serves_those_it_has(place: Home) -> None:
    def to_server(path: Path = place.socket) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(20)
        sock.connect(str(path))
        return sock

    with peers.our_ovsdb_server(place, SOURCE) as server, to_server() as kept, ExitStack() as many:
        vsctl(server, "init")
        echo(kept, "before")
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (40, 4096))
        for _ in range(60):
            many.enter_context(to_server())
            many.enter_context(to_server(server.control))
        peers.wait_until(lambda: "accept failed: Too many open files" in server.output(), "it is told")
        for n in range(3):
            echo(kept, f"during {n}")
        assert server.output().count("accept failed") <= 2  # once for each socket
        late = place.path / "late"
        add_manager(kept, f"punix:{late}")
        peers.wait_until(lambda: "listen failed: Too many open files" in server.output(), "it is told, too")
        echo(kept, "still")
        assert "Traceback" not in server.output()
        many.close()
        with to_server() as another:
            echo(another, "after")
        peers.wait_until(lambda: peers.is_listening(late), "it listens after all")


@both
def test_remotes_on_ipv6(place: Home, which: str) -> None:
    with peers.OVSDB_SERVERS[which](place, "--remote=ptcp:0:[::1]") as server:
        peers.wait_until(lambda: "listening on port" in server.output(), "it listens")
        [port] = re.findall(r"listening on port (\d+)", server.output())
        for directory in (C_BIN, peers.OUR_BIN):
            done = server.run(directory / "ovsdb-client", "list-dbs", f"tcp:[::1]:{port}")
            assert done.stdout == "Open_vSwitch\n_Server\n"


def test_a_manager_is_found_by_a_name_with_several_addresses(place: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # localhost is ::1 too, where nobody listens
        listener.settimeout(20)
        port = listener.getsockname()[1]
        with peers.our_ovsdb_server(place, f"--remote=tcp:localhost:{port}"):
            manager, _ = listener.accept()
            with manager:
                manager.settimeout(20)
                echo(manager, "found")


@both
def test_nothing_of_the_servers_own_database_can_be_changed(place: Home, which: str) -> None:
    nobody = [["name", "==", "nobody"]]
    with peers.OVSDB_SERVERS[which](place), closing(SocketClient(place.socket)) as client:
        for operation in (
            {"op": "update", "where": nobody, "row": {"leader": False}},
            {"op": "mutate", "where": nobody, "mutations": [["index", "+=", 1]]},
            {"op": "delete", "where": nobody},
            {"op": "delete", "where": []},
        ):
            client.send(
                {"method": "transact", "params": ["_Server", {"table": "Database", **operation}], "id": 1}
            )
            [result] = client.receive()["result"]
            assert result == {
                "error": "not allowed",
                "details": f"{operation['op']} operation not allowed on table in reserved database _Server",
            }
