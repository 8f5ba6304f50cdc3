"""What ovs-appctl prints of a switch: the C daemon's words and ours for the same configuration and commands."""

import re
from collections.abc import Iterator

import pytest

from tests.kit.peers import C_BIN, Daemon, c_ovsdb_server, c_vswitchd, our_vswitchd

pytestmark = pytest.mark.peer

CONFIGURATION = (
    "add-br br0 -- set bridge br0 datapath_type=dummy",
    "add-br br1 -- set bridge br1 datapath_type=dummy",
    "add-port br0 i1 -- set interface i1 type=internal ofport_request=5",
    "add-port br0 g1 -- set interface g1 type=gre options:remote_ip=10.0.0.1 options:key=5 ofport_request=6",
    "add-port br0 g2 -- set interface g2 type=gre options:remote_ip=10.0.0.2 options:tos=inherit "
    "options:ttl=inherit options:csum=true ofport_request=7",
    "add-port br0 v1 -- set interface v1 type=vxlan options:remote_ip=flow options:key=flow "
    "options:dst_port=8472 ofport_request=8",
    "add-port br0 v2 -- set interface v2 type=vxlan options:remote_ip=10.0.0.2 options:in_key=1 "
    "options:out_key=2 options:df_default=false options:local_ip=10.0.0.9 ofport_request=9",
    "add-port br0 p1 -- set interface p1 type=patch options:peer=p2 ofport_request=10",
    "add-port br1 p2 -- set interface p2 type=patch options:peer=p1 ofport_request=11",
)
BROKEN = {
    "b1": "type=gre",
    "b2": "type=gre options:remote_ip=nonsense",
    "b3": "type=gre options:remote_ip=10.0.0.1 options:key=5",
    "b4": "type=patch",
    "b5": "type=patch options:peer=b5",
    "b6": "type=nosuch",
    "b7": "type=vxlan options:remote_ip=224.0.0.1",
}


@pytest.fixture(scope="module")
def switches() -> Iterator[tuple[Daemon, Daemon]]:
    with c_ovsdb_server() as first, c_ovsdb_server() as second:
        for server in (first, second):
            server.run(C_BIN / "ovs-vsctl", "--no-wait", "init")
        with c_vswitchd(first, "--enable-dummy") as theirs, our_vswitchd(second, "--enable-dummy") as ours:
            for switch in (theirs, ours):
                for line in CONFIGURATION:
                    switch.run(C_BIN / "ovs-vsctl", "--timeout=20", *line.split())
            yield theirs, ours


def both(switches: tuple[Daemon, Daemon], *command: str) -> tuple[str, str]:
    theirs, ours = (switch.appctl(*command, check=False) for switch in switches)
    return theirs, ours


def without_datapath_numbers(text: str) -> str:
    return re.sub(r"/\d+:", "/N:", text)


def test_ports_are_shown_alike(switches: tuple[Daemon, Daemon]) -> None:
    theirs, ours = both(switches, "dpif/show")
    assert without_datapath_numbers(ours) == without_datapath_numbers(theirs)


def test_stations_are_shown_alike(switches: tuple[Daemon, Daemon]) -> None:
    for command in (
        ("fdb/show", "br0"),
        ("fdb/add", "br0", "i1", "0", "00:11:22:33:44:55"),
        ("fdb/add", "br0", "br0", "7", "00:11:22:33:44:66"),
        ("fdb/show", "br0"),
        ("fdb/stats-show", "br0"),
        ("fdb/del", "br0", "7", "00:11:22:33:44:66"),
        ("fdb/flush", "br0"),
        ("fdb/show", "br0"),
        ("fdb/flush",),
        ("ofproto/list",),
    ):
        theirs, ours = both(switches, *command)
        if command[0] == "ofproto/list":
            theirs = "".join(sorted(theirs.splitlines(keepends=True)))
        assert ours == theirs, command


@pytest.mark.parametrize("command", ["fdb/show", "fdb/flush", "fdb/stats-show", "dpif/dump-flows"])
def test_missing_bridge_is_refused_alike(switches: tuple[Daemon, Daemon], command: str) -> None:
    errors = []
    for switch in switches:
        done = switch.run(C_BIN / "ovs-appctl", "-t", switch.control, command, "nobr", check=False)
        errors.append((done.returncode, done.stderr.splitlines()[0]))
    assert errors[1] == errors[0]


def errors_of(switch: Daemon) -> dict[str, str]:
    """Add the broken interfaces; return what the daemon writes about each."""
    for name, settings in BROKEN.items():
        line = f"--timeout=20 add-port br0 {name} -- set interface {name} {settings}"
        switch.run(C_BIN / "ovs-vsctl", *line.split(), check=False)
    get = ("get", "interface")
    return {name: switch.run(C_BIN / "ovs-vsctl", *get, name, "ofport", "error").stdout for name in BROKEN}


def test_broken_interfaces_have_the_same_errors(switches: tuple[Daemon, Daemon]) -> None:
    theirs, ours = map(errors_of, switches)
    assert ours == theirs
