"""The pytest plugin: what its documentation shows, the faults, and that nothing is left behind."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ovsdb.testing.server import OvsdbServer, TransactionFailed
from tests.kit.peers import wait_until
from tests.kit.transcripts import CLOSED, SocketClient

ROOT = Path(__file__).parents[2]
SCHEMA = {
    "name": "S",
    "version": "1.0.0",
    "tables": {"T": {"columns": {"n": {"type": "integer"}}, "isRoot": True}},
}
INSERT = {"op": "insert", "table": "T", "row": {"n": 1}}
MakeServer = Callable[..., OvsdbServer]


def call(client: SocketClient, method: str, *params: Any) -> Any:
    client.send({"method": method, "params": list(params), "id": 1})
    return client.receive()


def run_pytest(place: Path, text: str) -> subprocess.CompletedProcess[str]:
    (place / "test_it.py").write_text(text)
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "test_it.py"]
    return subprocess.run(argv, cwd=place, capture_output=True, text=True, timeout=120)


def test_what_the_documentation_shows_works(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/pytest-plugin.md").read_text(), re.DOTALL)
    done = run_pytest(tmp_path, "\n".join(blocks))
    assert f"{sum(block.count('def test_') for block in blocks)} passed" in done.stdout, done.stdout


def test_a_test_that_fails_with_a_client_connected_leaves_nothing_behind(tmp_path: Path) -> None:
    done = run_pytest(
        tmp_path,
        "import pathlib, socket\n"
        "def test_fails(ovsdb_server):\n"
        "    server = ovsdb_server()\n"
        "    client = pytest_client = socket.socket(socket.AF_UNIX)\n"
        "    client.connect(str(server.socket))\n"
        "    pathlib.Path('where').write_text(str(server.socket.parent))\n"
        "    try:\n"
        "        assert False\n"
        "    finally:\n"
        "        globals()['kept'] = client\n"
        "def test_gone():\n"
        "    import threading\n"
        "    kept.close()\n"
        "    assert not pathlib.Path(pathlib.Path('where').read_text()).exists()\n"
        "    assert threading.active_count() == 1, threading.enumerate()\n",
    )
    assert "1 failed, 1 passed" in done.stdout, done.stdout


def test_the_plugin_imports_nothing_until_it_is_used() -> None:
    code = "import sys, ovsdb.testing.plugin; print([m for m in ('trio', 'orjson', 'ovsdb.server') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"


def test_a_server_that_begins_anew_has_its_contents_and_its_history(ovsdb_server: MakeServer) -> None:
    server = ovsdb_server(SCHEMA, {"T": [{"n": 7}]})
    client = SocketClient(server.socket)
    zero = "00000000-0000-0000-0000-000000000000"
    _, last, _ = call(client, "monitor_cond_since", "S", "m", {"T": [{}]}, zero)["result"]
    server.restart()
    assert client.receive() == CLOSED
    server.transact(INSERT)
    again = SocketClient(server.socket)
    found, _, update = call(again, "monitor_cond_since", "S", "m", {"T": [{"columns": ["n"]}]}, last)[
        "result"
    ]
    assert found is True
    assert [list(change.values()) for change in update["T"].values()] == [[{"n": 1}]]
    assert sorted(row["n"] for row in server.rows("T").values()) == [1, 7]
    for each in (client, again):
        each.close()


def test_faults_happen_to_the_requests_they_are_for(ovsdb_server: MakeServer) -> None:
    server = ovsdb_server(SCHEMA)
    client, other = SocketClient(server.socket), SocketClient(server.socket)
    server.drop()
    client.send({"method": "transact", "params": ["S", INSERT], "id": "lost"})
    assert call(client, "echo", 1)["result"] == [1]
    assert server.rows("T") == {}
    server.error({"error": "not owner"}, times=2)
    for _ in range(2):
        assert call(other, "transact", "S", INSERT)["error"] == {"error": "not owner"}
    assert call(other, "transact", "S", INSERT)["error"] is None
    server.disconnect()
    assert (client.receive(), other.receive()) == (CLOSED, CLOSED)
    for each in (client, other):
        each.close()


def test_requests_that_are_delayed_keep_their_order(ovsdb_server: MakeServer) -> None:
    server = ovsdb_server(SCHEMA)
    client = SocketClient(server.socket)
    server.delay(0.02)
    for n in range(20):
        client.send({"method": "echo", "params": [], "id": n})
    assert [client.receive()["id"] for _ in range(20)] == list(range(20))
    client.send({"method": "transact", "params": ["S", INSERT], "id": 1})
    wait_until(lambda: len(server.rows("T")) == 1, "the row is there")
    client.close()
    server.delay(0)


def test_a_failed_transaction_of_the_test_is_an_error(ovsdb_server: MakeServer) -> None:
    server = ovsdb_server(SCHEMA)
    with pytest.raises(TransactionFailed, match="No column x"):
        server.transact({**INSERT, "row": {"x": 1}})
    with pytest.raises(TransactionFailed, match="No column x"):
        ovsdb_server(SCHEMA, {"T": [{"x": 1}]})
    wait = {"op": "wait", "table": "T", "where": [], "columns": ["n"], "rows": [], "until": "!="}
    with pytest.raises(TransactionFailed, match="waits"):
        server.transact(wait)
    server.close()
    with pytest.raises(RuntimeError, match="has ended"):
        server.rows("T")
    assert sum(thread.name == "ovsdb-server" for thread in threading.enumerate()) == 0


def test_a_wrong_schema_is_told(ovsdb_server: MakeServer) -> None:
    with pytest.raises(Exception, match="columns"):
        ovsdb_server({"name": "S", "tables": {"T": {}}})
    with pytest.raises(FileNotFoundError):
        ovsdb_server("/nowhere.ovsschema")
