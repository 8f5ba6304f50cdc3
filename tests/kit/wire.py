"""Raw frames through a device of a network namespace, sent and received by this process.

Rule: what comes out of received() is the frame as it was on the wire, VLAN tags included, in order of arrival; what
this end sent itself is not among it.
Source: packet(7); struct tpacket_auxdata of <linux/if_packet.h>.
"""

from __future__ import annotations

import errno
import select
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from tests.kit.netns import inside

_SOL_PACKET, _PACKET_AUXDATA = 263, 8
_AUXDATA = struct.Struct("=IIIHHHH")  # status, len, snaplen, mac, net, vlan_tci, vlan_tpid
_VLAN_VALID, _VLAN_TPID_VALID = 0x10, 0x40
_ALL = 0x0003  # ETH_P_ALL
_PCAP_HEADER = struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)  # DLT_EN10MB


class Wire:
    """One end of a link."""

    def __init__(self, namespace: str, device: str) -> None:
        with inside(namespace):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.bind((device, _ALL))
        self._socket.setblocking(False)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def send(self, *frames: bytes) -> None:
        """Send frames."""
        for frame in frames:
            try:
                self._socket.send(frame)
            except OSError as error:
                if error.errno != errno.ENETDOWN:  # told once after the device was switched off
                    raise
                self._socket.send(frame)

    def received(self, count: int = 1, timeout: float = 2.0) -> list[bytes]:
        """Take what has come in: as soon as there are so many frames, or fewer when the time is up."""
        deadline = time.monotonic() + timeout
        frames: list[bytes] = []
        while len(frames) < count:
            if not select.select([self._socket], [], [], max(0.0, deadline - time.monotonic()))[0]:
                break
            if frame := self._take():
                frames.append(frame)
        return frames

    def drain(self) -> list[bytes]:
        """Take what is there, without waiting."""
        return self.received(1 << 30, 0.0)

    def _take(self) -> bytes | None:
        try:
            data, ancillary, _flags, (_device, _proto, kind, *_) = self._socket.recvmsg(65535, 64)
        except OSError as error:
            if error.errno != errno.ENETDOWN:  # told once after the device was switched off
                raise
            return None
        if kind == socket.PACKET_OUTGOING:
            return None
        for level, type_, content in ancillary:
            if (level, type_) == (_SOL_PACKET, _PACKET_AUXDATA):
                status, *_, tci, tpid = _AUXDATA.unpack_from(content)
                if status & _VLAN_VALID:
                    tag = struct.pack("!HH", tpid if status & _VLAN_TPID_VALID else 0x8100, tci)
                    return data[:12] + tag + data[12:]
        return data


def decoded(frames: list[bytes]) -> str:
    """Return what tcpdump, which is not ours, says of frames."""
    with tempfile.NamedTemporaryFile(prefix="vswitch-", suffix=".pcap") as file:
        file.write(_PCAP_HEADER)
        for number, frame in enumerate(frames):
            file.write(struct.pack("=IIII", number, 0, len(frame), len(frame)) + frame)
        file.flush()
        return read_capture(Path(file.name))


def read_capture(path: Path) -> str:
    """Decode a file with tcpdump: link level, addresses as numbers, everything it knows of each packet."""
    command = ["tcpdump", "-r", str(path), "-n", "-e", "-t", "-vvv"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
