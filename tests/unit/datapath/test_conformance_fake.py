"""The fake behaves as every datapath does."""

from collections.abc import Iterator

import pytest

from datapath.fake import FakeProvider
from datapath.provider import VportSpec
from tests.kit.datapath_conformance import Bench, DatapathConformance


class _FakeBench(Bench):
    def __init__(self) -> None:
        self.provider = FakeProvider()
        self.datapath = self._fake = self.provider.create("ovs-dummy")
        for name in ("p1", "p2", "p3"):
            self._fake.add_port(VportSpec(name, "system"))

    def inject(self, port: str, frame: bytes) -> None:
        self._fake.inject(port, frame)

    def taken(self, port: str) -> list[bytes]:
        return self._fake.sent(port) if self._fake.port(port) else []


class TestFake(DatapathConformance):
    @pytest.fixture
    def bench(self) -> Iterator[Bench]:
        bench = _FakeBench()
        yield bench
        bench.provider.delete("ovs-dummy")
