"""What ovs-vsctl can that Open vSwitch 3.1 could not, on our server with the newest schema."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.peers import OUR_BIN, Daemon, create_database, home, our_ovsdb_server

pytestmark = pytest.mark.peer

SCHEMA = Path(__file__).parents[2] / "schemas" / "vswitch.ovsschema"


@pytest.fixture(scope="module")
def server() -> Iterator[Daemon]:
    with home() as place:
        create_database(place, schema=SCHEMA)
        with our_ovsdb_server(place) as running:
            yield running


def vsctl(server: Daemon, *words: str) -> str:
    """Exit status, if not 0, output and complaint."""
    done = server.run(OUR_BIN / "ovs-vsctl", "--no-wait", *words, check=False)
    return (f"{done.returncode}: " if done.returncode else "") + done.stdout + done.stderr


def test_limits_of_zones_are_set_listed_and_removed(server: Daemon) -> None:
    words = "-- --id=@d create Datapath datapath_version=1 -- set Open_vSwitch . datapaths:netdev=@d"
    vsctl(server, *words.split())
    for line, said in (
        ("list-zone-limits netdev", ""),
        ("set-zone-limit netdev zone=3 5", ""),
        ("set-zone-limit netdev default 9", ""),
        ("add-zone-tp netdev zone=4 icmp_first=1 -- set-zone-limit netdev zone=4 0", ""),
        ("add-zone-tp netdev zone=3 udp_first=2", ""),
        ("list-zone-limits netdev", "Default limit: 9\nZone: 3, Limit: 5\nZone: 4, Limit: 0\n"),
        ("del-zone-limit netdev zone=4 -- del-zone-limit netdev default", ""),
        ("del-zone-tp netdev zone=3", ""),
        ("list-zone-limits netdev", "Zone: 3, Limit: 5\n"),
        (
            "list-zone-tp netdev",
            ("Zone:3, Timeout Policies: system default\nZone:4, Timeout Policies: icmp_first=1\n"),
        ),
        ("del-zone-limit netdev zone=7", "1: ovs-vsctl: zone id 7 does not have a limit\n"),
        ("del-zone-limit netdev default", "1: ovs-vsctl: datapath netdev does not have a default limit\n"),
        ("--if-exists del-zone-limit netdev zone=7", ""),
        (
            "set-zone-limit netdev zone=3 x",
            ("1: ovs-vsctl: x: a limit from 0 (none) to 4294967295 is expected\n"),
        ),
        ("set-zone-limit nope zone=3 5", "1: ovs-vsctl: datapath nope does not exist\n"),
        ("set-zone-limit netdev 3 5", "1: ovs-vsctl: 3: zone=ID is expected\n"),
        ("del-zone-limit netdev zone=3", ""),
        ("list-zone-limits netdev", ""),
    ):
        assert vsctl(server, *line.split()) == said, line


@pytest.fixture
def bridge(server: Daemon) -> Iterator[str]:
    vsctl(
        server,
        *[
            "add-br",
            "br0",
            "--",
            "add-port",
            "br0",
            "p0",
            "tag=5",
            "--",
            "set",
            "Interface",
            "p0",
            "options:a=b",
        ],
    )
    vsctl(
        server,
        *[
            "set-controller",
            "br0",
            "tcp:1.2.3.4",
            "--",
            "add-br",
            "vlan9",
            "br0",
            "9",
            "--",
            "br-set-external-id",
            "br0",
            "k",
            "v",
        ],
    )
    yield "br0"
    vsctl(server, "del-br", "br0")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("list-br", ["br0", "vlan9"]),
        ("list-ports br0", ["p0"]),
        ("br-to-vlan vlan9", 9),
        ("br-to-parent vlan9", "br0"),
        ("port-to-br p0", "br0"),
        ("get-controller br0", ["tcp:1.2.3.4"]),
        ("get-fail-mode br0", None),
        ("br-get-external-id br0", {"k": "v"}),
        ("br-get-external-id br0 k", "v"),
        ("get-ssl", None),
        ("get Port p0 name tag trunks", ["p0", 5, []]),
        ("get Interface p0 options options:a", [{"a": "b"}, "b"]),
        ("--columns=name,tag,trunks list Port p0", [{"name": "p0", "tag": 5, "trunks": []}]),
        ("--columns=name,tag find Port name=br0", [{"name": "br0", "tag": None}]),
    ],
)
def test_plain_json(server: Daemon, bridge: str, line: str, value: object) -> None:
    assert json.loads(vsctl(server, "--plain-json", *line.split())) == value


def test_show_is_a_tree_in_json(server: Daemon, bridge: str) -> None:
    (shown,) = json.loads(vsctl(server, "--plain-json", "show"))["bridges"]
    assert shown["name"] == "br0"
    assert shown["controller"] == [{"target": "tcp:1.2.3.4", "is_connected": False}]
    (port,) = [port for port in shown["ports"] if port["name"] == "p0"]
    assert (port["tag"], port["interfaces"][0]["options"]) == (5, {"a": "b"})


def test_json_keeps_the_values_of_the_wire_and_oneline_keeps_text(server: Daemon, bridge: str) -> None:
    assert vsctl(server, "-f", "json", "get", "Port", "p0", "tag", "trunks") == '[5,["set",[]]]\n'
    assert vsctl(server, "-f", "json", "--oneline", "list-br") == "br0\\nvlan9\n"
    table = json.loads(vsctl(server, "-f", "json", "--columns=name,trunks", "list", "Port", "p0"))
    assert table == {"headings": ["name", "trunks"], "data": [["p0", ["set", []]]]}
