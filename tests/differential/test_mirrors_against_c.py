"""The same frames to the C switch and to ours, with random mirrors: what leaves by which port is the same.

MIRRORS=full tries fifty times as many (the last such run: 1,000 configurations, 30,000 frames).
"""

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

from datapath.packet.build import ethernet
from tests.kit.dummy_pair import CDummy, MirrorSetup, PortSetup, Setup, c_dummy, in_memory
from tests.kit.frames import tagged

pytestmark = pytest.mark.peer
CONFIGURATIONS = 1000 if os.environ.get("MIRRORS") == "full" else 20
FRAMES = 30  # into each
PORTS = ("p0", "p1", "p2", "p3", "p4", "p5")
VIDS = (5, 6, 7)
STATIONS = (2, 4, 6)
NOBODY, EVERYBODY, RESERVED = 8, 0xFFFF_FFFF_FFFF, 0x0180_C200_0002


@pytest.fixture(scope="module")
def theirs() -> Iterator[CDummy]:
    with c_dummy() as switch:
        yield switch


def random_port(dice: random.Random, name: str) -> PortSetup:
    """Choose a trunk, an access port or one with a native VLAN."""
    columns: dict[str, Any] = {}
    kind = dice.choice(["trunk", "trunk", "some", "access", "native-tagged", "native-untagged"])
    if kind == "some":
        columns["trunks"] = frozenset(dice.sample(VIDS, 2))
    elif kind != "trunk":
        columns["vlan_mode"] = kind
        columns["tag"] = dice.choice(VIDS)
    if dice.random() < 0.2:
        columns["protected"] = True
    return PortSetup(name, columns)


def random_mirror(dice: random.Random, name: str, columns: dict[str, Any], *, alone: bool) -> MirrorSetup:
    """Choose what a mirror takes; `columns` say where to.

    Open vSwitch mirrors copies once more, to other destinations; so several take nothing that others send.
    """
    if alone and dice.random() < 0.4:
        columns["select_all"] = True
    for column in ("select_src_port", "select_dst_port"):
        if dice.random() < 0.6:
            columns[column] = frozenset(dice.sample(PORTS if alone else PORTS[:3], dice.randint(1, 3)))
    if dice.random() < 0.4:
        columns["select_vlan"] = frozenset(dice.sample((0, *VIDS), 2))
    return MirrorSetup(name, columns)


def random_mirrors(dice: random.Random) -> tuple[MirrorSetup, ...]:
    """Choose one mirror, to a port or into a VLAN, or several to ports."""
    if dice.random() < 0.3:
        return (random_mirror(dice, "m0", {"output_vlan": dice.choice(VIDS)}, alone=True),)
    count = dice.choice([1, 2, 3])
    # Which of two mirrors to one port sends is left to chance: all shorten alike.
    shortened = {"snaplen": dice.choice([14, 40, 64, 1500])} if dice.random() < 0.3 else {}
    ports = [frozenset((dice.choice(PORTS[3:]),)) for _ in range(count)]
    return tuple(
        random_mirror(dice, f"m{n}", {"output_port": port, **shortened}, alone=count == 1)
        for n, port in enumerate(ports)
    )


def random_setup(dice: random.Random) -> Setup:
    return Setup(
        {"br0": tuple(random_port(dice, name) for name in PORTS)}, mirrors={"br0": random_mirrors(dice)}
    )


def random_frame(dice: random.Random, setup: Setup) -> bytes:
    """Choose a frame; to a known station only where every port takes what leaves by it.

    None has a priority: whether a copy has it depends on the port of a flood that comes first.
    """
    plain = all(not port.columns for port in setup.bridges["br0"])
    to = dice.choice([NOBODY, EVERYBODY, RESERVED, *(STATIONS if plain else ())])
    frame = ethernet(dice.choice(STATIONS), to, 0x88B5, bytes(range(80)))
    vid = dice.choice((0, 0, *VIDS))
    return tagged(frame, vid) if vid else frame


@pytest.mark.parametrize("seed", range(0, CONFIGURATIONS, 10))
def test_copies_leave_by_the_same_ports(theirs: CDummy, seed: int) -> None:
    for number in range(seed, seed + 10):
        dice = random.Random(number)
        setup = random_setup(dice)
        ours = in_memory(setup)
        with theirs.configured(setup):
            for _ in range(FRAMES):
                port, frame = dice.choice(PORTS), random_frame(dice, setup)
                ours.now += 1
                expected, found = theirs.send(port, frame), ours.send(port, frame)
                found = {name: sorted(frames) for name, frames in found.items() if name in PORTS}
                expected = {name: sorted(frames) for name, frames in expected.items()}
                assert found == expected, f"configuration {number}: {setup}, {frame.hex()} into {port}"
