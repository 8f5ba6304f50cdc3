"""The same frames to the C switch and to ours, in random configurations of VLANs: what leaves by which port, and
what is learned, is the same.

VLANS=full tries fifty times as many (the last such run: 1,500 configurations, 57,000 frames).
"""

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

from datapath.packet.build import ethernet
from tests.kit import naive_vlans
from tests.kit.dummy_pair import CDummy, PortSetup, Setup, c_dummy, in_memory
from tests.kit.frames import tagged
from tests.kit.naive_vlans import Tag
from tests.kit.switch import Switch
from vswitchd.control import fdb

pytestmark = pytest.mark.peer
CONFIGURATIONS = 1500 if os.environ.get("VLANS") == "full" else 30
FRAMES = 40  # into each
VIDS = (0, 5, 6, 7)
STATIONS = (2, 4, 6)
DESTINATIONS = (*STATIONS, 8, 0x0100_5E00_0005, 0xFFFF_FFFF_FFFF)


@pytest.fixture(scope="module")
def theirs() -> Iterator[CDummy]:
    with c_dummy() as switch:
        yield switch


def random_port(dice: random.Random, name: str, peer: str = "") -> PortSetup:
    """Choose columns; combinations that the manual gives no meaning to are left out."""
    columns: dict[str, Any] = {}
    modes = ["access", "trunk", "native-tagged", "native-untagged", None, None]
    if not peer:  # Open vSwitch loses the inner tag where two service tags would be in front of it
        modes.append("dot1q-tunnel")
    mode = dice.choice(modes)
    if mode:
        columns["vlan_mode"] = mode
    if mode in ("native-tagged", "native-untagged", "dot1q-tunnel"):
        columns["tag"] = dice.choice(VIDS[1:])
    elif mode != "trunk" and dice.random() < 0.6:
        columns["tag"] = dice.choice(VIDS)
    for column in ("trunks", "cvlans"):
        if dice.random() < 0.4:
            columns[column] = frozenset(dice.sample(VIDS, dice.randint(1, 3)))
    settings = {}
    if dice.random() < 0.4:
        settings["priority-tags"] = dice.choice(["never", "if-nonzero", "always"])
    if dice.random() < 0.4:
        settings["qinq-ethtype"] = dice.choice(["802.1q", "802.1ad"])
    if settings:
        columns["other_config"] = settings
    if dice.random() < 0.2:
        columns["protected"] = True
    return PortSetup(name, columns, peer)


def random_setup(dice: random.Random) -> Setup:
    """One bridge with five ports, or two that a pair of patch ports joins."""
    limit = dice.choice(["0", "1", "2"])
    columns = {"flood_vlans": frozenset((7,))} if dice.random() < 0.2 else {}
    if dice.random() < 0.6:
        ports = tuple(random_port(dice, f"p{n}") for n in range(5))
        return Setup({"br0": ports}, columns, {"vlan-limit": limit})
    first = (*(random_port(dice, f"p{n}") for n in range(3)), random_port(dice, "patch0", "patch1"))
    second = (*(random_port(dice, f"q{n}") for n in range(3)), random_port(dice, "patch1", "patch0"))
    return Setup({"br0": first, "br1": second}, columns, {"vlan-limit": limit})


def random_tags(dice: random.Random) -> list[Tag]:
    return [
        Tag(dice.choice([0x8100, 0x88A8]), dice.choice(VIDS), dice.choice([0, 0, 3]))
        for _ in range(dice.choice([0, 1, 1, 2]))
    ]


def loses_a_tag(setup: Setup, port: PortSetup, tags: list[Tag]) -> bool:
    """Tell whether Open vSwitch would lose the inner of two tags, or the frame, which ours keeps."""
    if len(tags) < 2:
        return False
    if setup.settings["vlan-limit"] == "1":  # behind a patch port it takes the inner one for a broken frame
        return len(setup.bridges) > 1
    is_tunnel = any(
        "dot1q" in str(p.columns.get("vlan_mode")) for ports in setup.bridges.values() for p in ports
    )
    return is_tunnel or not tags[0].vid or not any(tags[1][1:])


def has_egress_rules(setup: Setup, sent: dict[str, list[bytes]]) -> bool:
    """Tell whether a port in `sent`, or a patch port before it, may refuse to send what it would accept.

    Open vSwitch does not ask such a port before it sends to a station that is known; the manual says that a
    packet only leaves by ports that carry it.
    """
    ports = [port for ports in setup.bridges.values() for port in ports if port.peer or port.name in sent]
    return any(port.columns.get("cvlans") or naive_vlans.mode_of(port.columns) == "access" for port in ports)


def stations(table: str) -> set[tuple[str, ...]]:
    """Return port, VLAN and address of the lines of fdb/show."""
    return {tuple(line.split()[:3]) for line in table.splitlines()}


def format_fdb(ours: Switch, bridge: str) -> str:
    forwarding = ours.reconciler.forwardings["dummy"]
    return fdb.format_fdb(forwarding.state.tables[bridge], forwarding.switch, ours.now)


@pytest.mark.parametrize("seed", range(0, CONFIGURATIONS, 10))
def test_frames_leave_by_the_same_ports_with_the_same_tags(theirs: CDummy, seed: int) -> None:
    for number in range(seed, seed + 10):
        dice = random.Random(number)
        setup = random_setup(dice)
        ours = in_memory(setup)
        devices = [port for ports in setup.bridges.values() for port in ports if not port.peer]
        with theirs.configured(setup):
            for _ in range(FRAMES):
                port, tags = dice.choice(devices), random_tags(dice)
                plain = ethernet(dice.choice(STATIONS), dice.choice(DESTINATIONS), 0x88B5, b"p" * 50)
                frame = tagged(plain, *(tag.tpid << 16 | tag.pcp << 13 | tag.vid for tag in tags))
                if loses_a_tag(setup, port, tags):
                    continue
                ours.now += 1
                expected, found = theirs.send(port.name, frame), ours.send(port.name, frame)
                ours.sweep()
                found = {name: frames for name, frames in found.items() if name in setup.devices()}
                if found != expected and not found and has_egress_rules(setup, expected):
                    if len(setup.bridges) > 1:
                        break  # the bridges behind have learned different things
                    continue
                assert found == expected, f"configuration {number}: {setup}, {frame.hex()} into {port.name}"
            else:
                for bridge in setup.bridges:
                    assert stations(format_fdb(ours, bridge)) == stations(theirs.call("fdb/show", bridge)), (
                        number
                    )
