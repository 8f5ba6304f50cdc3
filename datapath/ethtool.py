"""What drivers say of network devices: ethtool's ioctl (linux/ethtool.h), since rtnetlink does not tell.

Rule: only for devices that are there, or the kernel would look for a module of that name. A driver that does
not answer says nothing.
"""

from __future__ import annotations

import array
import fcntl
import socket
from struct import Struct
from typing import NamedTuple

_SIOCETHTOOL = 0x8946
_GSET, _GDRVINFO = 1, 3
_IFREQ = Struct("@16sP16x")
_SETTINGS = Struct("=I8xHB13xH14x")  # struct ethtool_cmd: cmd, speed, duplex, upper half of the speed
_DRIVER = Struct("=I32s32s32s96x")  # struct ethtool_drvinfo: cmd, driver, version, firmware
_UNKNOWN_SPEEDS = (0, 0xFFFF, 0xFFFFFFFF)


class Driver(NamedTuple):
    """Who drives a device."""

    name: str
    version: str
    firmware: str


class LinkMode(NamedTuple):
    """How a link runs."""

    speed: int  # Mbit/s
    full_duplex: bool


class Ethtool:
    """The devices of the network namespace in which it was made."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def driver(self, name: str) -> Driver | None:
        """Ask for a device's driver."""
        answer = self._ask(name, _DRIVER.pack(_GDRVINFO, b"", b"", b""))
        if answer is None:
            return None
        _, *texts = _DRIVER.unpack(answer)
        return Driver(*(text.split(b"\0")[0].decode(errors="replace") for text in texts))

    def link_mode(self, name: str) -> LinkMode | None:
        """Ask for the speed of a link; None where it has none, or none now."""
        answer = self._ask(name, _SETTINGS.pack(_GSET, 0, 0, 0))
        if answer is None:
            return None
        _, low, duplex, high = _SETTINGS.unpack(answer)
        speed = high << 16 | low
        return None if speed in _UNKNOWN_SPEEDS else LinkMode(speed, duplex == 1)

    def _ask(self, name: str, question: bytes) -> bytes | None:
        buffer = array.array("B", question)
        request = _IFREQ.pack(name.encode()[:15], buffer.buffer_info()[0])
        try:
            fcntl.ioctl(self._socket, _SIOCETHTOOL, request)
        except OSError:
            return None
        return buffer.tobytes()
