"""The service files name programs and options that there are."""

import shlex
from pathlib import Path

import pytest

from appctl.command_line import Line
from appctl.getopt import read
from ovsdb.cli.server import TOOL as OVSDB_SERVER
from vswitchd.cli import TOOL as OVS_VSWITCHD

ROOT = Path(__file__).parents[3]
PROGRAMS = {"vswitch-ovsdb-server": OVSDB_SERVER, "vswitch-vswitchd": OVS_VSWITCHD}


@pytest.mark.parametrize("unit", PROGRAMS)
def test_the_command_line_of_a_service_is_understood(
    unit: str,
) -> None:
    text = (ROOT / "docs/systemd" / f"{unit}.service").read_text().replace("\\\n", " ")
    start = next(line for line in text.splitlines() if line.startswith("ExecStart="))
    _, *words = shlex.split(start)
    given, rest = read(words, PROGRAMS[unit].options)
    assert Line(PROGRAMS[unit], words, given, rest).values["pidfile"] == ""
