"""What ovsdb-client loads before it does anything: every call of it pays for that."""

import subprocess
import sys

from ovsdb.cli.client_commands import COMMANDS

HEAVY = {"trio", "jsonschema", "asyncio", "ssl", "immutables", "appctl.daemon", "ctypes"}


def test_what_a_command_needs_is_loaded_with_it() -> None:
    modules = ", ".join(sorted({f"ovsdb.cli.client_{command.module}" for command in COMMANDS.values()}))
    code = f"import ovsdb.cli.client, {modules}; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & HEAVY


def test_every_command_is_where_the_table_says() -> None:
    assert all(callable(command.load()) for command in COMMANDS.values())
