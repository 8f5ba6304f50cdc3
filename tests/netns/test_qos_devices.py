"""What stands at devices for the QoS asked for: after restarts, beside what others made, on a real kernel."""

import os
import sys
from collections.abc import Iterator

import pytest

import datapath.tc
from datapath.provider import Vport
from datapath.userspace.isolate import Isolation
from switching.vlan import PortVlan
from tests.kit import namespace as ns
from tests.kit import netns
from vswitchd.config.desired import Desired, DesiredBridge, DesiredInterface, DesiredPort
from vswitchd.config.qos import QosConfig, QueueConfig
from vswitchd.linkwatch import LinkWatch
from vswitchd.plan import Actual, ActualDatapath
from vswitchd.qos import Qos

pytestmark = pytest.mark.netns
HTB = QosConfig("linux-htb", {"max-rate": 8_000_000}, {0: QueueConfig(), 1: QueueConfig()})


class Machine:
    """A device d0 in a namespace, and a switch that has it as a port."""

    def __init__(self, namespace: str, watch: LinkWatch) -> None:
        self.namespace = namespace
        self.watch = watch
        self.switches: list[Qos] = []
        self.watch.refresh()
        self.restart()

    def restart(self) -> None:
        self.switches.append(Qos(self.watch.ethtool))

    def want(self, qos: QosConfig | None) -> None:
        interface = DesiredInterface("i", "d0", "system")
        port = DesiredPort("p", "d0", PortVlan(), (interface,))
        bridge = DesiredBridge("b", "br0", "netdev", (port,))
        self.watch.refresh()
        ports = {"d0": Vport(1, "d0", "system", self.watch.links["d0"].ifindex)}
        actual = Actual({"netdev": ActualDatapath("ovs-netdev", ports)}, dict(self.watch.links))
        desired = Desired("o", (bridge,), qos={"d0": qos} if qos else {})
        self.switches[-1].apply(desired, actual, {})

    def tc(self, words: str) -> str:
        return netns.run("tc", *words.split(), namespace=self.namespace)


@pytest.fixture
def machine() -> Iterator[Machine]:
    here = f"t-qos-{os.getpid()}"
    with ns.namespace(here), ns.namespace(f"{here}-far"):
        ns.join(here, "d0", f"{here}-far", "eth0", 0x0200_0000_0001)
        with netns.inside(here):
            watch = LinkWatch()
            found = Machine(here, watch)
            try:
                yield found
            finally:
                for switch in found.switches:
                    switch.close()
                watch.close()


def test_a_switch_that_starts_again_leaves_what_is_right(machine: Machine) -> None:
    machine.want(HTB)
    machine.tc("class change dev d0 parent 1:fffe classid 1:2 htb rate 1mbit ceil 1mbit prio 3")
    changed = machine.tc("class show dev d0")
    machine.want(HTB)
    assert machine.tc("class show dev d0") == changed  # one that runs reads a device only where it must
    machine.restart()
    machine.want(HTB)
    assert "class htb 1:2 parent 1:fffe prio 0 rate 12Kbit ceil 8Mbit" in machine.tc("class show dev d0")


def test_what_was_asked_for_before_a_restart_goes(machine: Machine) -> None:
    machine.want(HTB)
    machine.restart()
    machine.want(None)
    assert "htb" not in machine.tc("qdisc show dev d0")


def test_what_others_made_stays(machine: Machine) -> None:
    machine.tc("qdisc add dev d0 root handle 1: htb default 1")
    machine.want(None)
    assert "qdisc htb 1: root" in machine.tc("qdisc show dev d0")
    machine.want(QosConfig("linux-noop"))
    assert "qdisc htb 1: root" in machine.tc("qdisc show dev d0")


def test_what_others_put_in_its_place_goes(machine: Machine) -> None:
    machine.want(HTB)
    machine.tc("qdisc replace dev d0 root handle 7: tbf rate 1mbit burst 10k latency 50ms")
    machine.want(HTB)
    assert "1:fffe" in machine.tc("class show dev d0")
    machine.tc("qdisc replace dev d0 root handle 7: tbf rate 1mbit burst 10k latency 50ms")
    machine.want(None)
    assert "qdisc tbf 7: root" in machine.tc("qdisc show dev d0")


def test_a_device_that_comes_again_is_set_up_again(machine: Machine) -> None:
    machine.want(HTB)
    ns.delete_device(machine.namespace, "d0")
    ns.join(machine.namespace, "d0", f"{machine.namespace}-far", "eth0", 0x0200_0000_0001)
    machine.want(HTB)
    assert "1:fffe" in machine.tc("class show dev d0")


def test_the_filter_of_a_port_in_userspace_loads_nothing(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with netns.inside(machine.namespace):
        isolation = Isolation("d0", machine.watch.links["d0"].ifindex)
    assert "bpf" in machine.tc("filter show dev d0 ingress")
    monkeypatch.setitem(sys.modules, "datapath.tc.codec", None)  # whoever loads it fails
    monkeypatch.delattr(datapath.tc, "codec", raising=False)
    machine.want(None)
    with netns.inside(machine.namespace):
        isolation.release()
