"""Which of several tunnels that cannot be there together has the older claim.

Rule: pure. An interface that works keeps its tunnel; the others get an error each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from switching.tunnel import match_of
from vswitchd.config.desired import DesiredBridge, DesiredInterface


def settle_tunnels(
    bridges: list[DesiredBridge],
    number_before: Callable[[DesiredInterface], int | None],
    warnings: list[str],
) -> Iterator[DesiredBridge]:
    """Give an error to tunnels that receive just what another does, or want another device for its port.

    `number_before` is None of an interface that does not work.
    """
    tunnels = sorted(
        (
            (number_before(interface) is None, interface.name, bridge.datapath_type, interface)
            for bridge in bridges
            for interface in bridge.interfaces()
            if interface.tunnel is not None
        ),
        key=lambda claim: claim[:2],
    )
    owners: dict[tuple[object, ...], str] = {}
    devices: dict[tuple[str, str], bool] = {}  # whether the device knows group policies
    errors: dict[str, str] = {}
    for _, name, datapath_type, interface in tunnels:
        assert interface.tunnel is not None
        spec = interface.vport
        if spec is None:
            continue
        if devices.setdefault((datapath_type, spec.name), spec.gbp) != spec.gbp:
            errors[name] = (
                f"{name}: VXLAN-GBP, and non-VXLAN-GBP tunnels can't be configured on the same dst_port"
            )
            continue
        match = match_of(interface.tunnel, 0)
        owner = owners.setdefault((datapath_type, spec.name, match), name)
        if owner != name:
            errors[name] = f"could not add network device {name} to ofproto (File exists)"
            warnings.append(f"{name}: attempting to add tunnel port with same config as port '{owner}'")
    for bridge in bridges:
        concerned = errors and any(i.name in errors for i in bridge.interfaces())
        yield _with_errors(bridge, errors) if concerned else bridge


def _with_errors(bridge: DesiredBridge, errors: dict[str, str]) -> DesiredBridge:
    ports = (
        replace(port, interfaces=tuple(_with_error(i, errors.get(i.name)) for i in port.interfaces))
        for port in bridge.ports
    )
    return replace(bridge, ports=tuple(ports))


def _with_error(interface: DesiredInterface, error: str | None) -> DesiredInterface:
    return replace(interface, error=error) if error else interface
