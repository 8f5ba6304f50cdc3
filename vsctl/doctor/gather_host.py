"""What the kernel says about this host, read from /proc and /sys: devices, addresses, routes, processes.

Rule: nothing here waits for anybody, and nothing fails: what cannot be read is None.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import ipaddress
import os
import re
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from vsctl.doctor.facts import Address, Device, Network, Process

PROC, SYS = Path("/proc"), Path("/sys")
SIOCETHTOOL, ETHTOOL_GFLAGS, ETH_FLAG_LRO = 0x8946, 0x25, 1 << 15  # linux/ethtool.h
TUN = "/dev/net/tun"


def read_text(path: Path) -> str | None:
    """The text of a file, None if it cannot be read."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None


def devices() -> dict[str, Device] | None:
    """The network devices of this namespace."""
    place = SYS / "class/net"
    try:
        names = [path.name for path in place.iterdir() if path.is_dir()]
    except OSError:
        return None
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        return {name: _device(place / name, sock) for name in names}


def _device(path: Path, sock: socket.socket) -> Device:
    master, kind = "", ""
    with contextlib.suppress(OSError):
        master = os.path.basename(os.readlink(path / "master"))
        above = path.parent / master
        if master == "ovs-system":
            kind = "openvswitch"
        else:
            kind = "bridge" if (above / "bridge").exists() else "bond" if (above / "bonding").exists() else ""
    mtu = (read_text(path / "mtu") or "").strip()
    return Device(int(mtu) if mtu.isdigit() else 0, master, kind, _receives_large(path.name, sock))


def _receives_large(name: str, sock: socket.socket) -> bool:
    """Whether large receive offload is on (SIOCETHTOOL)."""
    value = array.array("B", struct.pack("II", ETHTOOL_GFLAGS, 0))
    request = struct.pack("16sP", name.encode()[:15], value.buffer_info()[0])
    try:
        fcntl.ioctl(sock, SIOCETHTOOL, request + bytes(16))
    except OSError:
        return False
    return bool(struct.unpack("II", value.tobytes())[1] & ETH_FLAG_LRO)


def addresses() -> frozenset[Address] | None:
    """The addresses of this namespace."""
    ipv4, ipv6 = read_text(PROC / "net/fib_trie"), read_text(PROC / "net/if_inet6")
    if ipv4 is None:
        return None
    found: set[Address] = set()
    for match in re.finditer(r"\|-- ([0-9.]+)\n\s+/32 host LOCAL", ipv4):
        found.add(ipaddress.IPv4Address(match[1]))
    for line in (ipv6 or "").splitlines():
        found.add(ipaddress.IPv6Address(bytes.fromhex(line.split()[0])))
    return frozenset(found)


def routes() -> list[tuple[Network, str]] | None:
    """(destination, device) of the routes of this namespace's main table."""
    ipv4, ipv6 = read_text(PROC / "net/route"), read_text(PROC / "net/ipv6_route")
    if ipv4 is None:
        return None
    found: list[tuple[Network, str]] = []
    for line in ipv4.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 7:
            destination = bytes.fromhex(fields[1])[::-1]
            prefix = bin(int(fields[7], 16)).count("1")
            found.append((ipaddress.IPv4Network((destination, prefix), strict=False), fields[0]))
    for line in (ipv6 or "").splitlines():
        fields = line.split()
        destination = bytes.fromhex(fields[0])
        found.append((ipaddress.IPv6Network((destination, int(fields[1], 16)), strict=False), fields[-1]))
    return found


def ipv6_disabled() -> bool | None:
    """Whether there is no IPv6 on any device to come."""
    text = read_text(PROC / "sys/net/ipv6/conf/all/disable_ipv6")
    if text is None:
        return True if (PROC / "sys/net/ipv4").exists() else None
    return text.strip() == "1"


def module_loaded() -> bool | None:
    """Whether the kernel has the openvswitch module."""
    if not (SYS / "module").exists():
        return None
    return (SYS / "module/openvswitch").exists()


def module_available() -> bool:
    """Whether it could be loaded."""
    place = Path("/lib/modules") / os.uname().release
    texts = (read_text(place / name) or "" for name in ("modules.dep", "modules.builtin"))
    return any(re.search(r"/openvswitch\.ko", text) for text in texts)


def tun_problem() -> str | None:
    """Why /dev/net/tun cannot be used; "" if it can."""
    if not os.path.exists(TUN):
        return "it does not exist"
    if os.geteuid():
        return None  # what root may, this user cannot see
    try:
        os.close(os.open(TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        return error.strerror or str(error)
    return ""


def processes(name: str) -> list[Process]:
    """The processes of that name in this network namespace, without those that only watch over another."""
    own = _namespace("self")
    found, parents = [], set()
    for entry in _process_entries():
        if read_text(entry / "comm") == f"{name[:15]}\n" and _namespace(entry.name) == own:
            command = (read_text(entry / "cmdline") or "").replace("\0", " ").strip()
            found.append(Process(int(entry.name), command))
            stat = read_text(entry / "stat") or ""
            parents.add(int(stat.rpartition(")")[2].split()[1]) if ")" in stat else 0)
    return [process for process in found if process.pid not in parents]


def runs(name: str) -> bool | None:
    """Whether a process of that name runs."""
    return any(read_text(entry / "comm") == f"{name[:15]}\n" for entry in _process_entries())


def _process_entries() -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from (entry for entry in PROC.iterdir() if entry.name.isdigit())


def _namespace(pid: str) -> str | None:
    try:
        return os.readlink(PROC / pid / "ns/net")
    except OSError:
        return None


def same_namespace(pid: int) -> bool | None:
    """Whether a process sees the network devices that this one sees."""
    theirs, ours = _namespace(str(pid)), _namespace("self")
    return None if theirs is None or ours is None else theirs == ours


def capabilities(pid: int) -> int | None:
    """The effective capabilities of a process, capabilities(7)."""
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", read_text(PROC / str(pid) / "status") or "", re.MULTILINE)
    return int(found[1], 16) if found else None


def arguments(pid: int) -> list[str]:
    """The command line of a process."""
    return (read_text(PROC / str(pid) / "cmdline") or "").split("\0")[1:-1]
