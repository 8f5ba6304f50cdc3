"""IGMP and MLD messages as frames, with right checksums."""

import ipaddress
import struct
from collections.abc import Sequence

from datapath.packet.build import ethernet
from datapath.packet.checksum import checksum, pseudo_sum

QUERY, V1_REPORT, V2_REPORT, LEAVE, V3_REPORT = 0x11, 0x12, 0x16, 0x17, 0x22
MLD_QUERY, MLD_REPORT, MLD_DONE, MLD2_REPORT = 130, 131, 132, 143
TO_INCLUDE, TO_EXCLUDE, ALLOW, BLOCK = 3, 4, 5, 6
Record = tuple[int, str, Sequence[str]]  # type, group, sources


def group_mac(group: str) -> int:
    """Return the Ethernet address of a group (RFC 1112, RFC 2464)."""
    address = ipaddress.ip_address(group)
    number = int(address)
    return (
        0x0100_5E00_0000 | number & 0x7F_FFFF if address.version == 4 else 0x3333 << 32 | number & 0xFFFF_FFFF
    )


def igmp(kind: int, group: str = "0.0.0.0", records: Sequence[Record] = ()) -> bytes:
    """Format an IGMP message."""
    middle = struct.pack("!HH", 0, len(records)) if kind == V3_REPORT else _packed(group)
    return _summed(struct.pack("!BBH", kind, 0, 0) + middle + _records(records), 0)


def mld(kind: int, source: str, to: str, group: str = "::", records: Sequence[Record] = ()) -> bytes:
    """Format an MLD message; the addresses are in its checksum."""
    middle = struct.pack("!HH", 0, len(records)) if kind == MLD2_REPORT else bytes(4) + _packed(group)
    body = struct.pack("!BBH", kind, 0, 0) + middle + _records(records)
    return _summed(body, pseudo_sum(_packed(source), _packed(to), 58, len(body)))


def frame4(src: int, to: str, body: bytes, proto: int = 2, source: str = "10.0.0.1") -> bytes:
    """Format a frame with an IPv4 packet to a group; IGMP's has the option "router alert"."""
    option = b"\x94\x04\0\0" if proto == 2 else b""
    length = 20 + len(option) + len(body)
    first = 0x45 + len(option) // 4
    header = (
        struct.pack("!BBHHHBBH", first, 0xC0, length, 0, 0, 1, proto, 0)
        + _packed(source)
        + _packed(to)
        + option
    )
    header = header[:10] + checksum(header).to_bytes(2, "big") + header[12:]
    return ethernet(src, group_mac(to), 0x0800, header + body)


def frame6(src: int, to: str, body: bytes, proto: int = 58, source: str = "fe80::1") -> bytes:
    """Format a frame with an IPv6 packet to a group; ICMPv6 is behind the option "router alert"."""
    options = struct.pack("!BBBBHBB", proto, 0, 5, 2, 0, 1, 0) if proto == 58 else b""
    following = 0 if options else proto
    header = (
        struct.pack("!IHBB", 6 << 28, len(options) + len(body), following, 1) + _packed(source) + _packed(to)
    )
    return ethernet(src, group_mac(to), 0x86DD, header + options + body)


def report4(src: int, group: str, kind: int = V2_REPORT) -> bytes:
    """Format a frame by which a host joins a group, or leaves it."""
    return frame4(src, "224.0.0.2" if kind == LEAVE else group, igmp(kind, group))


def query4(src: int, source: str = "10.0.0.1") -> bytes:
    """Format a router's question to all."""
    return frame4(src, "224.0.0.1", igmp(QUERY), source=source)


def report6(src: int, group: str, kind: int = MLD_REPORT) -> bytes:
    """Format a frame by which a host joins a group of IPv6, or leaves it."""
    to = "ff02::2" if kind == MLD_DONE else group
    return frame6(src, to, mld(kind, "fe80::1", to, group))


def query6(src: int) -> bytes:
    """Format a router's question to all hosts with IPv6."""
    return frame6(src, "ff02::1", mld(MLD_QUERY, "fe80::1", "ff02::1"))


def data(src: int, group: str) -> bytes:
    """Format a frame with a UDP datagram to a group."""
    body = struct.pack("!HHHH", 5000, 5000, 16, 0) + b"multicst"
    return (frame6 if ":" in group else frame4)(src, group, body, 17)


def _packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


def _records(records: Sequence[Record]) -> bytes:
    return b"".join(
        struct.pack("!BBH", kind, 0, len(sources)) + _packed(group) + b"".join(map(_packed, sources))
        for kind, group, sources in records
    )


def _summed(body: bytes, start: int) -> bytes:
    return body[:2] + checksum(body, start).to_bytes(2, "big") + body[4:]
