"""What ovs-vsctl loads before it does anything: every call of it pays for that."""

import subprocess
import sys

from vsctl import grammar


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_program_loads_neither_trio_nor_jsonschema() -> None:
    loaded = loaded_after("import vsctl.cli; from vsctl import grammar; grammar.all_commands()")
    assert not loaded & {"trio", "jsonschema", "asyncio", "pyroute2"}


def test_an_ordinary_call_loads_only_what_it_needs() -> None:
    """Each of these would take as long as a tenth of a call, or longer."""
    loaded = loaded_after("import vsctl.cli, vsctl.bridges, vsctl.ports")
    slow = {"click", "orjson", "dataclasses", "inspect", "uuid", "datetime", "threading", "queue", "logging"}
    assert not loaded & slow


def test_commands_about_bridges_load_no_database_types() -> None:
    loaded = loaded_after("import vsctl.cli, vsctl.bridges, vsctl.ports")
    assert not loaded & {"ovsdb.datum", "ovsdb.schema", "ovsdb.table", "immutables"}


def test_every_command_is_declared_where_the_table_says() -> None:
    declared: dict[str, set[str]] = {}
    for name, command in grammar.all_commands().items():
        declared.setdefault(command.function.__module__, set()).add(name)
    assert declared == {module: set(names) for module, names in grammar.MODULES.items()}


def test_the_table_of_options_is_that_of_all_commands() -> None:
    options: dict[str, bool] = {}
    for command in grammar.all_commands().values():
        options.update(command.options)
    assert options == grammar.OPTIONS


def test_yaml_and_certificates_are_loaded_when_they_are_needed() -> None:
    loaded = loaded_after("import vsctl.cli; from vsctl import grammar; grammar.all_commands()")
    assert not loaded & {"yaml", "cryptography"}
    loaded = loaded_after("import vsctl.cli, vsctl.bridges, vsctl.ports, vsctl.records")
    assert not [name for name in loaded if name.partition(".")[0] == "declare"]
