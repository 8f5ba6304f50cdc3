"""The examples of docs/client.md, run as they stand."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.peers import C_BIN, OVSDB_SERVERS, Daemon

pytestmark = pytest.mark.peer
DOCUMENT = Path(__file__).parents[2] / "docs" / "client.md"
EXAMPLES = dict(
    re.findall(
        r"\n## ([^\n]*)\n(?:(?!\n## ).)*?```python (?:sync|trio)\n(.*?)```", DOCUMENT.read_text(), re.DOTALL
    )
)
PRINTED = {
    "List my bridges": "br0 ['br0', 'eth1', 'p1', 'p2']\n",
    "Rows": "None\n['eth1']\nbr0 5 {} no such column\nFalse True\n",
    "Write": "br7\n",
    "Conflicts and retries": "1\n",
    "A controller that reacts": {"noted br0", "noted eth1", "noted p1", "noted p2"},
    "Only some rows": "['br0']\n['p1', 'p2']\n",
    "Locks": "held: True\n",
}


@pytest.fixture(scope="module", params=OVSDB_SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Daemon]:
    with OVSDB_SERVERS[request.param]() as running:
        yield running


def test_every_example_that_can_run_is_here() -> None:
    marked = re.findall(r"```python (?:sync|trio)\n", DOCUMENT.read_text())
    assert len(marked) == len(EXAMPLES) == len(PRINTED)
    assert EXAMPLES.keys() == PRINTED.keys()


@pytest.mark.parametrize("name", PRINTED)
def test_example_prints_what_it_should(server: Daemon, name: str) -> None:
    vsctl: list[str | Path] = [C_BIN / "ovs-vsctl", f"--db={server.remote}", "--no-wait"]
    server.run(*vsctl, "--if-exists", "del-br", "br0", "--", "clear", "open", ".", "external_ids")
    server.run(
        *vsctl,
        "add-br",
        "br0",
        *[
            "--",
            "add-port",
            "br0",
            "eth1",
            "tag=5",
            "--",
            "add-port",
            "br0",
            "p1",
            "--",
            "add-port",
            "br0",
            "p2",
        ],
    )
    program = f"REMOTE = {server.remote!r}\n{EXAMPLES[name]}"
    ran = server.run(sys.executable, "-W", "error", "-c", program)
    expected = PRINTED[name]
    if isinstance(expected, set):  # each at its time, and the last one ends it
        assert set(ran.stdout.splitlines()) <= expected
        assert ran.stdout
    else:
        assert ran.stdout == expected
