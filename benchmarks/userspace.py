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
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.kit.netns import inside, namespaces, run, veth
from tests.kit.peers import c_ovsdb_server, c_vswitchd

SWITCH, ONE, TWO = (f"F-bench-{part}-{os.getpid()}" for part in ("s", "1", "2"))


@contextmanager
def our_switch(namespace: str, name: str, *ports: str) -> Iterator[None]:
    command = [
        "ip",
        "netns",
        "exec",
        namespace,
        sys.executable,
        "-m",
        "tests.kit.userspace_switch",
        name,
        *ports,
    ]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    try:
        yield
    finally:
        process.communicate("")


@contextmanager
def c_switch(namespace: str, name: str, *ports: str, underlay: str = "") -> Iterator[None]:
    """The C programs, with a second bridge br1 for the device that tunnels go through, if one is named."""
    with inside(namespace), c_ovsdb_server() as server, c_vswitchd(server):
        add = ["/usr/bin/ovs-vsctl", "--timeout=20"]
        if underlay:
            add += ["add-br", "br1", "--", "set", "bridge", "br1", "datapath_type=netdev"]
            add += ["--", "add-port", "br1", underlay, "--"]
        add += ["add-br", name, "--", "set", "bridge", name, "datapath_type=netdev"]
        for port in ports:
            kind, _, remote = port.partition(":")
            add += ["--", "add-port", name, kind]
            if remote:
                options = ["options:key=5", f"options:remote_ip={remote}"]
                add += ["--", "set", "interface", kind, f"type={kind}", *options]
        server.run(*add)
        yield


@contextmanager
def bridge(side: str) -> Iterator[tuple[str, str, str]]:
    """Two hosts on one switch; yield client's and server's namespace and the server's address."""
    with namespaces(SWITCH, ONE, TWO):
        veth(SWITCH, "p1", ONE, "e0", "10.9.0.1/24")
        veth(SWITCH, "p2", TWO, "e0", "10.9.0.2/24")
        if side == "C":
            for host in (ONE, TWO):
                run("ethtool", "-K", "e0", "tx", "off", namespace=host)
        with SIDES[side](SWITCH, "br0", "p1", "p2"):
            yield ONE, TWO, "10.9.0.2"


@contextmanager
def tunnel(side: str, kind: str) -> Iterator[tuple[str, str, str]]:
    """Two hosts with a switch each, joined by a tunnel; the same."""
    with namespaces(ONE, TWO), ExitStack() as stack:
        veth(ONE, "eth1", TWO, "eth1", "172.31.0.2/24")
        run("ip", "-n", ONE, "addr", "add", "172.31.0.1/24", "dev", "eth1")
        for host, here, far in ((ONE, "10.8.0.1/24", "172.31.0.2"), (TWO, "10.8.0.2/24", "172.31.0.1")):
            if side == "C":  # its tunnels route through its own bridges only
                address = run("ip", "-n", host, "-br", "-4", "addr", "show", "eth1").split()[2]
                stack.enter_context(c_switch(host, "br2", f"{kind}:{far}", underlay="eth1"))
                run("ip", "-n", host, "addr", "flush", "dev", "eth1")
                run("ip", "-n", host, "link", "set", "br1", "up")
                run("ip", "-n", host, "addr", "add", address, "dev", "br1")
            else:
                stack.enter_context(our_switch(host, "br2", f"{kind}:{far}"))
            run("ip", "-n", host, "link", "set", "br2", "up")
            run("ip", "-n", host, "addr", "add", here, "dev", "br2")
            if side == "C":  # nor does it fragment
                run("ethtool", "-K", "br2", "tx", "off", namespace=host, check=False)
                run("ip", "-n", host, "link", "set", "br2", "mtu", "1400")
        yield ONE, TWO, "10.8.0.2"


SIDES = {"C": c_switch, "ours": our_switch}


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
        for side in SIDES:
            bench = bridge(side) if workload == "bridge" else tunnel(side, workload)
            with bench as ends:
                results[side] = measure(*ends, options.seconds)
        for unit, theirs in results["C"].items():
            ours = results["ours"][unit]
            ratio = f"{ours / theirs:8.2f}" if theirs else "       -"
            print(f"{workload:16}{unit:8}{theirs:10.2f}{ours:10.2f} {ratio}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
