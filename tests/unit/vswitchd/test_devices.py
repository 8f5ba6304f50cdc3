"""Drivers, speeds and changes of links; the ways of tunnels."""

from dataclasses import replace
from ipaddress import IPv4Address

from datapath.ethtool import Driver, LinkMode
from datapath.link import Link
from datapath.route import Route
from switching.tunnel import TunnelConfig
from vswitchd.config.desired import DesiredInterface
from vswitchd.devices import Devices
from vswitchd.egress import Egress

LINK = Link(3, "eth3", "02:00:00:00:00:03", 1500, True, True, "veth", carrier_changes=2)


class Answers:
    """In place of the kernel."""

    def __init__(self) -> None:
        self.asked = 0

    def driver(self, _name: str) -> Driver | None:
        self.asked += 1
        return Driver("veth", "1.0", "")

    def link_mode(self, _name: str) -> LinkMode | None:
        return LinkMode(10_000, True)

    def find(self, to: IPv4Address) -> Route | None:
        self.asked += 1
        return Route(3, IPv4Address("10.0.0.9")) if to == IPv4Address("10.0.0.1") else None


def test_a_driver_is_asked_once_for_each_state_of_a_link() -> None:
    answers = Answers()
    devices = Devices(answers)  # type: ignore[arg-type]
    for _ in range(2):
        assert devices.of([LINK])["eth3"].mode == LinkMode(10_000, True)
    assert answers.asked == 1
    devices.of([replace(LINK, link_up=False, carrier_changes=3)])
    assert answers.asked == 2


def test_changes_of_a_link_are_counted_from_when_it_was_seen_first() -> None:
    devices = Devices(Answers())  # type: ignore[arg-type]
    seen = [
        (LINK, 0),
        (replace(LINK, link_up=False, carrier_changes=3), 1),
        (replace(LINK, carrier_changes=6), 4),  # it went and returned once more unseen
        (replace(LINK, link_up=False, carrier_changes=6), 5),  # switched off, the carrier stayed
        (replace(LINK, ifindex=4, carrier_changes=9), 0),  # another device of that name
    ]
    assert [devices.of([link])["eth3"].link_resets for link, _ in seen] == [resets for _, resets in seen]


def test_a_tunnel_tells_by_which_device_it_leaves() -> None:
    answers = Answers()
    egress = Egress(answers)  # type: ignore[arg-type]
    tunnels = [
        DesiredInterface("u", "t0", "gre", tunnel=TunnelConfig("gre", int(IPv4Address("10.0.0.1")))),
        DesiredInterface("v", "t1", "gre", tunnel=TunnelConfig("gre", int(IPv4Address("10.9.0.1")))),
        DesiredInterface("w", "t2", "gre", tunnel=TunnelConfig("gre", None)),
    ]
    for _ in range(2):
        assert egress.status_of(tunnels, {"eth3": LINK}) == {
            "t0": {
                "tunnel_egress_iface": "eth3",
                "tunnel_egress_iface_carrier": "up",
                "source_ip": "10.0.0.9",
            },
            "t1": {},
        }
    assert answers.asked == 2
    egress.forget()
    egress.status_of(tunnels, {"eth3": LINK})
    assert answers.asked == 4
