"""Our switch and the C one, each on its datapath in userspace, joined by every kind of tunnel in turn."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.kit import namespace as ns
from tests.kit import netns
from tests.kit.feature_lab import SIDES, FeatureLab, switch_of

pytestmark = [pytest.mark.netns, pytest.mark.peer]

V4, V6 = ("172.31.0.1", "172.31.0.2"), ("fd31::1", "fd31::2")
TUNNELS = (
    ("erspan", V4, "erspan_ver=1", "erspan_idx=5", "key=7"),
    ("erspan", V4, "erspan_ver=2", "erspan_dir=1", "erspan_hwid=3", "key=7"),
    ("gre", V6, "key=7"),
    ("vxlan", V6, "key=7"),
    ("geneve", V6, "key=7"),
    ("ip6gre", V6, "csum=true"),
    ("ip6erspan", V6, "erspan_ver=2"),
)


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[FeatureLab, FeatureLab]]:
    with ExitStack() as stack:
        ours, theirs = (stack.enter_context(switch_of(SIDES[side])) for side in ("userspace", "c-userspace"))
        ns.join(ours.namespace, "wire", theirs.namespace, "wire", 0x0200_0000_00AA)
        netns.run("ethtool", "-K", "wire", "tx", "off", namespace=ours.namespace)
        netns.run("ethtool", "-K", "wire", "tx", "off", namespace=theirs.namespace)
        for number, lab in enumerate((ours, theirs)):
            stack.callback(lab.clean)
            lab.vsctl("add-br br-phy -- add-port br-phy wire -- add-br br0")
            for address in (f"{V4[number]}/24", f"{V6[number]}/64"):
                ns.add_address(lab.namespace, "br-phy", address)
            ns.set_up(lab.namespace, "br-phy")
            host = lab.host(f"a{number}", f"10.31.0.{1 + number}/24")
            address = f"02:00:00:00:00:b{number}"  # hosts of two labs are numbered alike
            netns.run("ip", "link", "set", "eth0", "address", address, namespace=host.namespace)
            lab.vsctl(f"add-port br0 {host.port}")
        yield ours, theirs


@pytest.mark.parametrize("tunnel", TUNNELS, ids=lambda tunnel: f"{tunnel[0]}-{tunnel[2]}")
def test_a_host_of_each_is_reached(
    pair: tuple[FeatureLab, FeatureLab], tunnel: tuple[str, tuple[str, str], *tuple[str, ...]]
) -> None:
    kind, ends, *options = tunnel
    for lab, remote in zip(pair, reversed(ends), strict=True):
        settings = " ".join(f"options:{option}" for option in (f"remote_ip={remote}", *options))
        lab.vsctl(f"--if-exists del-port t0 -- add-port br0 t0 -- set interface t0 type={kind} {settings}")
        assert lab.get("interface", "t0", "error") == "[]"
    host = pair[0].hosts["a0"]
    pair[0].wait_until(lambda: host.ping("10.31.0.2", 1), "the first ping is answered")
    assert host.ping("10.31.0.2", 5) == 5
