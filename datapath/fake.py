"""Datapath type "dummy": flows executed in memory, for tests and for `ovs-vswitchd --enable-dummy`.

Rule: it behaves as the others do, but its ports lead nowhere: inject() puts frames in, sent() takes them
out.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from datapath.actions import SetTunnel, Userspace
from datapath.flowtable import FlowTable
from datapath.inprocess import MAX_RECIRCULATIONS, PortNumbers, UpcallQueue
from datapath.packet import headers as h
from datapath.packet.execute import Packet, execute
from datapath.packet.extract import extract
from datapath.packet.flowkey import NO_FIELDS, FlowKey
from datapath.provider import (
    LOCAL_PORT,
    DatapathError,
    DatapathStats,
    Execute,
    Flow,
    FlowDel,
    FlowPut,
    FlowStats,
    Operation,
    PortLimit,
    Upcall,
    UpcallKind,
    Vport,
    VportSpec,
    VportStats,
)


class _FakePort:
    """A port and the frames that were sent out of it."""

    def __init__(self, vport: Vport) -> None:
        self.vport = vport
        self.sent: deque[tuple[bytes, SetTunnel | None]] = deque()
        self.rx_packets = self.rx_bytes = self.tx_packets = self.tx_bytes = 0

    def with_stats(self) -> Vport:
        stats = VportStats(self.rx_packets, self.tx_packets, self.rx_bytes, self.tx_bytes)
        return replace(self.vport, stats=stats)


class FakeDatapath:
    """A Datapath whose ports are queues. Time does not pass in it by itself: `now` says what the time is."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.now = 0.0
        self._numbers = PortNumbers()
        self._ports: dict[int, _FakePort] = {}
        self._table = FlowTable()
        self._hit = self._missed = self._lost = 0
        self._upcalls = UpcallQueue()
        self._depth = 0
        self.add_port(VportSpec(name, "internal", port_no=LOCAL_PORT))

    def inject(self, port: int | str, frame: bytes, metadata: FlowKey = NO_FIELDS) -> None:
        """Let a frame come in by a port; `metadata` gives the tunnel it came through."""
        port_no = port if isinstance(port, int) else self._named(port).vport.port_no
        at = self._ports[port_no]
        at.rx_packets += 1
        at.rx_bytes += len(frame)
        self._process(Packet(frame, metadata._replace(in_port=port_no)))

    def sent(self, port: int | str) -> list[bytes]:
        """Take the frames that were sent out of a port."""
        return [frame for frame, _ in self.sent_with_tunnel(port)]

    def sent_with_tunnel(self, port: int | str) -> list[tuple[bytes, SetTunnel | None]]:
        """Take the frames that were sent out of a port, each with the outer header it should get."""
        at = self._ports[port] if isinstance(port, int) else self._named(port)
        taken = list(at.sent)
        at.sent.clear()
        return taken

    def ports(self) -> list[Vport]:
        """List the ports, the local one first, with their counters."""
        return [self._ports[number].with_stats() for number in sorted(self._ports)]

    def port(self, name: str) -> Vport | None:
        """Find a port by name."""
        return next((port for port in self.ports() if port.name == name), None)

    def add_port(self, spec: VportSpec) -> Vport:
        """Make a port. Raises EEXIST, EBUSY, EFBIG or EINVAL."""
        number = self._numbers.choose(spec)
        ifindex = 0 if spec.kind in ("gre", "vxlan", "geneve") else number + 1
        port = self._ports[number] = _FakePort(Vport(number, spec.name, spec.kind, ifindex, spec.dst_port))
        self._numbers.take(number, spec.name)
        return port.with_stats()

    def delete_port(self, port_no: int) -> None:
        """Remove a port. Raises ENODEV where there is none, EINVAL for the local one."""
        self._numbers.check_deletable(port_no)
        self._numbers.release(port_no)
        del self._ports[port_no]

    def flows(self, *, terse: bool = False) -> Iterator[Flow]:
        """Dump the flows as they are now."""
        return iter([entry.flow(terse=terse) for entry in self._table])

    def flow(self, ufid: bytes) -> Flow | None:
        """Look one flow up."""
        entry = self._table.by_ufid(ufid)
        return entry.flow() if entry else None

    def put_flow(self, put: FlowPut) -> None:
        """Install or modify one flow."""
        self._table.put(put)

    def delete_flow(self, ufid: bytes, key: FlowKey | None = None) -> FlowStats | None:
        """Remove one flow and return its last counters."""
        entry = self._table.delete(ufid)
        return entry.stats() if entry else None

    def flush_flows(self) -> None:
        """Remove every flow."""
        self._table.flush()

    def run(self, operations: Iterable[Operation]) -> None:
        """Carry operations out in order; what is refused is passed over."""
        for operation in operations:
            if isinstance(operation, FlowPut):
                try:
                    self._table.put(operation)
                except DatapathError:
                    continue
            elif isinstance(operation, FlowDel):
                self._table.delete(operation.ufid)
            else:
                self._execute(operation)

    def stats(self) -> DatapathStats:
        """Read the counters."""
        table = self._table
        return DatapathStats(
            self._hit, self._missed, self._lost, len(table), table.masks_searched, table.masks
        )

    def resize_masks_cache(self, size: int) -> None:
        """Refuse: there is no such cache."""
        raise DatapathError(errno.EOPNOTSUPP, "resize the cache of masks")

    def tracker(self) -> None:
        """Return nothing: connections are not tracked."""
        return

    def limit_port(self, port_no: int, limit: PortLimit | None) -> bool:
        """Leave that to traffic control."""
        return False

    def listen(self) -> Sequence[int]:
        """Ask for upcalls from now on."""
        return [self._upcalls.listen()]

    def upcalls(self, descriptor: int, limit: int = 64) -> list[Upcall]:
        """Take waiting upcalls."""
        return self._upcalls.take(limit)

    def close(self) -> None:
        """Stop listening; ports and flows stay until the provider deletes the datapath."""
        self._upcalls.close()

    # The Sink of datapath.packet.execute:

    def output(self, packet: Packet, port: int) -> None:
        """Put a packet into a port's queue."""
        if to := self._ports.get(port):
            to.tx_packets += 1
            to.tx_bytes += len(packet.frame)
            to.sent.append((packet.frame, packet.tunnel))

    def userspace(self, packet: Packet, action: Userspace) -> None:
        """Queue an upcall."""
        key = extract(packet.frame, packet.metadata)
        self._upcall(Upcall(UpcallKind.ACTION, key, packet.frame, action.userdata))

    def recirculate(self, packet: Packet) -> None:
        """Look a packet up once more."""
        self._depth += 1
        if self._depth <= MAX_RECIRCULATIONS:
            self._process(packet)
        self._depth -= 1

    def _named(self, name: str) -> _FakePort:
        return next(port for port in self._ports.values() if port.vport.name == name)

    def _process(self, packet: Packet) -> None:
        key = extract(packet.frame, packet.metadata)
        entry = self._table.find(key)
        if entry is None:
            self._missed += 1
            self._upcall(Upcall(UpcallKind.MISS, key, packet.frame))
            return
        self._hit += 1
        entry.hit(len(packet.frame), key.tcp_flags, self.now)
        execute(packet, entry.actions, self)

    def _execute(self, operation: Execute) -> None:
        if len(operation.packet) >= h.ETH_HEADER_LEN:
            execute(Packet(operation.packet, operation.key), operation.actions, self)

    def _upcall(self, upcall: Upcall) -> None:
        if not self._upcalls.put(upcall):
            self._lost += 1


class FakeProvider:
    """The datapaths of type "dummy" in this process; each instance has its own."""

    type = "dummy"

    def __init__(self) -> None:
        self._datapaths: dict[str, FakeDatapath] = {}

    def datapaths(self) -> list[str]:
        """Name the datapaths that are there."""
        return list(self._datapaths)

    def open(self, name: str) -> FakeDatapath:
        """Open a datapath that is there: always the same object."""
        if name not in self._datapaths:
            raise DatapathError(errno.ENODEV, f"open datapath {name}")
        return self._datapaths[name]

    def create(self, name: str) -> FakeDatapath:
        """Make a datapath with its local port."""
        if name in self._datapaths:
            raise DatapathError(errno.EEXIST, f"create datapath {name}")
        self._datapaths[name] = FakeDatapath(name)
        return self._datapaths[name]

    def delete(self, name: str) -> None:
        """Remove a datapath with its ports and flows."""
        if name not in self._datapaths:
            raise DatapathError(errno.ENODEV, f"delete datapath {name}")
        self._datapaths.pop(name).close()
