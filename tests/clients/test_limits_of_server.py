"""A server that somebody misuses goes on to serve the others, and does not grow."""

from __future__ import annotations

import json
import re
import socket
import urllib.request
from typing import Any

import pytest

from tests.kit import peers
from tests.kit.peers import Daemon, wait_until
from tests.kit.transcripts import CLOSED, SocketClient

pytestmark = pytest.mark.peer
ROW_BYTES = 1 << 20


def call(client: SocketClient, method: str, *params: Any) -> Any:
    client.send({"method": method, "params": list(params), "id": 1})
    return client.receive()


def test_a_session_too_many_is_refused_until_another_ends() -> None:
    with peers.our_ovsdb_server(None, "--max-sessions=3") as server:
        path = server.home.socket
        # Those that asked whether the server was ready may not have been noticed to be gone.
        wait_until(lambda: "sessions" not in server.appctl("memory/show").split(), "nobody is connected")
        clients = [SocketClient(path) for _ in range(3)]
        for client in clients:
            assert call(client, "echo")["result"] == []
        for _ in range(5):
            refused = SocketClient(path)
            assert refused.receive() == CLOSED
            refused.close()
        assert server.output().count("--max-sessions=3") == 1
        clients.pop().close()

        def is_served() -> bool:
            client = SocketClient(path)
            clients.append(client)
            return bool(call(client, "echo") != CLOSED)

        wait_until(is_served, "there is room again")
        assert call(clients[0], "echo")["result"] == []
        for client in clients:
            client.close()


@pytest.mark.parametrize(
    "message",
    [
        b'{"id":1,"method":"echo","params":["' + b"x" * 200_000,
        b'{"id":1,"method":"echo","params":' + b"[" * 500 + b"]" * 500 + b"}",
    ],
)
def test_a_message_too_long_or_too_deep_ends_its_session_only(message: bytes) -> None:
    with peers.our_ovsdb_server(None, "--max-message=100000", "--max-depth=50") as server:
        good, bad = SocketClient(server.home.socket), SocketClient(server.home.socket)
        bad._sock.sendall(message)
        assert bad.receive() == CLOSED
        assert call(good, "echo")["result"] == []
        assert "received bad JSON" in server.output()
        assert "Traceback" not in server.output()
        for client in (good, bad):
            client.close()


def test_requests_of_a_client_that_does_not_read_cost_no_memory() -> None:
    with peers.our_ovsdb_server() as server:
        good = SocketClient(server.home.socket)
        row = {"type": "x" * ROW_BYTES}
        assert call(good, "transact", "Open_vSwitch", {"op": "insert", "table": "QoS", "row": row})["result"]
        select = {"op": "select", "table": "QoS", "where": []}
        request = json.dumps({"id": 1, "method": "transact", "params": ["Open_vSwitch", select]}).encode()
        before = server.resident_kb()
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(str(server.home.socket))
            sent = send_until_refused(server, good, silent, request)
            # Answered at once, these would be this many MB.
            assert sent / len(request) > 500
            assert server.resident_kb() - before < 100 * 1024
            assert call(good, "echo")["result"] == []
        assert "Traceback" not in server.output()
        good.close()


def send_until_refused(server: Daemon, good: SocketClient, silent: socket.socket, request: bytes) -> int:
    """Send requests until the server no longer takes them; how many bytes it took."""
    silent.setblocking(False)
    data, sent, quiet = request * 1000, 0, 0
    while quiet < 20:
        try:
            sent += silent.send(data[sent % len(request) :])
            quiet = 0
        except BlockingIOError:
            call(good, "echo")  # it has had its turn
            quiet += 1
    return sent


def test_metrics_are_served_beside_the_database() -> None:
    with peers.our_ovsdb_server(None, "--metrics=ptcp:0:127.0.0.1") as server:
        client = SocketClient(server.home.socket)
        insert = {"op": "insert", "table": "QoS", "row": {"type": "x"}}
        assert call(client, "transact", "Open_vSwitch", insert)["error"] is None
        [port] = re.findall(r"metrics on port (\d+)", server.output())
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        assert 'ovsdb_commits_total{database="Open_vSwitch"} 1.0' in lines
        assert 'ovsdb_rows{database="Open_vSwitch",table="QoS"} 1.0' in lines
        assert 'ovsdb_records_since_compaction{database="Open_vSwitch"} 1.0' in lines
        [size] = [
            line.split()[1] for line in lines if line.startswith('ovsdb_file_bytes{database="Open_vSwitch"}')
        ]
        assert float(size) == server.databases[0].stat().st_size
        client.close()


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("tcp:127.0.0.1:1", "ptcp:[PORT][:HOST] is expected"),
        ("pssl:0", "ptcp:[PORT][:HOST] is expected"),
        ("nonsense", "--metrics: "),
        ("ptcp:0:192.0.2.1", "--metrics: "),
    ],
)
def test_a_wrong_address_for_metrics_is_told(address: str, complaint: str) -> None:
    with peers.home() as place:
        done = place.run(peers.OUR_BIN / "ovsdb-server", "--no-dbs", f"--metrics={address}", check=False)
        assert done.returncode == 1
        assert complaint in done.stderr
        assert "Traceback" not in done.stderr


def test_who_asks_for_much_at_once_and_reads_it_late_gets_all_of_it() -> None:
    row = {"op": "insert", "table": "Open_vSwitch", "row": {"ovs_version": "x" * ROW_BYTES}}
    select = {"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["ovs_version"]}
    with peers.our_ovsdb_server(None) as server:
        client = SocketClient(server.home.socket)
        assert call(client, "transact", "Open_vSwitch", row)["error"] is None
        for number in range(30):  # all of it has come before the first answer can be sent
            client.send({"method": "transact", "params": ["Open_vSwitch", select], "id": number})
        wait_until(lambda: "backlog" in server.appctl("memory/show"), "answers wait")
        assert [client.receive()["id"] for _ in range(30)] == list(range(30))
        client.close()
