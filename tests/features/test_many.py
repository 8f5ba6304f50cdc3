"""Many ports on a bridge, many bridges: fewer in the emulated machine; benchmarks/ports.py has the figures of more."""

from __future__ import annotations

import contextlib

import pytest

from tests.kit import namespace as ns
from tests.kit.feature_lab import IN_VM, FeatureLab, frame
from tests.kit.wire import Wire

PORTS, BRIDGES = (30, 6) if IN_VM else (120, 30)
UNKNOWN = 0x02AA_0000_0001


@pytest.mark.feature("Ports", "a hundred ports, added and removed in one transaction each")
def test_many_ports_on_a_bridge(lab: FeatureLab) -> None:
    a = lab.host("a")
    lab.vsctl("add-br br0 -- add-port br0 a")
    names = [f"i{number}" for number in range(PORTS)]
    lab.vsctl(" -- ".join(f"add-port br0 {name} -- set interface {name} type=internal" for name in names))
    numbers = lab.vsctl("--bare --columns=ofport find interface type=internal").split()
    assert len(set(numbers)) == PORTS + 1
    assert "-1" not in numbers
    with contextlib.ExitStack() as stack:
        wires: list[Wire] = []
        for name in (names[0], names[PORTS // 2], names[-1]):
            ns.set_up(lab.namespace, name)
            wires.append(stack.enter_context(contextlib.closing(Wire(lab.namespace, name))))

        def reaches(wire: Wire) -> bool:
            a.send(frame(a, UNKNOWN))
            return frame(a, UNKNOWN) in wire.received(1, 0.2)

        # The C switch takes a while to see that a device is up.
        lab.wait_until(lambda: all(map(reaches, wires)), "the frame is flooded to each port")
    lab.vsctl(" -- ".join(f"del-port br0 {name}" for name in names))
    assert ns.device(lab.namespace, names[0]) is None
    assert ns.device(lab.namespace, names[-1]) is None
    assert lab.vsctl("list-ports br0").split() == ["a"]


@pytest.mark.feature("Ports", "dozens of bridges, all joined by patch ports to one")
def test_many_bridges(lab: FeatureLab) -> None:
    a, b = lab.host("a"), lab.host("b")
    lab.vsctl("add-br hub -- add-port hub a")
    for number in range(BRIDGES):
        lab.vsctl(
            f"add-br br{number}",
            f"-- add-port hub h{number} -- set interface h{number} type=patch options:peer=u{number}",
            f"-- add-port br{number} u{number} -- set interface u{number} type=patch options:peer=h{number}",
        )
    lab.vsctl(f"add-port br{BRIDGES - 1} b")
    for _ in range(2):
        a.send(frame(a, b))
        assert b.received() == [frame(a, b)]
        b.send(frame(b, a))
        assert a.received() == [frame(b, a)]
        lab.settle()
    lab.vsctl(" -- ".join(f"del-br br{number}" for number in range(BRIDGES)))
    assert lab.vsctl("list-br").split() == ["hub"]
    assert ns.device(lab.namespace, "br0") is None
