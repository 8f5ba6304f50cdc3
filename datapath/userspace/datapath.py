"""Datapath type "netdev": forwarding in this process, without a kernel module.

Rule: sockets and devices are opened and closed in the caller's thread (and so in its network namespace);
all else is done by the thread that forwards. Everything ends with the process, devices that were made here
included.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import TypeVar

from datapath.flowtable import FlowEntry
from datapath.inprocess import PortNumbers, UpcallQueue
from datapath.packet.execute import unsupported
from datapath.packet.flowkey import FlowKey
from datapath.provider import (
    LOCAL_PORT,
    TUNNEL_KINDS,
    DatapathError,
    DatapathStats,
    Flow,
    FlowPut,
    FlowStats,
    Operation,
    PortLimit,
    Upcall,
    Vport,
    VportSpec,
)
from datapath.userspace.bypass import KIND, Bypass, open_bypass
from datapath.userspace.forwarder import Forwarder
from datapath.userspace.loop import Loop
from datapath.userspace.policer import Policer
from datapath.userspace.ports import DevicePort, PacketPort, Port, TapPort
from datapath.userspace.tunnel import TunnelPort

T = TypeVar("T")


class UserspaceDatapath:
    """A Datapath that forwards in a thread. One thread at a time may call its methods."""

    def __init__(self, name: str, closed: Callable[[], None]) -> None:
        self.name = name
        self.users = 0  # open() and create() count up, close() down; the last one ends the forwarding
        self._closed = closed
        self._upcalls = UpcallQueue()
        self._forwarder = Forwarder(self._upcalls.put)
        self._loop = Loop(self._forwarder, f"forward {name}")
        self._ports: dict[int, Port] = {}  # those of the forwarder, which this object alone attaches
        self._numbers = PortNumbers()
        self._bypass: Bypass | None = None
        self._loop.start()
        try:
            self.add_port(VportSpec(name, "internal", port_no=LOCAL_PORT))
        except DatapathError:
            self._loop.stop()
            raise

    def ports(self) -> list[Vport]:
        """List the ports, the local one first, with their counters."""
        self._loop.settle()
        return sorted([_with_stats(port) for port in self._ports.values()], key=attrgetter("port_no"))

    def port(self, name: str) -> Vport | None:
        """Find a port by the name of its device."""
        self._loop.settle()
        number = self._numbers.number_of(name)
        return None if number is None else _with_stats(self._ports[number])

    def add_port(self, spec: VportSpec) -> Vport:
        """Attach a device, or make one and attach it."""
        number = self._numbers.choose(spec)
        port = _open_port(spec, number, self._passing() if spec.kind == KIND else None)
        try:
            self._loop.watch(port, lambda: self._forwarder.attach(port))
        except OSError as error:
            port.close()
            raise DatapathError(error.errno or errno.EIO, f"add port {spec.name}") from error
        self._ports[number] = port
        self._numbers.take(number, spec.name)
        return port.vport

    def _passing(self) -> Bypass | None:
        """Return what is needed to pass by the host's stack, opened once."""
        if self._bypass is None and (bypass := open_bypass(self._forwarder.taps)):
            self._bypass = bypass

            def use() -> None:
                self._forwarder.use(bypass)
                self._loop.listen(bypass.underlay.fileno(), self._forwarder.underlay_changed)

            self._call(use)
        return self._bypass

    def delete_port(self, port_no: int) -> None:
        """Detach a port; its device goes if it was made here."""
        self._numbers.check_deletable(port_no)
        port = self._detach(port_no)
        self._numbers.release(port_no)
        del self._ports[port_no]
        port.close()

    def _detach(self, port_no: int) -> Port:
        def detach() -> Port:
            port = self._forwarder.detach(port_no)
            self._loop.unwatch(port)
            return port

        return self._call(detach)

    def flows(self, *, terse: bool = False) -> Iterator[Flow]:
        """Dump the flows that are there now."""
        entries: list[FlowEntry] = self._call(lambda: list(self._forwarder.table))
        return (entry.flow(terse=terse) for entry in entries)

    def flow(self, ufid: bytes) -> Flow | None:
        """Look one flow up."""
        entry = self._call(lambda: self._forwarder.table.by_ufid(ufid))
        return entry.flow() if entry else None

    def put_flow(self, put: FlowPut) -> None:
        """Install or modify one flow. Raises EOPNOTSUPP for an action that is not done here, such as ct."""
        if (action := unsupported(put.actions)) is not None:
            raise DatapathError(errno.EOPNOTSUPP, "put flow", f"action {type(action).__name__}")
        self._call(lambda: self._forwarder.table.put(put))

    def delete_flow(self, ufid: bytes, key: FlowKey | None = None) -> FlowStats | None:
        """Remove one flow and return its last counters."""
        entry = self._call(lambda: self._forwarder.table.delete(ufid))
        return entry.stats() if entry else None

    def flush_flows(self) -> None:
        """Remove every flow."""
        self._call(self._forwarder.table.flush)

    def run(self, operations: Iterable[Operation]) -> None:
        """Carry operations out in order, soon."""
        listed = list(operations)
        self._loop.post(lambda: self._forwarder.run(listed))

    def stats(self) -> DatapathStats:
        """Read the counters."""

        def read() -> DatapathStats:
            forwarder, table = self._forwarder, self._forwarder.table
            return DatapathStats(
                forwarder.hit,
                forwarder.missed,
                forwarder.lost,
                len(table),
                table.masks_searched,
                table.masks,
                forwarder.cache_hit,
            )

        return self._call(read)

    def resize_masks_cache(self, size: int) -> None:
        """Refuse: there is no such cache."""
        raise DatapathError(errno.EOPNOTSUPP, "resize the cache of masks")

    def tracker(self) -> None:
        """Return nothing: connections are not tracked."""
        return

    def limit_port(self, port_no: int, limit: PortLimit | None) -> bool:
        """Limit what comes by a port, as soon as it is read."""

        def set_limit() -> None:
            port = self._forwarder.ports.get(port_no)
            if isinstance(port, DevicePort):
                port.policer = Policer(limit, time.monotonic()) if limit else None

        self._call(set_limit)
        return True

    def listen(self) -> Sequence[int]:
        """Ask for upcalls from now on."""
        return [self._upcalls.listen()]

    def upcalls(self, descriptor: int, limit: int = 64) -> list[Upcall]:
        """Take waiting upcalls."""
        return self._upcalls.take(limit)

    def close(self) -> None:
        """Let go of the datapath; with its last user its thread, ports and devices go."""
        self.users -= 1
        if self.users == 0:
            self.shut_down()

    def shut_down(self) -> None:
        """End the thread and close every port."""
        self._closed()
        self._loop.stop()
        for port in self._ports.values():
            port.close()
        if self._bypass:
            self._bypass.underlay.close()
        self._upcalls.close()

    def _call(self, function: Callable[[], T]) -> T:
        return self._loop.call(function)


def _open_port(spec: VportSpec, number: int, bypass: Bypass | None) -> Port:
    if spec.kind in TUNNEL_KINDS:
        return TunnelPort(spec, number, bypass)
    return PacketPort(spec, number) if spec.kind == "system" else TapPort(spec, number)


def _with_stats(port: Port) -> Vport:
    stats = port.stats()
    if stats != port.vport.stats:
        port.vport = replace(port.vport, stats=stats)
    return port.vport


class UserspaceProvider:
    """The datapaths of type "netdev" in this process."""

    type = "netdev"

    def __init__(self) -> None:
        self._datapaths: dict[str, UserspaceDatapath] = {}

    def datapaths(self) -> list[str]:
        """Name the datapaths that are there."""
        return list(self._datapaths)

    def open(self, name: str) -> UserspaceDatapath:
        """Open a datapath that is there: always the same object, which counts its users."""
        datapath = self._datapaths.get(name)
        if datapath is None:
            raise DatapathError(errno.ENODEV, f"open datapath {name}")
        datapath.users += 1
        return datapath

    def create(self, name: str) -> UserspaceDatapath:
        """Make a datapath with its local port."""
        if name in self._datapaths:
            raise DatapathError(errno.EEXIST, f"create datapath {name}")
        self._datapaths[name] = UserspaceDatapath(name, lambda: self._forget(name))
        return self.open(name)

    def delete(self, name: str) -> None:
        """Remove a datapath with its ports and flows, whoever has it open."""
        datapath = self._datapaths.get(name)
        if datapath is None:
            raise DatapathError(errno.ENODEV, f"delete datapath {name}")
        datapath.users = 0
        datapath.shut_down()

    def _forget(self, name: str) -> None:
        self._datapaths.pop(name, None)
