"""The address of a bridge's own port.

Rule: pure, and the same answer for the same bridge: what is asked for, else the lowest address of its devices
that is the address of hardware, else one of its own.
Source: ovs-vswitchd.conf.db(5), Bridge: other_config:hwaddr; IEEE 802-2014, 8.2.2 (the U/L bit).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from datapath.link import Link
from vswitchd.config.desired import DesiredBridge, DesiredInterface

_GROUP, _LOCAL = 0x01, 0x02  # bits of the first octet


def bridge_mac(bridge: DesiredBridge, links: Mapping[str, Link]) -> str:
    """Return the address; "" where the one that it has is as good as another."""
    if bridge.hwaddr:
        return bridge.hwaddr
    found = [links[interface.name].mac for interface in _representatives(bridge) if interface.name in links]
    lowest = min(filter(_is_of_hardware, found), default="")
    if lowest:
        return lowest
    own = links.get(bridge.name)
    # It has that of a device which has gone, and may be in use elsewhere.
    return _own_address(bridge.uuid) if own is not None and _is_of_hardware(own.mac) else ""


def _representatives(bridge: DesiredBridge) -> Iterator[DesiredInterface]:
    """Choose one interface of each port, of bonds the first by name; without the targets of mirrors."""
    targets = {mirror.to.port for mirror in bridge.mirrors}
    for port in bridge.ports:
        first = min(port.interfaces, key=lambda interface: interface.name)
        if port.name not in targets and first.name != bridge.name:
            yield first


def _is_of_hardware(mac: str) -> bool:
    return bool(mac) and not int(mac[:2], 16) & (_GROUP | _LOCAL) and mac != "00:00:00:00:00:00"


def _own_address(uuid: str) -> str:
    digits = uuid.replace("-", "")[:12]
    octets = [digits[n : n + 2] for n in range(0, 12, 2)]
    octets[0] = f"{int(octets[0], 16) & ~_GROUP | _LOCAL:02x}"
    return ":".join(octets)
