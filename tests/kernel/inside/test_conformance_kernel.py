"""The kernel datapath behaves as every datapath does."""

import socket
from collections.abc import Iterator

import pytest

from datapath.kernel import KernelProvider
from datapath.provider import VportSpec
from tests.kit.datapath_conformance import UDP, Bench, DatapathConformance
from tests.kit.netns import run

_SOL_PACKET, _PACKET_AUXDATA, _PACKET_IGNORE_OUTGOING = 263, 8, 23


class Wires:
    """Veth devices p1, p2, p3 with a packet socket at the far end of each; made once, as this takes 4 s here."""

    names = ("p1", "p2", "p3")

    def __init__(self) -> None:
        run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
        batch = "".join(
            f"link add {name} type veth peer name far-{name}\nlink set {name} up\nlink set far-{name} up\n"
            for name in self.names
        )
        run("sh", "-c", f"printf '{batch}' | ip -b -")
        self.far: dict[str, socket.socket] = {}
        for name in self.names:
            far = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
            far.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
            far.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
            far.bind((f"far-{name}", 3))
            self.far[name] = far

    def close(self) -> None:
        for name, far in self.far.items():
            far.close()
            run("ip", "link", "del", name)


class KernelBench(Bench):
    """A datapath on the wires."""

    def __init__(self, wires: Wires) -> None:
        self._far = wires.far
        self.provider = KernelProvider()
        self.datapath = self.provider.create("dp")
        for name in wires.names:
            self.taken(name)
            self.datapath.add_port(VportSpec(name, "system"))

    def inject(self, port: str, frame: bytes) -> None:
        self._far[port].send(frame)

    def taken(self, port: str) -> list[bytes]:
        frames: list[bytes] = []
        while True:
            try:
                frame, control, _flags, _address = self._far[port].recvmsg(70000, 100)
            except BlockingIOError:
                return [frame for frame in frames if frame[6:12] == UDP.eth_src.to_bytes(6, "big")]
            frames.append(_with_tag(frame, control))

    def close(self) -> None:
        self.datapath.close()
        self.provider.delete("dp")


def _with_tag(frame: bytes, control: list[tuple[int, int, bytes]]) -> bytes:
    """Put back the tag that the kernel took out of the frame (struct tpacket_auxdata)."""
    for _level, _kind, data in control:
        if int.from_bytes(data[:4], "little") & 0x10:
            return frame[:12] + data[18:20][::-1] + data[16:18][::-1] + frame[12:]
    return frame


@pytest.fixture(scope="module")
def wires() -> Iterator[Wires]:
    wires = Wires()
    yield wires
    wires.close()


class TestKernel(DatapathConformance):
    @pytest.fixture
    def bench(self, wires: Wires) -> Iterator[Bench]:
        bench = KernelBench(wires)
        try:
            yield bench
        finally:
            bench.close()
