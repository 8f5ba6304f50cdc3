"""The userspace datapath beside the C programs': TCP and small packets between two hosts.

    python -m benchmarks.userspace [--seconds N] [bridge] [gre] [vxlan] [geneve]

Both sides run the same workload in turn: "bridge" is two veth ports on one switch; a tunnel is two switches
with an internal port each, joined over a network of MTU 1500. The C datapath drops segments whose checksum
is left to offload, so its hosts send without; ours get what a host sends by default.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import NamedTuple

from tests.kit.netns import inside, namespaces, run, veth
from tests.kit.peers import Daemon, c_ovsdb_server, c_vswitchd, our_ovsdb_server, our_vswitchd

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


def measure(client: str, server: str, address: str, seconds: int) -> dict[str, float]:
    """Run iperf3 once over TCP and once with the smallest UDP datagrams."""
    listener = subprocess.Popen(["ip", "netns", "exec", server, "iperf3", "-s"], stdout=subprocess.DEVNULL)
    try:
        run("ping", "-c", "3", "-i", "0.3", address, namespace=client, check=False)
        tcp = iperf(client, address, seconds)
        udp = iperf(client, address, seconds, "-u", "-b", "0", "-l", "16")
    finally:
        listener.kill()
        listener.wait()
    arrived = udp["packets"] * (1 - udp["lost_percent"] / 100) / udp["seconds"] if udp else 0.0
    return {"Gbit/s": tcp["bits_per_second"] / 1e9 if tcp else 0.0, "kpps": arrived / 1e3}


def iperf(client: str, address: str, seconds: int, *options: str) -> dict[str, float]:
    out = run(
        "iperf3", "-J", "-c", address, "-t", str(seconds), *options,
        namespace=client, check=False, timeout=seconds + 30,
    )  # fmt: skip
    end = json.loads(out).get("end", {})
    found: dict[str, float] = end.get("sum" if "-u" in options else "sum_received", {})
    return found


def main() -> int:
    """Print both sides' figures for each workload, and the ratio ours : C."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.userspace", description=__doc__)
    parser.add_argument("workloads", nargs="*", default=["bridge", "gre", "vxlan", "geneve"])
    parser.add_argument("--seconds", type=int, default=4)
    options = parser.parse_args()
    print(f"{'':24}{'C':>10}{'ours':>10}   ours / C (more is better)")
    for workload in options.workloads:
        results = {}
        for name, side in SIDES.items():
            bench = bridge(side) if workload == "bridge" else tunnel(side, workload)
            with bench as ends:
                results[name] = measure(*ends, options.seconds)
        for unit, theirs in results["C"].items():
            ours = results["ours"][unit]
            ratio = f"{ours / theirs:8.2f}" if theirs else "       -"
            print(f"{workload:16}{unit:8}{theirs:10.2f}{ours:10.2f} {ratio}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
