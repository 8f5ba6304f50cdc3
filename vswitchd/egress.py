"""By which device tunnels leave this machine.

Rule: the kernel is asked once for each remote address until forget(), which the daemon calls when it writes
statistics: routes change without notice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from datapath.link import Link
from datapath.route import Route, Routes
from switching.tunnel import TunnelConfig, ip_of
from vswitchd.config.desired import DesiredInterface


class Egress:
    """The routes of tunnels."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self._known: dict[tuple[int, int], Route | None] = {}

    def forget(self) -> None:
        """Ask anew."""
        self._known.clear()

    def status_of(
        self, interfaces: Iterable[DesiredInterface], links: Mapping[str, Link]
    ) -> dict[str, dict[str, str]]:
        """Return what Interface.status says of the ways of tunnels, by name of the interface."""
        tunnels = [
            (interface.name, interface.tunnel)
            for interface in interfaces
            if interface.tunnel is not None and interface.tunnel.remote is not None
        ]
        if not tunnels:
            return {}
        by_index = {link.ifindex: link for link in links.values()}
        return {name: _describe(tunnel, self._find(tunnel), by_index) for name, tunnel in tunnels}

    def _find(self, tunnel: TunnelConfig) -> Route | None:
        assert tunnel.remote is not None
        place = (tunnel.proto, tunnel.remote)
        if place not in self._known:
            self._known[place] = self._routes.find(ip_of(*place))
        return self._known[place]


def _describe(tunnel: TunnelConfig, route: Route | None, links: Mapping[int, Link]) -> dict[str, str]:
    link = links.get(route.ifindex) if route else None
    if route is None or link is None:
        return {}
    source = ip_of(tunnel.proto, tunnel.local) if tunnel.local else route.source
    status = {
        "tunnel_egress_iface": link.name,
        "tunnel_egress_iface_carrier": "up" if link.link_up else "down",
    }
    return status | ({"source_ip": str(source)} if source else {})
