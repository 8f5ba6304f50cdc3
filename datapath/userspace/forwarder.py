"""Frames from port to port: receive a batch, find each frame's flow, send.

Rule: everything here belongs to the one thread that forwards (loop.py); others reach it through commands to
that thread. A frame that is only passed on is looked at and sent where it was received; one that actions
change becomes a Packet (datapath.packet.execute).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from datapath.actions import Actions, Output, SetFields, SetTunnel, Userspace
from datapath.flowtable import FlowEntry, FlowTable
from datapath.inprocess import MAX_RECIRCULATIONS
from datapath.packet import headers as h
from datapath.packet.execute import Packet, execute
from datapath.packet.extract import extract
from datapath.packet.flowkey import FlowKey
from datapath.provider import DatapathError, Execute, FlowDel, FlowPut, Operation, Upcall, UpcallKind
from datapath.userspace import cache as c
from datapath.userspace.batch import SLOT, Message, Receiver, Sender
from datapath.userspace.offload import split
from datapath.userspace.ports import DevicePort, Port
from datapath.userspace.syscalls import Memory
from datapath.userspace.tunnel import TunnelPort
from datapath.userspace.tunnel_in import Frames, Merged

BATCH = 32  # frames taken from one port before the next gets its turn
_MAX_CACHED = 8192  # routes in one cache; as many as the C datapath's
_MAX_TUNNEL_CACHES = 1024
_MAX_PARTS = 256
_MAX_FRAME = SLOT - 64
_MARK = FlowKey(skb_mark=0xFFFFFFFF)


class Route(NamedTuple):
    """What a flow does to a frame, prepared."""

    entry: FlowEntry
    devices: tuple[DevicePort, ...]  # these get the frame as it is,
    tunnels: tuple[tuple[TunnelPort, SetTunnel, int], ...]  # and so do these, the outer packet with a mark
    changes: bool  # the frame is changed: only the actions themselves tell what happens
    special: bool  # more than devices is to be served


Routes = dict[int, Route]


class Cache:
    """The exact-match cache of one port, or of one tunnel's far end."""

    def __init__(self, metadata: FlowKey) -> None:
        self.metadata = metadata
        self.generation = -1
        self.shapes: dict[int, tuple[int, int, Routes] | None] = {}  # mask, least length with virtio header


class Forwarder:
    """Ports, flows, and the way between them."""

    def __init__(self, upcall: Callable[[Upcall], bool]) -> None:
        self.table = FlowTable()
        self.ports: dict[int, Port] = {}
        self.hit = self.missed = self.lost = self.cache_hit = 0
        self._upcall_to = upcall
        self._caches: dict[int, Cache] = {}  # by port number
        self._tunnel_caches: dict[tuple[int, FlowKey], Cache] = {}
        self._frames = Receiver(BATCH)
        self._sender = Sender(BATCH)
        self._message = Message(_MAX_PARTS)
        self._scratch = Memory(SLOT)
        self._pending: list[DevicePort] = []
        self._pending_tunnels: set[TunnelPort] = set()
        self._depth = 0
        self._now = 0.0

    def attach(self, port: Port) -> None:
        """Begin to use a port."""
        self.ports[port.vport.port_no] = port
        self._forget()

    def detach(self, port_no: int) -> Port:
        """Cease to use a port."""
        port = self.ports.pop(port_no)
        self._forget()
        return port

    def _forget(self) -> None:
        self._caches.clear()
        self._tunnel_caches.clear()
        self._pending.clear()
        self._pending_tunnels.clear()

    def serve(self, port: Port) -> bool:
        """Forward what waits at a port, up to a batch; false when there was nothing. Raises OSError."""
        self._now = time.monotonic()
        if isinstance(port, DevicePort):
            frames = port.receive(self._frames)
            if frames:
                if port.policer is not None:
                    frames = port.admit(frames, self._now)
                number = port.vport.port_no
                cache = self._caches.get(number)
                if cache is None:
                    cache = self._caches[number] = Cache(FlowKey(in_port=number))
                self._forward(port, cache, self._frames.memory, frames)
                self._flush()
            return bool(frames)
        assert isinstance(port, TunnelPort)
        came = port.receive()
        for memory, arrivals in came:
            for arrival in arrivals:
                cache = self._tunnel_cache(port.vport.port_no, arrival.metadata)
                if isinstance(arrival, Frames):
                    self._forward(port, cache, memory, arrival.frames)
                else:
                    self._forward_merged(port, cache, arrival)
        self._flush()
        return bool(came)

    def _flush(self) -> None:
        for port in self._pending:
            port.flush(self._sender)
        self._pending.clear()
        for tunnel in self._pending_tunnels:
            tunnel.flush()
        self._pending_tunnels.clear()

    def _current(self, cache: Cache) -> Cache:
        """Empty a cache that was filled from another state of the flow table."""
        if cache.generation != self.table.generation:
            cache.shapes = {}
            cache.generation = self.table.generation
        return cache

    def _tunnel_cache(self, number: int, metadata: FlowKey) -> Cache:
        cache = self._tunnel_caches.get((number, metadata))
        if cache is None:
            if len(self._tunnel_caches) >= _MAX_TUNNEL_CACHES:
                self._tunnel_caches.clear()
            cache = self._tunnel_caches[number, metadata] = Cache(metadata._replace(in_port=number))
        return cache

    def _forward(self, port: Port, cache: Cache, memory: Memory, frames: list[tuple[int, int]]) -> None:
        """Look frames up and queue them. What is in this loop is what every packet costs."""
        shapes, pending = self._current(cache).shapes, self._pending
        view, base = memory.view, memory.address
        now, octets, hits = self._now, 0, 0
        for start, length in frames:
            octets += length
            word = int.from_bytes(view[start + h.VNET_LEN : start + h.VNET_LEN + c.WINDOW], "big")
            shape = shapes.get(word >> c.SHAPE_SHIFT & c.SHAPE_MASK)
            route = None
            if shape is not None and length >= shape[1]:
                route = shape[2].get(word & shape[0])
            if route is None:
                frame = view[start + h.VNET_LEN : start + length]
                route = self._find(cache, word, frame, _vnet(view, start))
                if route is None:
                    continue
            else:
                hits += 1
            entry = route.entry
            entry.packets += 1
            entry.bytes += length - h.VNET_LEN
            entry.used = now
            for to in route.devices:
                queue = to.queue
                if not queue:
                    pending.append(to)
                queue += (base + start, length)
            if route.special:
                frame = view[start + h.VNET_LEN : start + length]
                self._special(route, cache, frame, base + start + h.VNET_LEN, _vnet(view, start))
        port.rx_packets += len(frames)
        port.rx_bytes += octets - len(frames) * h.VNET_LEN
        self.hit += hits
        self.cache_hit += hits

    def _special(self, route: Route, cache: Cache, frame: memoryview, address: int, vnet: h.Vnet) -> None:
        """Send a frame into tunnels, or carry out actions that change it."""
        for to, tunnel, mark in route.tunnels:
            to.encapsulate(frame, address, vnet, tunnel, mark)
            self._pending_tunnels.add(to)
        if route.changes:
            self._run(Packet(bytes(frame), cache.metadata, vnet), route.entry.actions)

    def _run(self, packet: Packet, actions: Actions) -> None:
        execute(packet, actions, self)

    def _cached(self, cache: Cache, word: int, length: int) -> Route | None:
        """Look a frame up in the cache, tagged or not."""
        shape = cache.shapes.get(c.shape_of(word))
        if shape and length >= shape[1] and (route := shape[2].get(word & shape[0])):
            self.hit += 1
            self.cache_hit += 1
            return route
        return None

    def _find(self, cache: Cache, word: int, frame: memoryview, vnet: h.Vnet) -> Route | None:
        """Find the flow of a frame and teach the cache; None for a miss, which becomes an upcall."""
        length = len(frame) + h.VNET_LEN
        if cached := self._cached(cache, word, length):
            return cached
        key = extract(frame, cache.metadata)
        entry = self.table.find(key)
        if entry is None:
            self.missed += 1
            self._upcall(UpcallKind.MISS, Packet(bytes(frame), cache.metadata, vnet))
            return None
        self.hit += 1
        entry.tcp_flags |= key.tcp_flags
        route = self._compile(entry)
        shape_key = c.shape_of(word)
        if shape_key not in cache.shapes:
            made = c.make_shape(word, self.table.looked_at)
            cache.shapes[shape_key] = (made.mask, made.min_len + h.VNET_LEN, {}) if made else None
        shape = cache.shapes[shape_key]
        if shape and length >= shape[1] and c.cacheable(word):
            if len(shape[2]) >= _MAX_CACHED:
                shape[2].clear()
            shape[2][word & shape[0]] = route
        return route

    def _compile(self, entry: FlowEntry) -> Route:
        """Prepare a flow's actions, as far as they leave the frame as it is."""
        devices: list[DevicePort] = []
        tunnels: list[tuple[TunnelPort, SetTunnel, int]] = []
        tunnel, mark = None, entry.key.skb_mark
        for action in entry.actions:
            if isinstance(action, SetTunnel):
                tunnel = action
            elif isinstance(action, Output):
                to = self.ports.get(action.port)
                if isinstance(to, DevicePort):
                    devices.append(to)
                elif isinstance(to, TunnelPort) and tunnel:
                    tunnels.append((to, tunnel, mark))
            elif isinstance(action, SetFields) and action.mask == _MARK:
                mark = action.value.skb_mark
            else:
                return Route(entry, (), (), changes=True, special=True)
        return Route(entry, tuple(devices), tuple(tunnels), changes=False, special=bool(tunnels))

    def _forward_merged(self, port: TunnelPort, cache: Cache, arrival: Merged) -> None:
        """Forward a frame made of several that came through a tunnel."""
        self._current(cache)
        port.rx_packets += 1
        port.rx_bytes += arrival.length
        word = int.from_bytes(arrival.window, "big")
        route = self._cached(cache, word, arrival.length + h.VNET_LEN)
        if route is None:
            route = self._find(cache, word, memoryview(arrival.frame()), arrival.vnet)
            if route is None:
                return
        entry = route.entry
        entry.packets += 1
        entry.bytes += arrival.length
        entry.used = self._now
        for to in route.devices:
            if to.queue:  # what came before goes before
                to.flush(self._sender)
            to.send(self._message, arrival.parts)
        if route.special:
            frame = memoryview(arrival.frame())
            self._scratch.view[: len(frame)] = frame
            self._special(route, cache, frame, self._scratch.address, arrival.vnet)
            self._flush()  # the scratch memory is used again

    def _upcall(self, kind: UpcallKind, packet: Packet, userdata: bytes = b"") -> None:
        """Hand a packet to the daemon: whole frames, as they would be on a wire."""
        for frame in split(packet.frame, packet.vnet):
            key = extract(frame, packet.metadata)
            if not self._upcall_to(Upcall(kind, key, frame, userdata)):
                self.lost += 1

    def run(self, operations: list[Operation]) -> None:
        """Carry operations out; what is refused is passed over."""
        self._now = time.monotonic()
        for operation in operations:
            if isinstance(operation, FlowPut):
                with suppress(DatapathError):
                    self.table.put(operation)
            elif isinstance(operation, FlowDel):
                self.table.delete(operation.ufid)
            else:
                self.execute(operation)
        self._flush()

    def execute(self, operation: Execute) -> None:
        """Carry actions out on a packet of the daemon's."""
        if h.ETH_HEADER_LEN <= len(operation.packet) <= _MAX_FRAME:
            self._run(Packet(operation.packet, operation.key), operation.actions)

    # The Sink of datapath.packet.execute:

    def output(self, packet: Packet, port: int) -> None:
        """Send a packet that is no longer, or never was, in a receiver's slot."""
        to = self.ports.get(port)
        if to is None:
            return
        frame = packet.frame
        h.VNET.pack_into(self._scratch.bytes, 0, *packet.vnet)
        self._scratch.view[h.VNET_LEN : h.VNET_LEN + len(frame)] = frame
        address = self._scratch.address
        if isinstance(to, DevicePort):
            to.send(self._message, [address, h.VNET_LEN + len(frame)])
        elif isinstance(to, TunnelPort) and packet.tunnel:
            to.encapsulate(
                memoryview(frame), address + h.VNET_LEN, packet.vnet, packet.tunnel, packet.metadata.skb_mark
            )
            to.flush()  # the scratch memory is used again

    def userspace(self, packet: Packet, action: Userspace) -> None:
        """Queue an upcall."""
        self._upcall(UpcallKind.ACTION, packet, action.userdata)

    def recirculate(self, packet: Packet) -> None:
        """Look a packet up once more, in the table itself."""
        key = extract(packet.frame, packet.metadata)
        entry = self.table.find(key)
        if entry is None:
            self.missed += 1
            self._upcall(UpcallKind.MISS, packet)
            return
        self.hit += 1
        entry.hit(len(packet.frame), key.tcp_flags, self._now)
        self._depth += 1
        if self._depth <= MAX_RECIRCULATIONS:
            self._run(packet, entry.actions)
        self._depth -= 1


def _vnet(view: memoryview, start: int) -> h.Vnet:
    return h.Vnet._make(h.VNET.unpack_from(view, start))
