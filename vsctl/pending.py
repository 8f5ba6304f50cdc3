"""What the commands of a run would change, for --dry-run."""

from __future__ import annotations

from collections.abc import Iterator

from declare.change import Change, Kind, Names, Step, changes_to_json, format_changes
from declare.columns import KEYS, configuration
from ovsdb.datum import parse_datum
from vsctl.model import Model
from vsctl.output import Report
from vsctl.store import Row
from vsctl.tables import value_of


def report_of_changes(model: Model) -> Report:
    """Rows inserted, modified and deleted, with columns as they were and would be. TryAgain."""
    changes = [*_inserted(model), *_modified(model), *_deleted(model)]
    known = {row.uuid: _name(row) for row in model.store.known_rows()}
    names = Names(known | {change.uuid: change.name for change in changes})
    texts = [format_changes(model.schema, changes, names, colour=colour) for colour in (False, True)]
    return Report(texts[0], changes_to_json(model.schema, changes), texts[1])


def _inserted(model: Model) -> Iterator[Change]:
    for row in model.store.new_rows():
        columns = model.schema.tables[row.table].columns
        steps = {name: Step(None, value_of(row, columns[name])) for name in row.changed}
        yield Change(Kind.INSERT, row.table, row.uuid, steps, _name(row))


def _modified(model: Model) -> Iterator[Change]:
    for row in model.store.modified_rows():
        names = [*row.changed, *row.added, *row.removed]
        key = KEYS.get(row.table)
        model.store.load([row], [*names, *filter(None, [key])])
        columns = model.schema.tables[row.table].columns
        steps = {
            name: Step(parse_datum(columns[name].type, row.known[name]), value_of(row, columns[name]))
            for name in names
        }
        steps = {name: step for name, step in steps.items() if step.old != step.new}
        if steps:
            yield Change(Kind.MODIFY, row.table, row.uuid, steps, _name(row))


def _deleted(model: Model) -> Iterator[Change]:
    for row in model.store.hidden_rows():
        columns = {column.name: column for column in configuration(model.schema.tables[row.table])}
        model.store.load([row], list(columns))
        steps = {name: Step(parse_datum(c.type, row.known[name]), None) for name, c in columns.items()}
        yield Change(Kind.DELETE, row.table, row.uuid, steps, _name(row))


def _name(row: Row) -> str:
    key = KEYS.get(row.table, "")
    value = row.changed.get(key, row.known.get(key))
    return value if isinstance(value, str) else ""
