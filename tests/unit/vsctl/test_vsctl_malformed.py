"""Servers that answer nonsense: one line for the user, never a traceback."""

import contextlib
import io
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsctl.cli import main

SCHEMA = json.loads((Path(__file__).parents[3] / "schemas" / "vswitch.ovsschema").read_text())
UUID = "00000000-0000-4000-8000-000000000000"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "set", "map", "uuid", UUID]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["rows", "_uuid", "x"]), inner)
    ),
    max_leaves=8,
)
ROWS = st.fixed_dictionaries(
    {"rows": st.lists(st.dictionaries(st.sampled_from(["_uuid", "name", "tag"]), JSON))}
)
COMMANDS = (
    "show",
    "list-br",
    "add-br b",
    "list Port",
    "get Port p tag",
    "del-port p",
    "set Port p tag=1",
    "find Port",
)


class Server:
    """Answers each request with what `results` says, by method."""

    def __init__(self, path: str) -> None:
        self.results: dict[str, Any] = {}
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(path)
        self._socket.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with connection, contextlib.suppress(OSError):
                    while data := connection.recv(1 << 16):
                        request = json.loads(data)
                        answer = {
                            "id": request["id"],
                            "error": None,
                            "result": self.results.get(request["method"]),
                        }
                        connection.sendall(json.dumps(answer).encode())

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    path = str(tmp_path_factory.mktemp("m") / "s")
    running = Server(path)
    yield running, path
    running.close()


@settings(max_examples=60, deadline=None)
@given(
    command=st.sampled_from(COMMANDS),
    transact=st.lists(ROWS | JSON, max_size=3) | JSON,
    schema=st.booleans() | JSON,
)
def test_nonsense_is_told_in_one_line(
    server: tuple[Server, str], command: str, transact: Any, schema: Any
) -> None:
    running, path = server
    running.results = {"transact": transact, "get_schema": SCHEMA if schema is True else schema}
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit):
        main([f"--db=unix:{path}", "--no-wait", "--deadline=60", *command.split()])
    assert "Traceback" not in err.getvalue(), err.getvalue()
    assert "internal error" not in err.getvalue(), err.getvalue()
