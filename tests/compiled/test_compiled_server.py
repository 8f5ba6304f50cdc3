"""The server compiled to machine code (setup.py) passes the tests that the one in Python passes.

It is built in a copy of the sources, so that nothing compiled lies beside those that are being edited.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = (
    "tests/unit/ovsdb_engine",
    "tests/unit/ovsdb_server",
    "tests/property/test_engine_against_naive.py",
    "tests/property/test_engine_changes.py",
    "tests/property/test_engine_datum.py",
    "tests/property/test_monitor_views.py",
    "tests/property/test_record_headers.py",
    # Over sockets and beside the C server: PYTHONPATH has the programs use the copy.
    "tests/clients/test_limits_of_server.py",
    "tests/differential/test_engine_against_c.py",
    "tests/differential/test_stateful_against_c.py::test_both_servers_tell_their_clients_the_same[0]",
    "tests/fuzz/test_fuzz_server.py::test_requests_with_something_wrong_harm_nobody[0]",
)


def run(*words: str, where: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=where,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def test_the_compiled_server_passes_the_tests_of_the_server(tmp_path: Path) -> None:
    copy = tmp_path / "vswitch"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "build", "*.so", "*.egg-info"))
    run(
        "setup.py", "--quiet", "build_ext", "--inplace", where=copy, VSWITCH_COMPILE="1", VSWITCH_OPTIMIZE="0"
    )
    of_table = "import ovsdb.engine.table as table; print(table.__file__)"
    assert Path(run("-c", of_table, where=copy).strip()).suffix == ".so"
    run("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *TESTS, where=copy, PYTHONPATH=str(copy))
