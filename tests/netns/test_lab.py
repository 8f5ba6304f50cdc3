"""The README's lab on the userspace datapath: our programs alone, and each of them among the C ones."""

import pytest

from demo.lab import Lab, Programs
from tests.kit.mixed import MIXED, C

pytestmark = pytest.mark.netns


@pytest.mark.parametrize("kind", ["gre", "vxlan", "geneve"])
def test_every_ping_crosses_a_tunnel_between_two_hosts(kind: str) -> None:
    with Lab("userspace") as lab:
        lab.bridges()
        lab.tunnel(kind)
        lab.ping(20)


def test_one_kind_of_tunnel_follows_another_on_the_same_bridge() -> None:
    with Lab("userspace") as lab:
        lab.bridges()
        for kind in ("vxlan", "geneve", "gre"):
            port = lab.tunnel(kind)
            lab.ping(5)
            lab.remove_tunnel(port)


def test_the_mac_table_and_the_flows_name_what_the_ping_used() -> None:
    with Lab("userspace") as lab:
        lab.bridges()
        lab.tunnel("gre")
        lab.ping(5)
        first, second = lab.hosts
        address = second.run("cat /sys/class/net/br2/address").strip()
        assert address in first.run("ovs-appctl fdb/show br2")
        flows = first.run("ovs-appctl dpctl/dump-flows")
        assert "tunnel(" in flows
        assert "src=10.10.10.150,dst=10.10.10.129" in flows
        assert f"src={address}" in flows
        assert "remote_ip" in first.run("ovs-vsctl show")


@pytest.mark.peer
@pytest.mark.parametrize("programs", list(MIXED.values()), ids=list(MIXED))
def test_each_program_works_among_the_c_ones(programs: Programs) -> None:
    with Lab("userspace", programs=(programs, programs)) as lab:
        lab.bridges()
        lab.tunnel("gre")
        lab.ping(20)


@pytest.mark.peer
@pytest.mark.parametrize("kind", ["gre", "vxlan", "geneve"])
def test_our_host_and_a_c_host_understand_each_other_on_the_wire(kind: str) -> None:
    with Lab("userspace", programs=(Programs(), C)) as lab:
        lab.bridges()
        lab.tunnel(kind)
        lab.ping(20)


def test_what_the_switch_could_not_do_is_told_with_its_reason() -> None:
    with Lab("userspace") as lab:
        host = lab.hosts[0]
        host.run("ovs-vsctl add-br br1 -- set bridge br1 datapath_type=netdev")
        told = {
            "add-br br2 -- set bridge br2 datapath_type=nonsense": "'br2'",
            "add-port br1 nosuch": "'nosuch': could not open network device nosuch (No such device)",
            "add-port br1 gre0 -- set interface gre0 type=gre": "'gre0': gre0: gre type requires valid 'remote_ip'",
        }
        for command, reason in told.items():
            output = host.run(f"ovs-vsctl {command}", check=False)
            assert f"ovs-vsctl: Error detected while setting up {reason}" in output
