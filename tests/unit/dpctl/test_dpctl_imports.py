"""What ovs-dpctl loads before it does anything: every call of it pays for that."""

import subprocess
import sys

import pytest

from dpctl import commands, flows


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_program_loads_neither_trio_nor_the_text_form_of_flows() -> None:
    loaded = loaded_after("import dpctl.cli")
    assert not loaded & {"trio", "jsonschema", "asyncio", "pyroute2", "datapath.odp_text", "dpctl.flows"}


@pytest.mark.parametrize("name", [name for name in commands.COMMANDS if name.endswith(("-flow", "-flows"))])
def test_a_command_about_flows_has_its_function(name: str) -> None:
    assert callable(getattr(flows, name.replace("-", "_")))
