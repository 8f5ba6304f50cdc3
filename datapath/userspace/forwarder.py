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
from datapath.userspace.bypass import KIND, Bypass
from datapath.userspace.entrance import Entrance
from datapath.userspace.offload import split, vnet_at
from datapath.userspace.outer import Way
from datapath.userspace.ports import DevicePort, Port, TapPort
from datapath.userspace.syscalls import Memory
from datapath.userspace.tunnel import TunnelPort
from datapath.userspace.tunnel_in import Frames, Merged

BATCH = 64  # frames taken from one port before the next gets its turn
_MAX_CACHED = 8192  # routes in one cache; as many as the C datapath's
_MAX_TUNNEL_CACHES = 1024
_MAX_PARTS = 256
_DRAIN = 16  # batches in a row
_MAX_TUNNELS = 8  # within each other
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
        self._bypass: Bypass | None = None  # past the host's stack
        self._tunnels: list[TunnelPort] = []
        self._bypassing: TunnelPort | None = None  # the one whose packets may
        self._depth = 0
        self._now = 0.0

    def attach(self, port: Port) -> None:
        """Begin to use a port."""
        self.ports[port.vport.port_no] = port
        if isinstance(port, TunnelPort):
            self._tunnels.append(port)
            if port.vport.kind == KIND:
                self._bypassing = port
        self._forget()

    def detach(self, port_no: int) -> Port:
        """Cease to use a port."""
        port = self.ports.pop(port_no)
        if isinstance(port, TunnelPort):
            self._tunnels.remove(port)
            if port is self._bypassing:
                self._bypassing = None
        self._forget()
        return port

    def use(self, bypass: Bypass) -> None:
        """Pass by the host's stack where that changes nothing."""
        self._bypass = bypass

    def taps(self) -> list[TapPort]:
        """List the ports that are TAPs."""
        return [port for port in self.ports.values() if isinstance(port, TapPort)]

    def underlay_changed(self) -> None:
        """Ask again for all that the host said."""
        if self._bypass:
            self._bypass.underlay.drain()
            self._forget_host()

    def _forget_host(self) -> None:
        if self._bypass:
            self._bypass.entrance.forget()
        for tunnel in self._tunnels:
            tunnel.forget_paths()

    def _forget(self) -> None:
        self._forget_host()
        self._caches.clear()
        self._tunnel_caches.clear()
        self._pending.clear()
        self._pending_tunnels.clear()

    def serve(self, port: Port) -> bool:
        """Forward what waits at a port, up to a batch; false when there was nothing. Raises OSError."""
        if self._bypass and self._bypassing:
            self._catch_up(self._bypass.entrance, self._bypassing)
        return self._serve(port)

    def _catch_up(self, entrance: Entrance, tunnel: TunnelPort) -> None:
        """Forward what the host still has of packets, where others wait to pass by it."""
        if entrance.is_behind and self._is_drained(tunnel):
            entrance.is_behind = False
        if tunnel.is_held and all(self._is_drained(tap) for tap in self.taps()):
            tunnel.caught_up()

    def _is_drained(self, port: Port) -> bool:
        with suppress(OSError):
            for _ in range(_DRAIN):
                if not port.has_waiting():
                    return True
                self._serve(port)
        return False

    def _serve(self, port: Port) -> bool:
        self._now = time.monotonic()
        if isinstance(port, DevicePort):
            frames = port.receive(self._frames)
            if frames:
                frames = port.admit(frames, self._now)
                self._forward(port, self._cache(port), self._frames.memory, frames)
                self._flush()
            return bool(frames)
        assert isinstance(port, TunnelPort)
        came = port.receive()
        for memory, arrivals in came:
            self._arrived(port, memory, arrivals)
        self._flush()
        return bool(came)

    def _arrived(self, port: TunnelPort, memory: Memory, arrivals: list[Merged | Frames]) -> None:
        for arrival in arrivals:
            cache = self._tunnel_cache(port.vport.port_no, arrival.metadata)
            if isinstance(arrival, Frames):
                self._forward(port, cache, memory, arrival.frames)
            else:
                self._forward_merged(port, cache, arrival)

    def _flush(self) -> None:
        """Send what is queued, and what comes of it that passes by the host."""
        bypass = self._bypass
        if bypass is None:
            self._flush_queues()
            return
        for _ in range(_MAX_TUNNELS):
            self._enter(bypass)
            self._flush_queues()
            waiting = bypass.outer.take()
            if not waiting:
                break
            for way, frames in waiting:
                if admitted := way.port.admit(frames, self._now):
                    self._forward_outer(way, bypass.outer.memory, admitted)
        else:
            self._flush_queues()
            bypass.outer.take()  # so many tunnels within each other are a loop
        bypass.outer.clear()
        if self._bypassing:
            self._bypassing.release()

    def _flush_queues(self) -> None:
        for port in self._pending:
            port.flush(self._sender)
        self._pending.clear()
        for tunnel in self._pending_tunnels:
            tunnel.flush()
        self._pending_tunnels.clear()

    def _enter(self, bypass: Bypass) -> None:
        """Take what is on its way to a tunnel of ours by the host."""
        memory, tunnel = self._frames.memory, self._bypassing
        if tunnel is None:
            return
        for port in self._pending:
            if isinstance(port, TapPort) and (packets := bypass.entrance.take(port, memory)):
                self._arrived(tunnel, *tunnel.accept(memory, packets))

    def _current(self, cache: Cache) -> Cache:
        """Empty a cache that was filled from another state of the flow table."""
        if cache.generation != self.table.generation:
            cache.shapes = {}
            cache.generation = self.table.generation
        return cache

    def _cache(self, port: DevicePort) -> Cache:
        number = port.vport.port_no
        cache = self._caches.get(number)
        if cache is None:
            cache = self._caches[number] = Cache(FlowKey(in_port=number))
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
        tunnelled: dict[int, tuple[Route, list[tuple[int, int]]]] = {}
        view, base = memory.view, memory.address
        now, octets, hits = self._now, 0, 0
        vnet_len, window_end, shift, mask = h.VNET_LEN, h.VNET_LEN + c.WINDOW, c.SHAPE_SHIFT, c.SHAPE_MASK
        number, shape_of = int.from_bytes, shapes.get
        for start, length in frames:
            octets += length
            word = number(view[start + vnet_len : start + window_end], "big")
            shape = shape_of(word >> shift & mask)
            route = None
            if shape is not None and length >= shape[1]:
                route = shape[2].get(word & shape[0])
            if route is None:
                frame = view[start + h.VNET_LEN : start + length]
                route = self._find(cache, word, frame, vnet_at(memory.bytes, start))
                if route is None:
                    continue
            else:
                hits += 1
            entry = route.entry
            entry.packets += 1
            entry.bytes += length - vnet_len
            entry.used = now
            for to in route.devices:
                queue = to.queue
                if not queue:
                    pending.append(to)
                queue += (base + start, length)
            if route.tunnels:
                tunnelled.setdefault(id(route), (route, []))[1].append((start, length))
            elif route.special:
                frame = view[start + h.VNET_LEN : start + length]
                self._run(Packet(bytes(frame), cache.metadata, vnet_at(memory.bytes, start)), entry.actions)
        for route, several in tunnelled.values():
            for tunnel_port, tunnel, mark in route.tunnels:
                tunnel_port.encapsulate_frames(memory, several, tunnel, mark)
                self._pending_tunnels.add(tunnel_port)
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

    def _forward_outer(self, way: Way, memory: Memory, frames: list[tuple[int, int]]) -> None:
        """Forward frames that are alike but for what no flow looks at; where one does, as any others."""
        port, (start, length) = way.port, frames[0]
        cache = self._current(self._cache(port))
        word = int.from_bytes(memory.view[start + h.VNET_LEN : start + h.VNET_LEN + c.WINDOW], "big")
        shape = cache.shapes.get(word >> c.SHAPE_SHIFT & c.SHAPE_MASK)
        route = None
        if shape and not shape[0] & way.differing and min(frame[1] for frame in frames) >= shape[1]:
            route = shape[2].get(word & shape[0])
        if route is None or route.special:
            self._forward(port, cache, memory, frames)
            return
        entry, base, count = route.entry, memory.address, len(frames)
        octets = sum([length for _, length in frames]) - count * h.VNET_LEN
        for to in route.devices:
            if not to.queue:
                self._pending.append(to)
            for start, length in frames:
                to.queue += (base + start, length)
        entry.packets += count
        entry.bytes += octets
        entry.used = self._now
        port.rx_packets += count
        port.rx_bytes += octets
        self.hit += count
        self.cache_hit += count

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
