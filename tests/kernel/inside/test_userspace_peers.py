"""The userspace datapath against tunnel devices of the kernel: both sides speak gre, vxlan and geneve the same."""

import os
from contextlib import ExitStack

import pytest

from datapath.actions import SetTunnel
from datapath.packet.flowkey import TUN_KEY
from datapath.provider import DEFAULT_TUNNEL_PORT, VportSpec, tunnel_vport_name
from tests.kit.learning import LearningSwitch
from tests.kit.netns import inside, namespaces, run, veth
from tests.kit.traffic import pings, transfer, userspace_datapath

ONE, TWO = (f"t-{part}-{os.getpid()}" for part in ("h1", "h2"))
KERNEL_DEVICE = {
    "gre": "gretap remote 172.31.0.1 local 172.31.0.2 key 5",
    "vxlan": "vxlan id 5 remote 172.31.0.1 dstport 4789",
    "geneve": "geneve id 5 remote 172.31.0.1",
}


@pytest.mark.parametrize("kind", ["gre", "vxlan", "geneve"])
def test_the_kernels_own_tunnel_devices_are_understood(kind: str) -> None:
    with namespaces(ONE, TWO), ExitStack() as stack:
        veth(ONE, "eth1", TWO, "eth1", "172.31.0.2/24")
        run("ip", "-n", ONE, "addr", "add", "172.31.0.1/24", "dev", "eth1")
        run("ip", "-n", TWO, "link", "add", "t0", "type", *KERNEL_DEVICE[kind].split())
        run("ip", "-n", TWO, "link", "set", "t0", "up")
        run("ip", "-n", TWO, "addr", "add", "10.8.0.2/24", "dev", "t0")
        opened = stack.enter_context(userspace_datapath(ONE, "br2"))
        port = DEFAULT_TUNNEL_PORT[kind]
        with inside(ONE):
            opened.add_port(VportSpec(tunnel_vport_name(kind, port), kind, port))
        run("ip", "-n", ONE, "link", "set", "br2", "up")
        run("ip", "-n", ONE, "addr", "add", "10.8.0.1/24", "dev", "br2")
        tunnel = SetTunnel(dst=0xAC1F0002, tun_id=5, flags=TUN_KEY)
        stack.enter_context(LearningSwitch(opened, [0, 1], {1: tunnel}))
        assert " 0% packet loss" in pings(ONE, "10.8.0.2")
        transfer(ONE, TWO, "10.8.0.2", 1)
        transfer(TWO, ONE, "10.8.0.1", 1)
