"""The userspace datapath behaves as every datapath does: real veth devices in a namespace."""

import os
import socket
from collections.abc import Iterator

import pytest

from datapath.provider import VportSpec
from datapath.userspace.datapath import UserspaceProvider
from tests.kit.datapath_conformance import UDP, Bench, DatapathConformance
from tests.kit.netns import inside, namespaces, run

pytestmark = pytest.mark.netns
PACKET_IGNORE_OUTGOING, SOL_PACKET = 23, 263


class _NamespaceBench(Bench):
    """Ports p1, p2, p3 are veth devices; a packet socket is at the far end of each."""

    def __init__(self, namespace: str) -> None:
        self._far: dict[str, socket.socket] = {}
        run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1", namespace=namespace)
        for name in ("p1", "p2", "p3"):
            run("ip", "-n", namespace, "link", "add", name, "type", "veth", "peer", "name", f"far-{name}")
            for end in (name, f"far-{name}"):
                run("ip", "-n", namespace, "link", "set", end, "up")
        self.provider = UserspaceProvider()
        self.datapath = self.provider.create("t-dp")
        for name in ("p1", "p2", "p3"):
            self.datapath.add_port(VportSpec(name, "system"))
            self._far[name] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
            self._far[name].setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            self._far[name].setsockopt(SOL_PACKET, 8, 1)
            self._far[name].bind((f"far-{name}", 3))

    def inject(self, port: str, frame: bytes) -> None:
        self._far[port].send(frame)

    def taken(self, port: str) -> list[bytes]:
        frames: list[bytes] = []
        while True:
            try:
                frame, control, _, _ = self._far[port].recvmsg(70000, 100)
            except BlockingIOError:
                return [frame for frame in frames if frame[6:12] == UDP.eth_src.to_bytes(6, "big")]
            frames.append(_with_tag(frame, control))

    def close(self) -> None:
        self.datapath.close()
        for far in self._far.values():
            far.close()


def _with_tag(frame: bytes, control: list[tuple[int, int, bytes]]) -> bytes:
    """Put back the tag that the kernel took out of the frame (struct tpacket_auxdata)."""
    for _, _, data in control:
        if int.from_bytes(data[:4], "little") & 0x10:
            return frame[:12] + data[18:20][::-1] + data[16:18][::-1] + frame[12:]
    return frame


class TestUserspace(DatapathConformance):
    @pytest.fixture
    def bench(self) -> Iterator[Bench]:
        name = f"t-conform-{os.getpid()}"
        with namespaces(name), inside(name):
            bench = _NamespaceBench(name)
            try:
                yield bench
            finally:
                bench.close()
