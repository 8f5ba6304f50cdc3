"""The README's two hosts on the kernel datapath: our database, tools and switch, a ping through each kind of tunnel."""

from datapath.kernel import KernelProvider
from datapath.odp_flow import format_flow
from demo.lab import Host, Lab
from tests.kit.mixed import MIXED
from tests.kit.netns import inside


def flows(host: Host) -> str:
    """Dump within this process: by the time that a program has started here, idle flows are gone."""
    with inside(host.namespace):
        datapath = KernelProvider().open("ovs-system")
        try:
            return "\n".join(format_flow(flow, 0.0) for flow in datapath.flows())
        finally:
            datapath.close()


def test_ping_through_gre_vxlan_and_geneve() -> None:
    with Lab("kernel") as lab:
        lab.bridges()
        for kind in ("gre", "vxlan", "geneve"):
            port = lab.tunnel(kind)
            lab.ping(20)
            dump = flows(lab.hosts[0])
            assert "tunnel(src=10.10.10.150,dst=10.10.10.129," in dump or "tunnel(tun_id=" in dump
            assert "set(tunnel(" in dump
            assert "dst=10.10.10.150," in dump
            lab.remove_tunnel(port)


def test_our_switch_works_among_the_c_programs() -> None:
    """The other mixtures, which meet no kernel, are tested in namespaces."""
    programs = MIXED["our switch"]
    with Lab("kernel", programs=(programs, programs)) as lab:
        lab.bridges()
        lab.tunnel("gre")
        lab.ping(20)
