"""How fast a switch lets new flows through: ours and the C one on the kernel datapath, in the same VM.

Packets go from one namespace to another. Each has its own source MAC address, so each makes the switch
learn and install a flow. A closed loop keeps `window` packets under way. The second pass of the same
packets shows what the bench itself can do.

    python -m benchmarks.flow_setup            # boots the VM of tests/kernel, several minutes
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from demo.lab import Host, Programs
from tests.kernel.vm import Machine, run
from tests.kit.netns import inside

SENDER, RECEIVER = "bench-a", "bench-b"
TO_ALL = bytes.fromhex("0200000000ff")  # the receiver's address, learnt before
MARK = b"FLOW"
WINDOWS = (1, 8, 64)
PATIENCE = 2.0  # seconds without an arrival: what is under way is lost
UPTIME = 11.0  # the C switch handles no upcall before
_SO_RCVBUFFORCE, _PACKET_OUTGOING = 33, 4


class Pass(NamedTuple):
    """One way through all packets."""

    arrived: int
    lost: int
    rate: float  # arrivals a second
    median: float  # seconds from sending to arrival


def frame(number: int) -> bytes:
    source = b"\x02\x01" + number.to_bytes(4, "big")
    return (TO_ALL + source + b"\x88\xb5" + MARK + number.to_bytes(4, "big")).ljust(60, b"\0")


def packet_socket(namespace: str) -> socket.socket:
    with inside(namespace):
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88B5))
        opened.bind(("eth0", 0x88B5))
    opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 16 << 20)
    return opened


def one_pass(sender: socket.socket, receiver: socket.socket, frames: list[bytes], window: int) -> Pass:
    sent_at: list[float] = []
    delays: dict[int, float] = {}
    lost = 0
    start = last = time.perf_counter()
    while len(delays) + lost < len(frames):
        while len(sent_at) < len(frames) and len(sent_at) - len(delays) - lost < window:
            sent_at.append(time.perf_counter())
            sender.send(frames[len(sent_at) - 1])
        if not select.select([receiver], [], [], PATIENCE)[0]:
            lost = len(sent_at) - len(delays)
            continue
        packet, address = receiver.recvfrom(2048)
        if address[2] != _PACKET_OUTGOING and packet[14:18] == MARK:
            number = int.from_bytes(packet[18:22], "big")
            last = time.perf_counter()
            delays.setdefault(number, last - sent_at[number])
    ordered = sorted(delays.values()) or [0.0]
    return Pass(len(delays), lost, len(delays) / max(last - start, 1e-9), ordered[len(ordered) // 2])


def command(*words: str) -> None:
    subprocess.run(words, check=True)


@contextlib.contextmanager
def switch(name: str, programs: Programs) -> Iterator[Host]:
    """A switch with the two namespaces on its bridge."""
    with tempfile.TemporaryDirectory() as place:
        host = Host(name, f"bench-{name}", Path(place), programs)
        command("ip", "netns", "add", host.namespace)
        for port, namespace in (("va", SENDER), ("vb", RECEIVER)):
            command("ip", "netns", "add", namespace)
            ends = ("netns", host.namespace, "type", "veth", "peer", "name", "eth0", "netns", namespace)
            command("ip", "link", "add", port, *ends)
            command("ip", "-n", host.namespace, "link", "set", port, "up")
            command("ip", "-n", namespace, "link", "set", "eth0", "up")
        try:
            host.start_server()
            host.start_switch()
            host.run("ovs-vsctl add-br br0 -- add-port br0 va -- add-port br0 vb")
            yield host
        finally:
            host.stop("ovs-vswitchd")
            host.stop("ovsdb-server")
            host.run("/usr/bin/ovs-dpctl del-dp ovs-system", check=False)
            for namespace in (host.namespace, SENDER, RECEIVER):
                command("ip", "netns", "del", namespace)


def measure(name: str, programs: Programs, count: int) -> None:
    """Print a line for each window."""
    with switch(name, programs) as host:
        sender, receiver = packet_socket(SENDER), packet_socket(RECEIVER)
        with sender, receiver:
            receiver.send(b"\xff" * 6 + TO_ALL + b"\x88\xb5" + bytes(46))  # lets the switch learn where it is
            time.sleep(1)
            for index, window in enumerate(WINDOWS):
                frames = [frame(index << 20 | number) for number in range(count)]
                first = one_pass(sender, receiver, _numbered(frames), window)
                second = one_pass(sender, receiver, _numbered(frames), window)
                print(
                    f"{name:6} window {window:3}: first packets {first.rate:6.0f}/s,"
                    f" median {first.median * 1e3:6.2f} ms, lost {first.lost}; second {second.rate:6.0f}/s",
                    flush=True,
                )
        print(f"{name:6} {_processor_time(host):.2f} s of processor time in ovs-vswitchd", flush=True)


def _numbered(frames: list[bytes]) -> list[bytes]:
    """Number packets from 0 within a pass; their source addresses stay."""
    return [f[:18] + number.to_bytes(4, "big") + f[22:] for number, f in enumerate(frames)]


def _processor_time(host: Host) -> float:
    fields = Path(f"/proc/{host.pid('ovs-vswitchd')}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def inside_vm(count: int) -> None:
    command("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
    while float(Path("/proc/uptime").read_text().split()[0]) < UPTIME:
        time.sleep(0.2)
    measure("C", Programs(None, None, None), count)
    measure("ours", Programs(), count)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flow_setup", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="flows for each window")
    parser.add_argument("--inside", action="store_true", help="measure here: this is the VM")
    options = parser.parse_args()
    if options.inside:
        inside_vm(options.count)
        return 0
    words = [sys.executable, "-B", "-m", "benchmarks.flow_setup", "--inside", "--count", str(options.count)]
    return run(words, Machine(), lambda data: (sys.stdout.buffer.write(data), sys.stdout.flush())[1])


if __name__ == "__main__":
    sys.exit(main())
