"""The service files name programs and options that there are."""

import shlex
from pathlib import Path

import click
import pytest

from appctl.command_line import GetoptCommand
from ovsdb.cli.server import cli as ovsdb_server
from vswitchd.cli import cli as ovs_vswitchd

ROOT = Path(__file__).parents[3]
PROGRAMS = {"vswitch-ovsdb-server": ovsdb_server, "vswitch-vswitchd": ovs_vswitchd}


@pytest.mark.parametrize("unit", PROGRAMS)
def test_the_command_line_of_a_service_is_understood(
    unit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVS_LOGDIR", str(tmp_path))
    text = (ROOT / "docs/systemd" / f"{unit}.service").read_text().replace("\\\n", " ")
    start = next(line for line in text.splitlines() if line.startswith("ExecStart="))
    _, *words = shlex.split(start)
    command = PROGRAMS[unit]
    assert isinstance(command, GetoptCommand)
    words = [
        word for word in words if not word.startswith(("-v", "--log-file"))
    ]  # which act when they are read
    with click.Context(command) as context:
        command.parse_args(context, words)
    assert context.params["pidfile"] == ""
