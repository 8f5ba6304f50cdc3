"""The README's two hosts on the kernel datapath: our database, tools and switch, a ping through each kind of tunnel."""

from demo.lab import Lab


def test_ping_through_gre_vxlan_and_geneve() -> None:
    with Lab("kernel") as lab:
        lab.bridges()
        for kind in ("gre", "vxlan", "geneve"):
            port = lab.tunnel(kind)
            lab.ping(20)
            flows = lab.hosts[0].run("ovs-dpctl dump-flows")
            assert "set(tunnel(dst=10.10.10.150," in flows
            assert "tunnel(src=10.10.10.150,dst=10.10.10.129," in flows
            lab.remove_tunnel(port)
