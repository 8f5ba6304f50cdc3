"""What ovs-vsctl can that Open vSwitch 3.1 could not, on our server with the newest schema."""

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
