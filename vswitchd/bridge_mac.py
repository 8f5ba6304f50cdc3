"""The address of a bridge's own port.

Rule: pure, and the same answer for the same bridge: what is asked for, else the lowest address of its devices
that is the address of hardware, else one of its own.
Source: ovs-vswitchd.conf.db(5), Bridge: other_config:hwaddr; IEEE 802-2014, 8.2.2 (the U/L bit).
"""

from __future__ import annotations

from collections.abc import Mapping

from datapath.link import Link
from vswitchd.config.desired import DesiredBridge

_GROUP, _LOCAL = 0x01, 0x02  # bits of the first octet
_HARDWARE = ("0", "4", "8", "c")  # the second digit where neither is set


def bridge_mac(bridge: DesiredBridge, links: Mapping[str, Link]) -> str:
    """Return the address; "" where the one that it has is as good as another."""
    if bridge.hwaddr:
        return bridge.hwaddr
    found = {links[name].mac for name in bridge.representatives() if name in links}
    lowest = min(filter(_is_of_hardware, found), default="")
    if lowest:
        return lowest
    own = links.get(bridge.name)
    # It has that of a device which has gone, and may be in use elsewhere.
    return _own_address(bridge.uuid) if own is not None and _is_of_hardware(own.mac) else ""


def _is_of_hardware(mac: str) -> bool:
    return mac[1:2] in _HARDWARE and mac != "00:00:00:00:00:00"


def _own_address(uuid: str) -> str:
    digits = uuid.replace("-", "")[:12]
    octets = [digits[n : n + 2] for n in range(0, 12, 2)]
    octets[0] = f"{int(octets[0], 16) & ~_GROUP | _LOCAL:02x}"
    return ":".join(octets)
