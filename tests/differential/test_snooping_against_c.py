"""The same IGMP and MLD messages to the C switch and to ours: who gets what, and mdb/show, are the same.

SNOOPING=full tries fifty times as many.
"""

import ipaddress
import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kit import group_messages as gm
from tests.kit import naive_vlans
from tests.kit.dummy_pair import CDummy, PortSetup, Setup, c_dummy, in_memory
from tests.kit.switch import Switch
from vswitchd.control.mdb import format_mdb

pytestmark = pytest.mark.peer
CONFIGURATIONS = 500 if os.environ.get("SNOOPING") == "full" else 10
EVENTS = 50  # in each
GROUPS4 = ("239.1.1.1", "239.1.1.2", "224.0.0.251", "232.7.7.7")
GROUPS6 = ("ff05::101", "ff02::1", "ff02::fb")
PAUSES = (7, 350)  # seconds: Open vSwitch keeps an old member as long as there are older groups


@pytest.fixture(scope="module")
def theirs() -> Iterator[CDummy]:
    with c_dummy() as switch:
        switch.call("time/stop")
        yield switch


def random_setup(dice: random.Random) -> Setup:
    ports = []
    for n in range(5):
        settings = {
            f"mcast-snooping-{what}": "true" for what in ("flood", "flood-reports") if dice.random() < 0.2
        }
        columns: dict[str, Any] = {"other_config": settings} if settings else {}
        if dice.random() < 0.3:
            columns["tag"] = dice.choice((0, 5))
        ports.append(PortSetup(f"p{n}", columns))
    of_bridge: dict[str, Any] = {"mcast_snooping_enable": True}
    if dice.random() < 0.4:
        of_bridge["other_config"] = {"mcast-snooping-disable-flood-unregistered": "true"}
    return Setup({"br0": tuple(ports)}, of_bridge)


def random_frame(dice: random.Random) -> bytes:
    source = dice.choice((2, 4, 6))
    four, six = dice.choice(GROUPS4), dice.choice(GROUPS6)
    kinds = (
        gm.TO_INCLUDE,
        gm.TO_EXCLUDE,
        gm.ALLOW,
        gm.BLOCK,
        1,
        2,
    )  # behind one of another type, Open vSwitch reads no further
    records4 = [
        (dice.choice(kinds), dice.choice(GROUPS4), dice.choice(((), ("10.1.1.1",)))) for _ in range(2)
    ]
    records6 = [
        (dice.choice(kinds), dice.choice(GROUPS6), dice.choice(((), ("2001:db8::1",)))) for _ in range(2)
    ]
    makers = (
        lambda: gm.data(source, four),
        lambda: gm.data(source, six),
        lambda: gm.report4(source, four, dice.choice((gm.V1_REPORT, gm.V2_REPORT))),
        lambda: gm.report4(source, four, gm.LEAVE),
        lambda: gm.frame4(source, "224.0.0.22", gm.igmp(gm.V3_REPORT, records=records4)),
        lambda: gm.query4(source, dice.choice(("10.0.0.1", "0.0.0.0"))),
        lambda: gm.frame4(source, "224.0.0.13", gm.igmp(0x13)),
        lambda: gm.report6(source, six),
        lambda: gm.report6(source, six, gm.MLD_DONE),
        lambda: gm.query6(source),
        lambda: gm.frame6(
            source, "ff02::16", gm.mld(gm.MLD2_REPORT, "fe80::1", "ff02::16", records=records6)
        ),
    )
    return dice.choice(makers)()


def wanted(setup: Setup, port: str, sent: dict[str, list[bytes]]) -> dict[str, list[bytes]]:
    """Take away what Open vSwitch sends twice, and what it sends to flood ports that do not carry the VLAN."""
    columns = {p.name: p.columns for p in setup.bridges["br0"]}
    frame = naive_vlans.enter(columns[port], ())
    assert frame is not None
    return {
        name: list(dict.fromkeys(frames))
        for name, frames in sent.items()
        if naive_vlans.carries(columns[name], frame)
    }


def is_forsaken(setup: Setup, port: str, frame: bytes, table: str) -> bool:
    """Tell whether a packet is for a group without members; Open vSwitch may not flood one that all have left."""
    columns = next(p.columns for p in setup.bridges["br0"] if p.name == port)
    group = ipaddress.ip_address(frame[30:34] if frame[12:14] == b"\x08\x00" else frame[38:54])
    return [str(columns.get("tag", 0)), str(group)] not in [line.split()[1:3] for line in table.splitlines()]


def groups(ours: Switch) -> str:
    forwarding = ours.reconciler.forwardings["dummy"]
    return format_mdb(forwarding.state.groups["br0"], forwarding.switch, ours.now)


@pytest.mark.parametrize("seed", range(0, CONFIGURATIONS, 10))
def test_groups_are_those_of_the_c_switch(theirs: CDummy, seed: int) -> None:
    for number in range(seed, seed + 10):
        dice = random.Random(number)
        setup = random_setup(dice)
        ours = in_memory(setup)
        with theirs.configured(setup):
            for _ in range(EVENTS):
                if dice.random() < 0.1:
                    pause = dice.choice(PAUSES)
                    theirs.call("time/warp", str(pause * 1000), "5000")
                    ours.now += pause
                    ours.sweep()
                port, frame = dice.choice(setup.devices()), random_frame(dice)
                expected, found = wanted(setup, port, theirs.send(port, frame)), ours.send(port, frame)
                found = {name: frames for name, frames in found.items() if name in setup.devices()}
                what = f"configuration {number}: {setup}, {frame.hex()} into {port}"
                table = theirs.call("mdb/show", "br0")
                assert groups(ours) == table, what
                if found != expected and is_forsaken(setup, port, frame, table):
                    continue
                assert found == expected, what
