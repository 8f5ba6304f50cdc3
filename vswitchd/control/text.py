"""Values as the control commands print them.

Rule: pure.
"""

from __future__ import annotations

from switching.switch import LOCAL_OFPORT, Switch


def format_mac(mac: int) -> str:
    """Format an Ethernet address."""
    return mac.to_bytes(6, "big").hex(":")


def format_port_number(switch: Switch, name: str) -> str:
    """Format the OpenFlow number of a port; "?" where it is not there any more."""
    port = switch.by_name.get(name)
    return "?" if port is None else "LOCAL" if port.ofport == LOCAL_OFPORT else str(port.ofport)
