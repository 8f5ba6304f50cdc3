"""What `ovsdb-tool stubs` prints, in the hands of a type checker and of a program."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.peers import C_BIN, OUR_BIN, our_ovsdb_server

ROOT = Path(__file__).parents[2]
USE = """
from collections.abc import Mapping, Set
from ovsdb.client import Database, Txn
from switch_types import BridgeRow, tables

def use(db: Database, txn: Txn) -> None:
    bridge: BridgeRow = tables(db).Bridge.by("name")["br0"]
    name: str = bridge.name
    ids: Mapping[str, str] = bridge.external_ids
    ports: Set[str] = bridge.ports
    tag: int | None = tables(txn).Port.one(name=name).tag
    bridge.colour
    number: int = bridge.name
"""
RUN = """
import sys
from ovsdb.client.sync import connect
from switch_types import tables

with connect(sys.argv[1], timeout=60) as db:
    print([bridge.name for bridge in tables(db).Bridge.values()])
"""


@pytest.mark.parametrize("schema", sorted((ROOT / "schemas").glob("*.ovsschema")), ids=lambda path: path.name)
def test_mypy_takes_the_module_and_finds_mistakes_in_its_use(
    schema: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    done = subprocess.run(
        [OUR_BIN / "ovsdb-tool", "stubs", schema], capture_output=True, text=True, check=True
    )
    (tmp_path / "switch_types.py").write_text(done.stdout)
    if schema.name == "vswitch.ovsschema":
        (tmp_path / "use.py").write_text(USE)
    options = ["--strict", "--no-error-summary", "--config-file=", "--explicit-package-bases"]
    cache = (
        f"--cache-dir={tmp_path}/cache"
        if not (ROOT / ".mypy_cache").exists()
        else f"--cache-dir={ROOT}/.mypy_cache"
    )
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", *options, cache, "."],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
    )
    errors = [line.partition("error: ")[2] for line in checked.stdout.splitlines()]
    expected = [
        '"BridgeRow" has no attribute "colour"  [attr-defined]',
        'Incompatible types in assignment (expression has type "str", variable has type "int")  [assignment]',
    ]
    assert errors == (expected if schema.name == "vswitch.ovsschema" else []), checked.stdout + checked.stderr


@pytest.mark.peer
def test_program_runs_with_the_module(tmp_path: Path) -> None:
    schema = ROOT / "schemas" / "vswitch.ovsschema"
    done = subprocess.run(
        [OUR_BIN / "ovsdb-tool", "stubs", schema], capture_output=True, text=True, check=True
    )
    (tmp_path / "switch_types.py").write_text(done.stdout)
    (tmp_path / "program.py").write_text(RUN)
    with our_ovsdb_server() as server:
        server.run(C_BIN / "ovs-vsctl", f"--db={server.remote}", "--no-wait", "add-br", "br0")
        ran = server.run(sys.executable, tmp_path / "program.py", server.remote)
    assert ran.stdout == "['br0']\n"
