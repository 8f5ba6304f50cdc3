"""The network devices of this namespace, kept up to date by what the kernel reports.

Rule: refresh() leaves nothing unread, and the kernel reports a change before the call that made it returns.
So what `links` holds then is exact, and costs nothing for devices that did not change (a dump of 500: 60 ms).
"""

from __future__ import annotations

from collections.abc import Iterator

from datapath.ethtool import Ethtool
from datapath.link import Link, LinkMonitor, Links
from datapath.route import Routes

_DUMP_FROM = 50  # changed devices from which on a dump is cheaper than asking for each


class LinkWatch:
    """Devices by name, and the sockets by which more of them is asked."""

    def __init__(self) -> None:
        self.changer = Links()
        self.ethtool = Ethtool()
        self.routes = Routes()
        self.links: dict[str, Link] = {}
        self._monitor = LinkMonitor()
        self._is_filled = False

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when devices changed."""
        return self._monitor.fileno()

    def refresh(self) -> frozenset[str]:
        """Take in all changes; return the names of devices that came, went or changed. DatapathError."""
        found = self._monitor.changes_nowait()
        if found.lost or not self._is_filled or len(found.names) > _DUMP_FROM:
            return self._read_all()
        return frozenset(changed for name in found.names for changed in self._look_at(name))

    def read_counters(self) -> None:
        """Read every device again: changes of counters are not reported. DatapathError."""
        self._monitor.changes_nowait()
        self._read_all()

    def close(self) -> None:
        """Close the sockets."""
        self._monitor.close()
        self.changer.close()
        self.ethtool.close()
        self.routes.close()

    def _read_all(self) -> frozenset[str]:
        fresh = {link.name: link for link in self.changer.all()}
        before, self.links = self.links, fresh
        self._is_filled = True
        return frozenset(n for n in before.keys() | fresh.keys() if before.get(n) != fresh.get(n))

    def _look_at(self, name: str) -> Iterator[str]:
        """Take in one device; names those that became different: its own, and the one it bore before."""
        before, link = self.links.get(name), self.changer.find(name)
        if link is None:
            self.links.pop(name, None)
        else:
            for other in [n for n, old in self.links.items() if old.ifindex == link.ifindex and n != name]:
                del self.links[other]
                yield other
            self.links[name] = link
        if before != link:
            yield name
