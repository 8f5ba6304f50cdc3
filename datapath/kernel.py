"""The datapath of type "system": the kernel's openvswitch module, over generic netlink.

Rule: nothing is kept here that the kernel knows. A datapath that another process made, or an earlier run of
this one, is opened as it is, with its ports and flows; only listen() takes its upcalls over.

One socket takes the upcalls of all processors: one thread serves them anyway, and a socket each would only
let some starve. Facts about the module that this code rests on: docs/kernel-datapath.md.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from datapath.kernel_conntrack import KernelConnectionTracker
from datapath.link import Links
from datapath.netlink import genl, message
from datapath.netlink import openvswitch as ovs
from datapath.netlink.asking import asking
from datapath.netlink.attrs import NetlinkFormatError
from datapath.netlink.conversation import KernelRefusal
from datapath.netlink.sockets import NETLINK_GENERIC, NetlinkSocket
from datapath.packet.flowkey import FlowKey
from datapath.provider import (
    TUNNEL_KINDS,
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
    Vport,
    VportSpec,
)

_UPCALL_BUFFER: Final = 16 << 20  # bytes: some 10,000 small packets while the daemon is busy
_BATCH: Final = 128 << 10  # bytes in one send
_DRAIN_EVERY: Final = 64  # sends between looks for refusals, each a system call


class Families:
    """The four families, looked up once, and the socket for requests that are answered."""

    def __init__(self) -> None:
        self.socket = NetlinkSocket(NETLINK_GENERIC)
        try:
            self.datapath = genl.resolve(self.socket, "ovs_datapath").id
            self.vport = genl.resolve(self.socket, "ovs_vport").id
            self.flow = genl.resolve(self.socket, "ovs_flow").id
            self.packet = genl.resolve(self.socket, "ovs_packet").id
        except KernelRefusal as refusal:
            self.socket.close()
            text = (
                "the kernel module openvswitch is probably not loaded"
                if refusal.errno == errno.ENOENT
                else ""
            )
            raise DatapathError(refusal.errno, "find the kernel's datapath", text) from None

    def transact(self, family: int, flags: int, body: bytes, what: str) -> list[bytes]:
        """Ask the kernel; `what` names the request in the DatapathError where it refuses."""
        with asking(what):
            return self.socket.transact(family, flags, body)

    def find(self, family: int, body: bytes, what: str, absent: tuple[int, ...]) -> bytes | None:
        """Ask for one object; None where the kernel answers with one of the error numbers `absent`."""
        try:
            answers = self.transact(family, 0, body, what)
        except DatapathError as error:
            if error.errno in absent:
                return None
            raise
        return answers[0] if answers else None


class KernelProvider:
    """The datapaths of this network namespace."""

    type = "system"

    def datapaths(self) -> list[str]:
        """Name the datapaths; DatapathError(ENOENT) where the module is not there."""
        families = Families()
        try:
            request = ovs.datapath_request(ovs.CMD_GET)
            found = families.transact(families.datapath, message.NLM_F_DUMP, request, "list datapaths")
            return [ovs.parse_datapath(body).name for body in found]
        finally:
            families.socket.close()

    def open(self, name: str) -> KernelDatapath:
        """Open a datapath that is there; DatapathError(ENODEV) else."""
        return self._begin(ovs.CMD_GET, name, f"open datapath {name}")

    def create(self, name: str) -> KernelDatapath:
        """Make a datapath with its local port and open it; DatapathError(EEXIST) where it is there."""
        return self._begin(ovs.CMD_NEW, name, f"create datapath {name}")

    def _begin(self, command: int, name: str, what: str) -> KernelDatapath:
        families = Families()
        try:
            request = ovs.datapath_request(command, name=name)
            answers = families.transact(families.datapath, message.NLM_F_ECHO, request, what)
            if not answers:
                raise DatapathError(errno.EPROTO, what, "the kernel did not describe the datapath")
            return KernelDatapath(families, ovs.parse_datapath(answers[0]))
        except BaseException:
            families.socket.close()
            raise

    def delete(self, name: str) -> None:
        """Remove a datapath with its ports, the devices behind its tunnels included."""
        datapath = self.open(name)
        try:
            for port in datapath.ports():
                if port.kind in TUNNEL_KINDS:
                    datapath.delete_port(port.port_no)
            datapath.delete()
        finally:
            datapath.close()


class KernelDatapath:
    """One open datapath. The methods are those of provider.Datapath."""

    def __init__(self, families: Families, info: ovs.DatapathInfo) -> None:
        self.name = info.name
        self.ifindex = info.ifindex  # of the local port; numbers the datapath
        self.refused = 0  # operations of run() that the kernel did not want
        self.overruns = 0  # times that upcalls were lost because their socket was full
        self.malformed = 0  # upcalls that could not be read
        self._families = families
        self._operations = NetlinkSocket(NETLINK_GENERIC)
        self._upcalls: NetlinkSocket | None = None
        self._sends = 0

    def close(self) -> None:
        """Close the sockets. The kernel goes on forwarding; packets it has no flow for are lost."""
        self._families.socket.close()
        self._operations.close()
        if self._upcalls is not None:
            self._upcalls.close()

    def delete(self) -> None:
        """Remove the datapath."""
        request = ovs.datapath_request(ovs.CMD_DEL, self.ifindex)
        self._families.transact(self._families.datapath, 0, request, f"delete datapath {self.name}")

    def stats(self) -> DatapathStats:
        """Read the datapath's counters."""
        request = ovs.datapath_request(ovs.CMD_GET, self.ifindex)
        answers = self._families.transact(self._families.datapath, 0, request, f"query datapath {self.name}")
        return ovs.parse_datapath(answers[0]).stats if answers else DatapathStats()

    def ports(self) -> list[Vport]:
        """List the ports by number, with their counters."""
        request = ovs.vport_request(ovs.CMD_GET, self.ifindex)
        what = f"list ports of {self.name}"
        answers = self._families.transact(self._families.vport, message.NLM_F_DUMP, request, what)
        return sorted((ovs.parse_vport(body).vport for body in answers), key=lambda port: port.port_no)

    def port(self, name: str) -> Vport | None:
        """Find a port by the name of its device."""
        found = self._vport(ovs.vport_request(ovs.CMD_GET, self.ifindex, name=name), f"look up port {name}")
        return found.vport if found else None

    def _vport(self, request: bytes, what: str) -> ovs.VportInfo | None:
        body = self._families.find(self._families.vport, request, what, (errno.ENODEV,))
        return ovs.parse_vport(body) if body is not None else None

    def add_port(self, spec: VportSpec) -> Vport:
        """Attach a device, or make one (internal, tunnels) and attach it."""
        what = f"add port {spec.name}"
        if spec.kind in TUNNEL_KINDS:
            return self._add_tunnel(spec, what)
        if spec.kind not in ("system", "internal"):
            raise DatapathError(errno.EAFNOSUPPORT, what, f"ports of type {spec.kind} are unknown")
        return self._attach(spec, what)

    def _attach(self, spec: VportSpec, what: str) -> Vport:
        request = ovs.vport_new(self.ifindex, spec)
        answers = self._families.transact(self._families.vport, message.NLM_F_ECHO, request, what)
        if not answers:
            raise DatapathError(errno.EPROTO, what, "the kernel did not describe the port")
        return ovs.parse_vport(answers[0]).vport

    def _add_tunnel(self, spec: VportSpec, what: str) -> Vport:
        """Make the tunnel's device first; it goes again where it cannot be attached."""
        if self._vport(ovs.vport_request(ovs.CMD_GET, 0, name=spec.name), what):
            raise DatapathError(errno.EEXIST, what, "the device is a port already")
        with Links() as links:
            links.create_tunnel(spec.name, spec.kind, spec.dst_port, gbp=spec.gbp)
            try:
                return self._attach(spec, what)
            except DatapathError:
                links.delete(spec.name)
                raise

    def delete_port(self, port_no: int) -> None:
        """Detach a port; the device goes too where add_port() made it."""
        what = f"delete port {port_no}"
        found = self._vport(ovs.vport_request(ovs.CMD_GET, self.ifindex, port_no=port_no), what)
        request = ovs.vport_request(ovs.CMD_DEL, self.ifindex, port_no=port_no)
        self._families.transact(self._families.vport, 0, request, what)
        if found is not None and found.vport.kind in TUNNEL_KINDS and not found.own_device:
            with Links() as links:
                links.delete(found.vport.name)

    def flows(self, *, terse: bool = False) -> Iterator[Flow]:
        """Dump the flows; `terse` brings only ufid and statistics."""
        request = ovs.flow_request(ovs.CMD_GET, self.ifindex, terse=terse)
        what = f"dump flows of {self.name}"
        answers = self._families.transact(self._families.flow, message.NLM_F_DUMP, request, what)
        return map(ovs.parse_flow, answers)

    def flow(self, ufid: bytes) -> Flow | None:
        """Look one flow up."""
        request = ovs.flow_request(ovs.CMD_GET, self.ifindex, ufid=ufid)
        body = self._families.find(self._families.flow, request, "look up flow", (errno.ENOENT,))
        return ovs.parse_flow(body) if body is not None else None

    def put_flow(self, put: FlowPut) -> None:
        """Install or modify one flow and wait for the kernel's answer."""
        flags = 0 if put.modify else message.NLM_F_CREATE
        what = "modify flow" if put.modify else "add flow"
        self._families.transact(self._families.flow, flags, ovs.flow_put_body(self.ifindex, put), what)

    def delete_flow(self, ufid: bytes, key: FlowKey | None = None) -> FlowStats | None:
        """Remove one flow, by its key where it has no ufid; return its last counters, None for no flow."""
        if not ufid and key is None:
            raise DatapathError(errno.EINVAL, "delete flow", "neither a UFID nor a key")  # would delete all
        request = ovs.flow_request(ovs.CMD_DEL, self.ifindex, ufid=ufid, key=key)
        try:
            answers = self._families.transact(self._families.flow, message.NLM_F_ECHO, request, "delete flow")
        except DatapathError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        return ovs.parse_flow(answers[0]).stats if answers else FlowStats()

    def flush_flows(self) -> None:
        """Remove every flow."""
        request = ovs.flow_request(ovs.CMD_DEL, self.ifindex)
        self._families.transact(self._families.flow, 0, request, f"flush flows of {self.name}")

    def run(self, operations: Iterable[Operation]) -> None:
        """Carry operations out in order; what the kernel refuses counts in `refused`."""
        batch: list[bytes] = []
        size = 0
        for operation in operations:
            try:
                encoded = self._encode(operation)
            except NetlinkFormatError:  # a packet or a list of actions that is too long for one attribute
                self.refused += 1
                continue
            if size + len(encoded) > _BATCH and batch:
                self._send(batch)
                batch, size = [], 0
            batch.append(encoded)
            size += len(encoded) + 3 & ~3
            if len(encoded) & 3:
                batch.append(bytes(-len(encoded) & 3))
        if batch:
            self._send(batch)

    def _encode(self, operation: Operation) -> bytes:
        if type(operation) is FlowPut:
            return ovs.flow_put_message(self._families.flow, self.ifindex, operation)
        if type(operation) is Execute:
            return ovs.execute_message(self._families.packet, self.ifindex, operation)
        if type(operation) is FlowDel and operation.ufid:
            return ovs.flow_del_message(self._families.flow, self.ifindex, operation.ufid)
        raise NetlinkFormatError("not an operation")

    def _send(self, batch: list[bytes]) -> None:
        try:
            self._operations.send(b"".join(batch))
        except OSError as error:
            if error.errno not in (errno.ENOBUFS, errno.EMSGSIZE, errno.EAGAIN):
                raise DatapathError(error.errno or errno.EIO, "run operations") from None
            self.refused += 1
        self._sends += 1
        if self._sends % _DRAIN_EVERY == 0:
            self.count_refusals()

    def count_refusals(self) -> int:
        """Take in what the kernel said to run(), bring `refused` up to date and return it."""
        while True:
            try:
                datagram = self._operations.receive_nowait()
            except OSError:  # so many that the socket is full
                self.refused += 1
                continue
            if not datagram:
                return self.refused
            for answer in message.messages(datagram):
                if answer.type == message.NLMSG_ERROR and message.parse_error(answer):
                    self.refused += 1

    def resize_masks_cache(self, size: int) -> None:
        """Make the cache of masks hold `size` entries, a power of two."""
        request = ovs.datapath_request(ovs.CMD_SET, self.ifindex, masks_cache_size=size)
        self._families.transact(self._families.datapath, 0, request, f"resize a cache of {self.name}")

    def tracker(self) -> KernelConnectionTracker:
        """Give access to the connection tracker of this network namespace."""
        return KernelConnectionTracker()

    def limit_port(self, port_no: int, limit: PortLimit | None) -> bool:
        """Leave that to traffic control."""
        return False

    def listen(self) -> Sequence[int]:
        """Ask for the upcalls of every processor; the descriptor returned becomes readable when some wait."""
        if self._upcalls is None:
            self._upcalls = NetlinkSocket(NETLINK_GENERIC, receive_buffer=_UPCALL_BUFFER)
        processors = os.sysconf("SC_NPROCESSORS_CONF")
        request = ovs.datapath_request(ovs.CMD_SET, self.ifindex, pids=(self._upcalls.pid,) * processors)
        self._families.transact(self._families.datapath, 0, request, f"ask for upcalls of {self.name}")
        return (self._upcalls.fileno(),)

    def upcalls(self, descriptor: int, limit: int = 64) -> list[Upcall]:
        """Take waiting upcalls, without blocking; empty when there are none."""
        found: list[Upcall] = []
        source = self._upcalls
        if source is None or source.fileno() != descriptor:
            return found
        while len(found) < limit:
            try:
                datagram = source.receive_nowait()
                if not datagram:
                    break
                upcall = ovs.parse_upcall(datagram, self._families.packet)
            except NetlinkFormatError:
                self.malformed += 1
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise DatapathError(error.errno or errno.EIO, "receive upcalls") from None
                self.overruns += 1
            else:
                if upcall is not None:
                    found.append(upcall)
        return found
