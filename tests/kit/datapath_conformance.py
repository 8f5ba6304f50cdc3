"""What every datapath does, as tests: run over the fake, over userspace in a namespace, over the kernel in a VM.

A suite gets a Bench: a datapath with system ports named p1, p2, p3, and a way to put frames onto the far end of
each and to see what comes out there. A module makes the tests its own by subclassing:

    class TestFake(DatapathConformance):
        @pytest.fixture
        def bench(self) -> Iterator[Bench]: ...
"""

from __future__ import annotations

import errno
import select
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

import pytest

from datapath.actions import Action, Hash, Output, PopVlan, PushVlan, Recirc, SetFields, Trunc, Userspace
from datapath.packet.build import build
from datapath.packet.extract import extract
from datapath.packet.flowkey import NO_FIELDS, FlowKey
from datapath.provider import (
    Datapath,
    DatapathError,
    Execute,
    FlowDel,
    FlowPut,
    Provider,
    Upcall,
    UpcallKind,
    VportSpec,
)

ETH = (1 << 48) - 1
L2 = FlowKey(
    recirc_id=0xFFFFFFFF,
    in_port=0xFFFFFFFF,
    eth_src=ETH,
    eth_dst=ETH,
    eth_type=0xFFFF,
    vlan_tpid=0xFFFF,
    vlan_tci=0xFFFF,
    ip_frag=0xFF,
)
UDP = FlowKey(
    eth_src=0x020000000001, eth_dst=0x020000000002, eth_type=0x0800, ip_src=0x0A000001, ip_dst=0x0A000002,
    ip_proto=17, ip_ttl=64, tp_src=1000, tp_dst=2000,
)  # fmt: skip
FRAME = build(UDP, b"conformance")
TAGGED = build(UDP._replace(vlan_tpid=0x8100, vlan_tci=0x1064), b"conformance")
DEADLINE = 20.0


def ufid(number: int) -> bytes:
    return number.to_bytes(16, "big")


class Bench(ABC):
    """A datapath under test, and the far ends of its ports."""

    provider: Provider
    datapath: Datapath

    @abstractmethod
    def inject(self, port: str, frame: bytes) -> None:
        """Let a frame come in by a port."""

    @abstractmethod
    def taken(self, port: str) -> list[bytes]:
        """Take what has come out of a port since the last call, without waiting."""

    def number(self, port: str) -> int:
        found = self.datapath.port(port)
        assert found, port
        return found.port_no

    def expect(self, port: str, *frames: bytes) -> None:
        """Wait until exactly these frames came out of a port."""
        came: list[bytes] = []
        until = time.monotonic() + DEADLINE
        while len(came) < len(frames) and time.monotonic() < until:
            came += self.taken(port)
            time.sleep(0.001)
        assert came == list(frames)

    def upcall(self) -> Upcall:
        """Wait for the next upcall about a frame of ours."""
        until = time.monotonic() + DEADLINE
        descriptors = list(self.datapath.listen())
        while True:
            ready, _, _ = select.select(descriptors, [], [], max(0.0, until - time.monotonic()))
            assert ready, "no upcall came"
            for upcall in [u for descriptor in ready for u in self.datapath.upcalls(descriptor, 1)]:
                if upcall.key.eth_src == UDP.eth_src:
                    return upcall

    def key(self, port: str, frame: bytes = FRAME) -> FlowKey:
        return extract(frame, FlowKey(in_port=self.number(port)))

    def install(
        self, number: int, port: str, *actions: Action, mask: FlowKey = L2, frame: bytes = FRAME
    ) -> None:
        self.datapath.put_flow(FlowPut(ufid(number), self.key(port, frame), mask, actions))

    def until(self, true: Callable[[], bool]) -> None:
        """Wait for a condition."""
        limit = time.monotonic() + DEADLINE
        while not true():
            assert time.monotonic() < limit
            time.sleep(0.002)


def refused(number: int) -> pytest.RaisesExc[DatapathError]:
    return pytest.raises(DatapathError, check=lambda error: error.errno == number)


class DatapathConformance:
    """The tests. Each gets a fresh bench."""

    def test_a_new_datapath_has_its_local_port_and_no_flows(self, bench: Bench) -> None:
        local = bench.datapath.ports()[0]
        assert (local.port_no, local.name, local.kind) == (0, bench.datapath.name, "internal")
        assert bench.datapath.name in bench.provider.datapaths()
        assert list(bench.datapath.flows()) == []

    def test_a_datapath_exists_once(self, bench: Bench) -> None:
        with refused(errno.EEXIST):
            bench.provider.create(bench.datapath.name)
        with refused(errno.ENODEV):
            bench.provider.open("no-such-dp")
        with refused(errno.ENODEV):
            bench.provider.delete("no-such-dp")

    def test_ports_get_the_lowest_free_number(self, bench: Bench) -> None:
        assert [bench.number(name) for name in ("p1", "p2", "p3")] == [1, 2, 3]
        bench.datapath.delete_port(2)
        assert bench.datapath.port("p2") is None
        assert bench.datapath.add_port(VportSpec("t-int", "internal")).port_no == 2
        bench.datapath.delete_port(2)
        assert bench.datapath.add_port(VportSpec("p2", "system", port_no=77)).port_no == 77

    def test_ports_are_refused_as_the_kernel_does(self, bench: Bench) -> None:
        add = bench.datapath.add_port
        with refused(errno.EEXIST):
            add(VportSpec("p1", "system"))
        with refused(errno.EBUSY):
            add(VportSpec("t-int", "internal", port_no=1))
        with refused(errno.EFBIG):
            add(VportSpec("t-int", "internal", port_no=65535))
        with refused(errno.EINVAL):
            bench.datapath.delete_port(0)
        with refused(errno.ENODEV):
            bench.datapath.delete_port(99)

    def test_an_internal_port_is_a_device_while_it_lasts(self, bench: Bench) -> None:
        port = bench.datapath.add_port(VportSpec("t-int", "internal"))
        assert port.ifindex > 0
        assert bench.datapath.port("t-int") == port
        bench.datapath.delete_port(port.port_no)
        assert bench.datapath.port("t-int") is None

    def test_an_unknown_packet_becomes_a_miss(self, bench: Bench) -> None:
        bench.datapath.listen()
        bench.inject("p1", FRAME)
        upcall = bench.upcall()
        assert (upcall.kind, upcall.packet) == (UpcallKind.MISS, FRAME)
        assert upcall.key == bench.key("p1")

    def test_a_tag_is_part_of_packet_and_key(self, bench: Bench) -> None:
        bench.datapath.listen()
        bench.inject("p1", TAGGED)
        upcall = bench.upcall()
        assert upcall.packet == TAGGED
        assert (upcall.key.vlan_tpid, upcall.key.vlan_tci) == (0x8100, 0x1064)

    def test_a_flow_forwards_and_counts(self, bench: Bench) -> None:
        bench.install(1, "p1", Output(bench.number("p2")), Output(bench.number("p3")))
        before = time.monotonic()
        for _ in range(3):
            bench.inject("p1", FRAME)
        bench.expect("p2", FRAME, FRAME, FRAME)
        bench.expect("p3", FRAME, FRAME, FRAME)
        bench.until(lambda: flow_packets(bench, 1) == 3)
        flow = bench.datapath.flow(ufid(1))
        assert flow
        assert flow.stats.bytes == 3 * len(FRAME)
        assert flow.stats.used is not None
        assert abs(flow.stats.used - before) < DEADLINE or flow.stats.used == 0
        assert bench.datapath.stats().hit >= 3

    def test_ports_count_what_passes(self, bench: Bench) -> None:
        bench.install(1, "p1", Output(bench.number("p2")))
        was = {port.name: port.stats for port in bench.datapath.ports()}
        bench.inject("p1", FRAME)
        bench.expect("p2", FRAME)
        now = {port.name: port.stats for port in bench.datapath.ports()}
        assert now["p1"].rx_packets - was["p1"].rx_packets >= 1
        assert now["p1"].rx_bytes - was["p1"].rx_bytes >= len(FRAME)
        assert now["p2"].tx_packets - was["p2"].tx_packets >= 1

    def test_a_flow_without_actions_drops(self, bench: Bench) -> None:
        bench.datapath.listen()
        bench.install(1, "p1")
        bench.inject("p1", FRAME)
        bench.until(lambda: flow_packets(bench, 1) == 1)
        assert bench.taken("p2") == []

    def test_bits_that_are_looked_at_tell_flows_apart(self, bench: Bench) -> None:
        ports = L2._replace(ip_proto=0xFF, tp_dst=0xFFFF)
        other = build(UDP._replace(tp_dst=2001), b"conformance")
        bench.install(1, "p1", Output(bench.number("p2")), mask=ports)
        bench.install(2, "p1", Output(bench.number("p3")), mask=ports, frame=other)
        for frame in (FRAME, other, FRAME, other):
            bench.inject("p1", frame)
        bench.expect("p2", FRAME, FRAME)
        bench.expect("p3", other, other)

    def test_bits_that_are_not_looked_at_do_not(self, bench: Bench) -> None:
        bench.install(1, "p1", Output(bench.number("p2")))
        frames = [
            build(UDP._replace(ip_src=host, tp_src=host, ip_ttl=host), b"x" * host) for host in range(1, 6)
        ]
        for frame in frames:
            bench.inject("p1", frame)
        bench.expect("p2", *frames)

    def test_a_later_narrow_mask_is_respected_at_once(self, bench: Bench) -> None:
        """A cache that was filled under a wide mask must not hide a flow with a narrower one."""
        bench.install(1, "p1", Output(bench.number("p2")), mask=L2._replace(vlan_tci=0, vlan_tpid=0))
        bench.inject("p1", FRAME)
        bench.expect("p2", FRAME)
        bench.datapath.delete_flow(ufid(1))
        bench.install(2, "p1", Output(bench.number("p3")), mask=L2._replace(ip_src=0xFFFFFFFF))
        other = build(UDP._replace(ip_src=77), b"conformance")
        bench.install(3, "p1", Output(bench.number("p2")), mask=L2._replace(ip_src=0xFFFFFFFF), frame=other)
        bench.inject("p1", FRAME)
        bench.inject("p1", other)
        bench.expect("p3", FRAME)
        bench.expect("p2", other)

    def test_a_deleted_flow_forwards_no_more_and_returns_its_counters(self, bench: Bench) -> None:
        bench.datapath.listen()
        bench.install(1, "p1", Output(bench.number("p2")))
        bench.inject("p1", FRAME)
        bench.expect("p2", FRAME)
        bench.until(lambda: flow_packets(bench, 1) == 1)
        stats = bench.datapath.delete_flow(ufid(1))
        assert stats
        assert (stats.packets, stats.bytes) == (1, len(FRAME))
        assert bench.datapath.delete_flow(ufid(1)) is None
        bench.inject("p1", FRAME)
        assert bench.upcall().kind is UpcallKind.MISS
        assert bench.taken("p2") == []

    def test_modified_actions_hold_at_once_and_keep_the_counters(self, bench: Bench) -> None:
        bench.install(1, "p1", Output(bench.number("p2")))
        bench.inject("p1", FRAME)
        bench.expect("p2", FRAME)
        actions = (Output(bench.number("p3")),)
        bench.datapath.put_flow(FlowPut(ufid(1), bench.key("p1"), L2, actions, modify=True))
        bench.inject("p1", FRAME)
        bench.expect("p3", FRAME)
        bench.until(lambda: flow_packets(bench, 1) == 2)

    def test_flows_are_refused_as_the_kernel_does(self, bench: Bench) -> None:
        bench.install(1, "p1")
        with refused(errno.EEXIST):
            bench.install(1, "p1")
        with refused(errno.EEXIST):
            bench.install(2, "p1", mask=L2._replace(ip_src=0xFFFFFFFF))
        with refused(errno.ENOENT):
            bench.datapath.put_flow(FlowPut(ufid(3), bench.key("p2"), L2, (), modify=True))

    def test_dumps_show_what_was_installed(self, bench: Bench) -> None:
        actions = (PushVlan(0x8100, 0x1005), Output(bench.number("p2")))
        bench.install(1, "p1", *actions)
        bench.install(2, "p2", Output(bench.number("p1")))
        assert {flow.ufid for flow in bench.datapath.flows(terse=True)} == {ufid(1), ufid(2)}
        found = {flow.ufid: flow for flow in bench.datapath.flows()}[ufid(1)]
        assert found.actions == actions
        assert found.key.eth_src == UDP.eth_src
        assert found.mask.eth_dst == ETH
        assert bench.datapath.stats().flows == 2
        bench.datapath.flush_flows()
        assert list(bench.datapath.flows()) == []
        assert bench.datapath.flow(ufid(1)) is None

    def test_execute_sends_a_packet_once(self, bench: Bench) -> None:
        actions = (Output(bench.number("p2")),)
        bench.datapath.run([Execute(FRAME, bench.key("p1"), actions)])
        bench.expect("p2", FRAME)
        assert list(bench.datapath.flows()) == []

    def test_operations_run_in_order_and_refusals_do_not_stop_them(self, bench: Bench) -> None:
        actions = (Output(bench.number("p2")),)
        put = FlowPut(ufid(1), bench.key("p1"), L2, actions)
        bench.datapath.run([put, put, Execute(FRAME, bench.key("p1"), actions), FlowDel(ufid(9))])
        bench.expect("p2", FRAME)
        bench.inject("p1", FRAME)
        bench.expect("p2", FRAME)
        bench.datapath.run([FlowDel(ufid(1))])
        bench.until(lambda: bench.datapath.flow(ufid(1)) is None)

    def test_a_userspace_action_brings_its_data_along(self, bench: Bench) -> None:
        bench.datapath.listen()
        bench.install(1, "p1", Userspace(0xFFFFFFFF, b"cookie!!"), Output(bench.number("p2")))
        bench.inject("p1", FRAME)
        upcall = bench.upcall()
        assert (upcall.kind, upcall.userdata, upcall.packet) == (UpcallKind.ACTION, b"cookie!!", FRAME)
        bench.expect("p2", FRAME)

    def test_tags_are_pushed_and_popped(self, bench: Bench) -> None:
        bench.install(1, "p1", PushVlan(0x8100, 0x1064), Output(bench.number("p2")))
        bench.install(2, "p2", PopVlan(), Output(bench.number("p1")), frame=TAGGED)
        bench.inject("p1", FRAME)
        bench.expect("p2", TAGGED)
        bench.inject("p2", TAGGED)
        bench.expect("p1", FRAME)

    def test_fields_are_set_and_checksums_follow(self, bench: Bench) -> None:
        want = UDP._replace(eth_dst=0x02000000AAAA, ip_src=0x01020304, ip_ttl=9, tp_dst=53)
        mask = NO_FIELDS._replace(eth_dst=ETH, ip_src=0xFFFFFFFF, ip_ttl=0xFF, tp_dst=0xFFFF)
        looked_at = L2._replace(ip_proto=0xFF)
        actions: tuple[Action, ...] = (SetFields(want, mask), Output(bench.number("p2")))
        bench.install(1, "p1", *actions, mask=looked_at)
        bench.inject("p1", FRAME)
        bench.expect("p2", build(want, b"conformance"))

    def test_changes_hold_for_the_outputs_behind_them_only(self, bench: Bench) -> None:
        two, three = bench.number("p2"), bench.number("p3")
        bench.install(1, "p1", Output(two), PushVlan(0x8100, 0x1064), Output(three), PopVlan(), Output(two))
        bench.inject("p1", FRAME)
        bench.expect("p2", FRAME, FRAME)
        bench.expect("p3", TAGGED)

    def test_a_hashed_packet_comes_again_with_its_hash(self, bench: Bench) -> None:
        bench.datapath.listen()
        bench.install(1, "p1", PushVlan(0x8100, 0x1064), Hash(), Recirc(7))
        bench.inject("p1", FRAME)
        upcall = bench.upcall()
        assert (upcall.kind, upcall.key.recirc_id, upcall.packet) == (UpcallKind.MISS, 7, TAGGED)
        assert upcall.key.dp_hash
        key = upcall.key
        looked_at = NO_FIELDS._replace(
            recirc_id=0xFFFFFFFF,
            dp_hash=0xFF,
            in_port=0xFFFFFFFF,
            eth_type=0xFFFF,
            vlan_tpid=0xFFFF,
            vlan_tci=0xFFFF,
        )
        bench.datapath.put_flow(FlowPut(ufid(2), key, looked_at, (Output(bench.number("p2")),)))
        for _ in range(2):
            bench.inject("p1", FRAME)
            bench.expect("p2", TAGGED)

    def test_a_cut_holds_for_the_next_output(self, bench: Bench) -> None:
        bench.install(1, "p1", Trunc(20), Output(bench.number("p2")), Output(bench.number("p3")))
        bench.inject("p1", FRAME)
        bench.expect("p2", FRAME[:20])
        bench.expect("p3", FRAME)

    def test_a_port_that_is_gone_gets_nothing(self, bench: Bench) -> None:
        bench.install(1, "p1", Output(bench.number("p2")), Output(bench.number("p3")))
        bench.inject("p1", FRAME)
        bench.expect("p2", FRAME)
        bench.expect("p3", FRAME)
        bench.datapath.delete_port(bench.number("p2"))
        bench.inject("p1", FRAME)
        bench.expect("p3", FRAME)
        assert bench.taken("p2") == []


def flow_packets(bench: Bench, number: int) -> int:
    flow = bench.datapath.flow(ufid(number))
    return flow.stats.packets if flow else -1
