from typing import Any

from ovsdb.engine.database import Database
from ovsdb.interests import Interests
from ovsdb.monitor import V2, Layout, Spec, View
from ovsdb.monitor_request import parse_requests
from ovsdb.schema import Schema

TYPES = {"name": {"type": "string"}, "n": {"type": "integer"}}
SCHEMA = Schema.parse({"name": "db", "tables": {t: {"columns": TYPES, "isRoot": True} for t in ("T", "U")}})


class Bench:
    def __init__(self) -> None:
        self.database = Database(SCHEMA)
        self.interests = Interests()

    def spec(self, where: list[Any] | None, table: str = "T") -> Spec:
        requests: dict[str, Any] = {table: [{} if where is None else {"where": where}]}
        request = parse_requests(requests, self.database.tables, conditional=True)
        views = {
            s.table: View(Layout(self.database.tables[s.table], s), request.conditions[s.table])
            for s in request.tables
        }
        spec = Spec(views, V2, repr((table, where)).encode())
        self.interests.add(spec)
        return spec

    def concerned_by(self, **operation: Any) -> list[Spec]:
        changeset = self.database.execute([{"table": "T", **operation}]).changeset
        assert changeset
        concerned = self.interests.concerned(changeset.tables)
        self.database.apply(changeset)
        return list(concerned)


def test_a_change_concerns_those_who_see_the_row_before_or_after() -> None:
    bench = Bench()
    one, two, three = (bench.spec([["name", "==", name]]) for name in ("one", "two", "three"))
    assert bench.concerned_by(op="insert", row={"name": "one"}) == [one]
    renamed = bench.concerned_by(op="update", where=[["name", "==", "one"]], row={"name": "two"})
    assert set(renamed) == {one, two}
    assert bench.concerned_by(op="delete", where=[]) == [two]
    assert three not in renamed


def test_who_gives_no_equality_is_concerned_by_every_change_of_the_table() -> None:
    bench = Bench()
    every, greater = bench.spec(None), bench.spec([["n", ">", 5]])
    nothing, other = bench.spec([False]), bench.spec(None, "U")
    found = bench.concerned_by(op="insert", row={})
    assert set(found) == {every, greater}
    assert nothing not in found
    assert other not in found


def test_a_specification_counts_until_its_last_monitor_has_ended() -> None:
    bench = Bench()
    spec = bench.spec([["name", "==", "one"]])
    bench.interests.add(spec)
    bench.interests.remove(spec)
    assert bench.concerned_by(op="insert", row={"name": "one"}) == [spec]
    bench.interests.remove(spec)
    assert bench.concerned_by(op="delete", where=[]) == []
    assert len(bench.interests) == 0


def test_values_that_nobody_wants_any_more_are_not_kept() -> None:
    bench = Bench()
    for n in range(10):
        bench.interests.remove(bench.spec([["name", "==", f"name {n}"], ["n", "==", n]]))
    assert all(not columns for columns in bench.interests._by_value.values())
