"""Fake datapaths that refuse ports by name, and that count what is asked of them."""

from collections import Counter
from collections.abc import Iterable

from datapath.fake import FakeDatapath, FakeProvider
from datapath.provider import DatapathError, Operation, Vport, VportSpec


class FaultyDatapath(FakeDatapath):
    """A fake datapath that works as its provider says."""

    def __init__(self, name: str, refused: dict[str, int], calls: Counter[str]) -> None:
        self._refused = refused
        self._calls = calls
        super().__init__(name)

    def ports(self) -> list[Vport]:
        self._calls["ports"] += 1
        return super().ports()

    def add_port(self, spec: VportSpec) -> Vport:
        self._calls[f"add {spec.name}"] += 1
        if number := self._refused.get(spec.name):
            raise DatapathError(number, f"add port {spec.name}")
        return super().add_port(spec)

    def delete_port(self, port_no: int) -> None:
        self._calls["delete"] += 1
        name = self._ports[port_no].vport.name if port_no in self._ports else ""
        if number := self._refused.get(f"delete {name}"):
            raise DatapathError(number, f"delete port {name}")
        super().delete_port(port_no)

    def run(self, operations: Iterable[Operation]) -> None:
        found = list(operations)
        self._calls["operations"] += len(found)
        super().run(found)


class FaultyProvider(FakeProvider):
    """`refused` has the errno for each name of a port, for "delete NAME", and for "datapath"."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: dict[str, int] = {}
        self.calls: Counter[str] = Counter()

    def create(self, name: str) -> FakeDatapath:
        """Make a datapath that refuses."""
        self.calls["create"] += 1
        if number := self.refused.get("datapath"):
            raise DatapathError(number, f"create datapath {name}")
        self._datapaths[name] = FaultyDatapath(name, self.refused, self.calls)
        return self._datapaths[name]
