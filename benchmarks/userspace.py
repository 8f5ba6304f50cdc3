"""The userspace datapath beside the C programs': TCP and small packets between two hosts.

Both sides run the same workload in turn: "bridge" is two veth ports on one switch; a tunnel is two switches
with an internal port each, joined over a network of MTU 1500. The C datapath drops segments whose checksum
is left to offload, so its hosts send without; ours get what a host sends by default.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import NamedTuple

from benchmarks.measure import Measure, Workload
from tests.kit.netns import inside, namespaces, run, veth
from tests.kit.peers import Daemon, c_ovsdb_server, c_vswitchd, our_ovsdb_server, our_vswitchd

SECONDS = 4
SWITCH, ONE, TWO = (f"t-bench-{part}-{os.getpid()}" for part in ("s", "1", "2"))


class Side(NamedTuple):
    """The programs of one side."""

    ovsdb_server: Callable[[], AbstractContextManager[Daemon]]
    vswitchd: Callable[[Daemon], AbstractContextManager[Daemon]]
    offload: bool  # its datapath copes with checksums left to offload


SIDES = {
    "C": Side(c_ovsdb_server, c_vswitchd, False),
    "ours": Side(our_ovsdb_server, our_vswitchd, True),
}


@contextmanager
def switch(side: Side, namespace: str, *bridges: str) -> Iterator[None]:
    """A database and a switch in a namespace; a bridge is "NAME PORT ...", a port DEVICE or KIND:REMOTE."""
    with inside(namespace), side.ovsdb_server() as server, side.vswitchd(server):
        add = ["/usr/bin/ovs-vsctl", "--timeout=20"]
        for bridge_ports in bridges:
            name, *ports = bridge_ports.split()
            add += ["--", "add-br", name, "--", "set", "bridge", name, "datapath_type=netdev"]
            for port in ports:
                kind, _, remote = port.partition(":")
                add += ["--", "add-port", name, kind]
                if remote:
                    options = ["options:key=5", f"options:remote_ip={remote}"]
                    add += ["--", "set", "interface", kind, f"type={kind}", *options]
        server.run(*add)
        yield


@contextmanager
def bridge(side: Side) -> Iterator[tuple[str, str, str]]:
    """Two hosts on one switch; yield client's and server's namespace and the server's address."""
    with namespaces(SWITCH, ONE, TWO):
        veth(SWITCH, "p1", ONE, "e0", "10.9.0.1/24")
        veth(SWITCH, "p2", TWO, "e0", "10.9.0.2/24")
        if not side.offload:
            for host in (ONE, TWO):
                run("ethtool", "-K", "e0", "tx", "off", namespace=host)
        with switch(side, SWITCH, "br0 p1 p2"):
            yield ONE, TWO, "10.9.0.2"


@contextmanager
def tunnel(side: Side, kind: str) -> Iterator[tuple[str, str, str]]:
    """Two hosts with a switch each: br1 has the network and the host's address, br2 is joined by a tunnel."""
    with namespaces(ONE, TWO), ExitStack() as stack:
        veth(ONE, "eth1", TWO, "eth1")
        for host, number, far in ((ONE, 1, "172.31.0.2"), (TWO, 2, "172.31.0.1")):
            stack.enter_context(switch(side, host, "br1 eth1", f"br2 {kind}:{far}"))
            for device, address in (("br1", f"172.31.0.{number}/24"), ("br2", f"10.8.0.{number}/24")):
                run("ip", "-n", host, "link", "set", device, "up")
                run("ip", "-n", host, "addr", "add", address, "dev", device)
            if not side.offload:  # nor does it fragment
                run("ethtool", "-K", "br2", "tx", "off", namespace=host, check=False)
                run("ip", "-n", host, "link", "set", "br2", "mtu", "1400")
        yield ONE, TWO, "10.8.0.2"


@contextmanager
def listening(server: str) -> Iterator[None]:
    """Run iperf3's server in a namespace."""
    listener = subprocess.Popen(["ip", "netns", "exec", server, "iperf3", "-s"], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        listener.kill()
        listener.wait()


def iperf(client: str, address: str, seconds: int, *options: str) -> dict[str, float]:
    """Run iperf3; what it says at the end. RuntimeError where nothing came through."""
    command = ("iperf3", "-J", "-c", address, "-t", str(seconds), *options)
    out = run(*command, namespace=client, check=False, timeout=seconds + 30)
    said = json.loads(out)
    found: dict[str, float] | None = said.get("end", {}).get("sum" if "-u" in options else "sum_received")
    if not found:
        raise RuntimeError(f"iperf3: {said.get('error', 'nothing came through')}")
    return found


def gigabits(client: str, address: str) -> float:
    """TCP, in Gbit/s."""
    return iperf(client, address, SECONDS)["bits_per_second"] / 1e9


def kilopackets(client: str, address: str) -> float:
    """The smallest UDP datagrams, in thousands a second that arrived."""
    udp = iperf(client, address, SECONDS, "-u", "-b", "0", "-l", "16")
    return udp["packets"] * (1 - udp["lost_percent"] / 100) / udp["seconds"] / 1e3


@contextmanager
def traffic(side: str, way: str, figure: Callable[[str, str], float]) -> Iterator[Measure]:
    programs = SIDES[side]
    hosts = bridge(programs) if way == "bridge" else tunnel(programs, way)
    with hosts as (client, server, address), listening(server):
        run("ping", "-c", "3", "-i", "0.3", address, namespace=client, check=False)
        yield partial(figure, client, address)


WORKLOADS = tuple(
    Workload(
        "Datapath in userspace",
        f"{what} through {'a bridge' if way == 'bridge' else way}",
        unit,
        partial(traffic, way=way, figure=figure),
        goal,
        more_is_better=True,
        apart=True,
    )
    for what, unit, figure, goals in (
        ("TCP", "Gbit/s", gigabits, (3.0, 1.0)),
        ("small packets", "kpps", kilopackets, (0.5, 0.5)),
    )
    for way, goal in (("bridge", goals[0]), *((kind, goals[1]) for kind in ("gre", "vxlan", "geneve")))
)
