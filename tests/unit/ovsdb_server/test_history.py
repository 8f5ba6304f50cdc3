"""The shared history: followers at any position get the same changes as those who looked at every step."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ovsdb import history as module
from ovsdb.engine.changes import Changeset, RowChange, compare_rows
from ovsdb.engine.row import Row
from ovsdb.engine.table import Table
from ovsdb.history import History
from ovsdb.schema import Schema

SCHEMA = Schema.parse(
    {
        "name": "db",
        "tables": {
            "T": {
                "columns": {
                    "n": {"type": "integer"},
                    "s": {"type": {"key": "integer", "min": 0, "max": "unlimited"}},
                }
            }
        },
    }
)


class Source:
    """A table that changes, and the changes."""

    def __init__(self) -> None:
        self.table = Table(SCHEMA.tables["T"])
        self.rows: dict[str, Row] = {}

    def put(self, uuid: str, value: tuple[int, frozenset[int]] | None) -> Changeset:
        old = self.rows.pop(uuid, None)
        new = None if value is None else Row(uuid, value)
        if new is not None:
            self.rows[uuid] = new
        if old is None or new is None:
            change = RowChange(old, new, {}) if old is not new else None
        else:
            change = compare_rows(self.table, old, new)
        return Changeset({"T": {uuid: change}} if change else {})

    def values(self) -> dict[str, Any]:
        return {uuid: row.values for uuid, row in self.rows.items()}


def apply(view: dict[str, Any], changes: Changeset) -> None:
    for uuid, change in changes.tables.get("T", {}).items():
        assert (change.old.values if change.old else None) == view.get(uuid)
        if change.new is None:
            del view[uuid]
        else:
            view[uuid] = change.new.values


START = 1 << 100  # the id of the position before the first commit


def insert(number: int) -> Changeset:
    return Changeset({"T": {str(number): RowChange(None, Row(str(number), (number, frozenset())), {})}})


def numbers(changes: Changeset) -> list[str]:
    return list(changes.tables.get("T", {}))


values = st.none() | st.tuples(st.integers(0, 3), st.frozensets(st.integers(0, 3)))
steps = st.lists(
    st.tuples(st.sampled_from("abc"), values) | st.sampled_from(["look0", "look1", "look2", "trim"]),
    max_size=40,
)


@given(steps)
def test_whoever_looks_whenever_sees_the_present(script: list[Any]) -> None:
    source = Source()
    history = History({"T": source.table}, START)
    positions, views = [0, 0, 0], [dict[str, Any](), dict[str, Any](), dict[str, Any]()]
    old_limit, module.KEEP_COMMITS = module.KEEP_COMMITS, 2
    try:
        for step in script:
            if step == "trim":
                history.trim(positions)
            elif isinstance(step, str):
                who = int(step[-1])
                apply(views[who], history.since(positions[who]))
                positions[who] = history.head
                assert views[who] == source.values()
            else:
                history.append(source.put(*step), history.head)
        for position, view in zip(positions, views, strict=True):
            apply(view, history.since(position))
            assert view == source.values()
    finally:
        module.KEEP_COMMITS = old_limit


def test_an_id_is_found_until_it_is_old() -> None:
    history = History({"T": Source().table}, START)
    for number in range(3):
        history.append(insert(number), number)
    assert history.find(START, survives_restart=True) == 0
    position = history.find(1, survives_restart=False)
    assert position is not None
    assert numbers(history.since(position)) == ["2"]
    assert history.find(2, survives_restart=False) == history.head
    assert history.find(-2, survives_restart=True) is None
    for number in range(3, 300):
        history.append(insert(number), number)
    assert history.is_long()
    history.trim([history.head])
    assert not history.is_long()
    assert history.find(1, survives_restart=True) is None
    position = history.find(250, survives_restart=True)
    assert position is not None
    assert len(numbers(history.since(position))) == 49


def test_an_id_from_before_a_restart_is_found_by_who_can_bear_it() -> None:
    history = History({"T": Source().table}, START)
    history.append(insert(1), 77, restored=True)
    history.append(insert(2), 78)
    assert history.find(77, survives_restart=True) == 1
    assert history.find(77, survives_restart=False) is None
    assert history.find(78, survives_restart=False) == 2


def test_one_slow_follower_costs_one_merged_entry() -> None:
    history = History({"T": Source().table}, START)
    slow = 0
    for number in range(1000):
        history.append(insert(number), number)
        if history.is_long():
            history.trim([slow, history.head])
    assert len(history._entries) <= 2 * module.KEEP_COMMITS + 1
    assert len(numbers(history.since(slow))) == 1000
