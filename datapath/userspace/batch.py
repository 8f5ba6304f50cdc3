"""Frames in batches between sockets and memory: recvmmsg into slots, sendmmsg from addresses.

Rule: a frame is never copied here. Each slot has room in front, so that a VLAN tag (which the kernel hands
over beside the frame) can be put back by moving the few bytes in front of it.
"""

from __future__ import annotations

import struct

from datapath.packet import headers as h
from datapath.userspace import syscalls

HEADROOM = 32
SLOT = 66048  # a frame of 64 kB with its headers, rounded up to 512
_MAX_NAME, _MAX_CONTROL = 32, 256
_CONTROL = 48  # a cmsghdr and struct tpacket_auxdata: 16 + 20, aligned
_AUX_STATUS, _AUX_WORDS = 4, _CONTROL // 4  # where tp_status is, in words of 4 bytes
_AUX_VLAN = struct.Struct("=HH")  # tp_vlan_tci, tp_vlan_tpid
_AUX_VLAN_AT = 32
_MSG_WORDS, _MSG_LEN = syscalls.MMSGHDR.size // 4, 14  # where msg_len is, in words of 4 bytes


class Receiver:
    """Slots for frames, and what recvmmsg needs to fill them. Valid until the next receive()."""

    def __init__(self, slots: int, *, control: int = _CONTROL, name: int = 0) -> None:
        self.memory = syscalls.Memory(slots * SLOT)
        self.slots = slots
        self.starts = [slot * SLOT + HEADROOM for slot in range(slots)]  # of the frames, in memory
        self.names = syscalls.Memory(slots * max(name, 1))
        self.controls = syscalls.Memory(slots * control)
        self.control_size, self.name_size = control, name
        self._vectors = syscalls.Memory(slots * syscalls.IOVEC.size)
        self._headers = syscalls.Memory(slots * syscalls.MMSGHDR.size)
        for slot, start in enumerate(self.starts):
            syscalls.IOVEC.pack_into(
                self._vectors.bytes, slot * syscalls.IOVEC.size, self.memory.address + start, SLOT - HEADROOM
            )
            syscalls.MMSGHDR.pack_into(
                self._headers.bytes,
                slot * syscalls.MMSGHDR.size,
                self.names.address + slot * name if name else 0,
                name,
                0,
                self._vectors.address + slot * syscalls.IOVEC.size,
                1,
                self.controls.address + slot * control,
                control,
                *(0, 0, 0, 0),
            )
        self._pristine = bytes(self._headers.bytes)  # the kernel overwrites the lengths
        self._lengths = self._headers.view.cast("I")[_MSG_LEN::_MSG_WORDS]
        self._status = self.controls.view.cast("I")[_AUX_STATUS::_AUX_WORDS]

    def receive(self, descriptor: int) -> list[int]:
        """Fill slots from a socket; return the lengths of what came, if anything. Raises OSError."""
        self._headers.view[:] = self._pristine
        count = syscalls.recvmmsg(descriptor, self._headers.address, self.slots, syscalls.MSG_DONTWAIT, None)
        if count < 0:
            error = syscalls.last_error("recvmmsg")
            if isinstance(error, BlockingIOError):
                return []
            raise error
        return self._lengths[:count].tolist()

    def receive_frames(self, descriptor: int) -> list[tuple[int, int]]:
        """Fill slots from a packet socket; return where each virtio header begins, and its length on."""
        lengths = self.receive(descriptor)
        frames = list(zip(self.starts, lengths, strict=False))
        for slot, status in enumerate(self._status[: len(lengths)].tolist()):
            if status & syscalls.TP_STATUS_VLAN_VALID:
                frames[slot] = self._put_tag_back(slot, status, lengths[slot])
        return frames

    def read_frames(self, descriptor: int) -> list[tuple[int, int]]:
        """Fill slots from a TAP, one call for each frame. Raises OSError."""
        frames: list[tuple[int, int]] = []
        for start in self.starts:
            length = syscalls.read(descriptor, self.memory.address + start, SLOT - HEADROOM)
            if length < 0:
                error = syscalls.last_error("read")
                if isinstance(error, BlockingIOError) or frames:
                    break
                raise error
            frames.append((start, length))
        return frames

    def name(self, slot: int) -> bytes:
        """Return the address that the message in this slot came from."""
        return bytes(self.names.view[slot * self.name_size : (slot + 1) * self.name_size])

    def control(self, slot: int) -> bytes:
        """Return the control data of the message in this slot."""
        length = syscalls.MMSGHDR.unpack_from(self._headers.bytes, slot * syscalls.MMSGHDR.size)[6]
        return bytes(self.controls.view[slot * self.control_size : slot * self.control_size + length])

    def _put_tag_back(self, slot: int, status: int, length: int) -> tuple[int, int]:
        tci, tpid = _AUX_VLAN.unpack_from(self.controls.bytes, slot * self.control_size + _AUX_VLAN_AT)
        if not status & syscalls.TP_STATUS_VLAN_TPID_VALID:
            tpid = h.ETH_TYPE_VLAN
        data, start = self.memory.bytes, self.starts[slot]
        front = h.VNET_LEN + h.ETH_ADDRS_LEN
        data[start - 4 : start - 4 + front] = data[start : start + front]
        struct.pack_into("!HH", data, start - 4 + front, tpid, tci)
        flags, kind, hdr_len, size, csum_start, offset = h.VNET.unpack_from(data, start - 4)
        if flags or kind:
            h.VNET.pack_into(data, start - 4, flags, kind, hdr_len + 4, size, csum_start + 4, offset)
        return start - 4, length + 4


class Sender:
    """What sendmmsg needs for messages of one or more parts each, all to the same peer."""

    def __init__(self, slots: int, *, parts: int = 1) -> None:
        self._slots, self._parts = slots, parts
        self._vectors = syscalls.Memory(slots * parts * syscalls.IOVEC.size)
        self._headers = syscalls.Memory(slots * syscalls.MMSGHDR.size)
        self._name, self._control = syscalls.Memory(_MAX_NAME), syscalls.Memory(_MAX_CONTROL)
        self._lay_out(0, 0)

    def _lay_out(self, name: int, control: int) -> None:
        """Prepare headers for a name and control data of these lengths."""
        self._lengths = name, control
        for slot in range(self._slots):
            syscalls.MMSGHDR.pack_into(
                self._headers.bytes,
                slot * syscalls.MMSGHDR.size,
                self._name.address if name else 0,
                name,
                0,
                self._vectors.address + slot * self._parts * syscalls.IOVEC.size,
                self._parts,
                self._control.address if control else 0,
                control,
                *(0, 0, 0, 0),
            )

    def send(self, descriptor: int, parts: list[int], name: bytes = b"", control: bytes = b"") -> int:
        """Send messages, given as address, length, address ...; return how many were refused."""
        if self._lengths != (len(name), len(control)):
            self._lay_out(len(name), len(control))
        self._name.view[: len(name)] = name
        self._control.view[: len(control)] = control
        refused, step = 0, 2 * self._parts
        for first in range(0, len(parts), step * self._slots):
            chunk = parts[first : first + step * self._slots]
            struct.pack_into(f"={len(chunk)}Q", self._vectors.bytes, 0, *chunk)
            refused += self._send(descriptor, len(chunk) // step)
        return refused

    def _send(self, descriptor: int, count: int) -> int:
        done = refused = 0
        while done < count:
            at = self._headers.address + done * syscalls.MMSGHDR.size
            sent = syscalls.sendmmsg(descriptor, at, count - done, syscalls.MSG_DONTWAIT)
            if (
                sent < 0
            ):  # the first of them was refused: its queue is full, its device down, or it is too long
                sent, refused = 1, refused + 1
            done += sent
        return refused


class Message:
    """One message of many parts, with an address and control data."""

    def __init__(self, parts: int) -> None:
        self._vectors = syscalls.Memory(parts * syscalls.IOVEC.size)
        self._header = syscalls.Memory(syscalls.MMSGHDR.size)
        self._name = syscalls.Memory(_MAX_NAME)
        self._control = syscalls.Memory(_MAX_CONTROL)

    def send(self, descriptor: int, parts: list[int], name: bytes = b"", control: bytes = b"") -> bool:
        """Send the parts, given as address, length, address, length ..., as one message; false if refused."""
        struct.pack_into(f"={len(parts)}Q", self._vectors.bytes, 0, *parts)
        self._name.view[: len(name)] = name
        self._control.view[: len(control)] = control
        syscalls.MMSGHDR.pack_into(
            self._header.bytes,
            0,
            self._name.address if name else 0,
            len(name),
            0,
            self._vectors.address,
            len(parts) // 2,
            self._control.address if control else 0,
            len(control),
            *(0, 0, 0, 0),
        )
        return bool(syscalls.sendmmsg(descriptor, self._header.address, 1, syscalls.MSG_DONTWAIT) == 1)

    def write(self, descriptor: int, parts: list[int]) -> bool:
        """Write the parts as one frame to a TAP; false if refused."""
        struct.pack_into(f"={len(parts)}Q", self._vectors.bytes, 0, *parts)
        return bool(syscalls.writev(descriptor, self._vectors.address, len(parts) // 2) >= 0)
