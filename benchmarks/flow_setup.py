"""How fast a switch lets new flows through: ours and the C one on the kernel datapath, in the same VM.

Packets go from one namespace to another. Each has its own source MAC address, so each makes the switch
learn and install a flow. A closed loop keeps `window` packets under way. The second pass of the same
packets shows what the bench itself can do.

Rule: the VM is booted once for all figures; inside, both switches are measured in turn, ROUNDS times.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.measure import OURS, C, Measure, Workload
from demo.lab import Host, Programs
from tests.kernel.vm import Machine, run
from tests.kit.netns import inside

SENDER, RECEIVER = "bench-a", "bench-b"
TO_ALL = bytes.fromhex("0200000000ff")  # the receiver's address, learnt before
MARK = b"FLOW"
GROUP = "Datapath of the kernel"
FLOWS, ROUNDS = 1000, 5
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


def measure(name: str, programs: Programs, round_: int) -> None:
    """Print a line of JSON for each window."""
    with switch(name, programs):
        sender, receiver = packet_socket(SENDER), packet_socket(RECEIVER)
        with sender, receiver:
            receiver.send(b"\xff" * 6 + TO_ALL + b"\x88\xb5" + bytes(46))  # lets the switch learn where it is
            time.sleep(1)
            for index, window in enumerate(WINDOWS):
                frames = [frame((round_ * len(WINDOWS) + index) << 16 | number) for number in range(FLOWS)]
                first = one_pass(sender, receiver, _numbered(frames), window)
                figures = {"side": name, "window": window, "rate": first.rate, "delay": first.median * 1e3}
                print(json.dumps({**figures, "lost": first.lost}), flush=True)


def _numbered(frames: list[bytes]) -> list[bytes]:
    """Number packets from 0 within a pass; their source addresses stay."""
    return [f[:18] + number.to_bytes(4, "big") + f[22:] for number, f in enumerate(frames)]


def inside_vm() -> None:
    command("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
    while float(Path("/proc/uptime").read_text().split()[0]) < UPTIME:
        time.sleep(0.2)
    for round_ in range(ROUNDS):
        measure(C, Programs(None, None, None), round_)
        measure(OURS, Programs(), round_)


@cache
def figures() -> list[dict[str, Any]]:
    """Boot the VM and measure everything there; VmError."""
    out = bytearray()
    inside_it = [sys.executable, "-B", "-m", "benchmarks.flow_setup"]
    if run(inside_it, Machine(timeout=1500.0), out.extend):
        raise RuntimeError(out.decode(errors="replace")[-2000:])
    return [json.loads(line) for line in out.decode().splitlines() if line.startswith("{")]


@contextlib.contextmanager
def flows(side: str, window: int, figure: str) -> Iterator[Measure]:
    found = [each[figure] for each in figures() if (each["side"], each["window"]) == (side, window)]
    yield partial(next, itertools.cycle(found))


WORKLOADS = (
    *(
        Workload(
            GROUP,
            "new flows",
            "/s",
            partial(flows, window=window, figure="rate"),
            0.5,
            f"{window} packets under way",
            more_is_better=True,
        )
        for window in WINDOWS
    ),
    Workload(GROUP, "the first packet of a flow", "ms", partial(flows, window=1, figure="delay"), 0.5),
)

if __name__ == "__main__":
    inside_vm()
