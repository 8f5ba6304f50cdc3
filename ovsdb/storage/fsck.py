"""Whether a database file is what a server would serve, and what of it would be lost (ovsdb-tool fsck).

Rule: it only reads. A standalone file is checked as a server loads it, record by record: checksum, JSON,
schema, constraints. Everything behind the first damage is lost, since each record says what changes against
those before it; records behind it that are intact in themselves are counted, for whoever wants to look.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ovsdb.engine.database import Database
from ovsdb.errors import OvsdbError
from ovsdb.schema import Schema
from ovsdb.storage import clustered
from ovsdb.storage.base import JsonObject, StorageError
from ovsdb.storage.reader import NotADatabaseError, Reader

SEARCH_FACTOR = 8  # so many times the file's size is read at most to find intact records


class MisfitError(StorageError):
    """A record is intact, but the database cannot be what it says."""

    def __init__(self, path: Path, offset: int, number: int, cause: OvsdbError) -> None:
        super().__init__(f"{path}: record {number} at offset {offset}: {cause}")


@dataclass
class Report:
    """What was found."""

    path: Path
    size: int = 0  # bytes of the file
    kind: str = ""  # "standalone", "clustered", or empty if it is no database
    name: str = ""  # of the schema
    good_records: int = 0  # with the first, the schema
    good_bytes: int = 0
    last_date: int | None = None  # milliseconds since 1970, of the last good commit that has one
    damage: str = ""  # what is wrong at `good_bytes`; empty if nothing is
    intact_behind: list[int] = field(default_factory=list)  # offsets of intact records behind the damage
    intact_bytes: int = 0  # of those
    complete_search: bool = True  # False: there may be more of them

    @property
    def commits(self) -> int:
        """Good records behind the first."""
        return max(0, self.good_records - 1)

    @property
    def lost_bytes(self) -> int:
        """From the damage to the end."""
        return self.size - self.good_bytes if self.damage else 0

    @property
    def repairable(self) -> bool:
        """Whether what is good makes a database."""
        return self.kind == "standalone" and self.good_records > 0

    def to_json(self) -> JsonObject:
        """For programs."""
        damaged: JsonObject = {
            "offset": self.good_bytes,
            "reason": self.damage,
            "lost_bytes": self.lost_bytes,
            "intact_records_behind": len(self.intact_behind),
            "intact_offsets": self.intact_behind,
            "intact_bytes": self.intact_bytes,
            "complete_search": self.complete_search,
            "repairable": self.repairable,
        }
        return {
            "file": str(self.path),
            "size": self.size,
            "kind": self.kind or None,
            "name": self.name or None,
            "records": self.good_records,
            "commits": self.commits,
            "good_bytes": self.good_bytes,
            "last_date": self.last_date,
            "damage": damaged if self.damage else None,
        }


def check(path: Path, progress: Callable[[int], None] = lambda done: None) -> Report:
    """Check a file; FileIOError if it cannot be read. `progress` hears how many bytes are done."""
    report = Report(path)
    try:
        reader = Reader(path, magic=None)
    except NotADatabaseError as e:
        report.damage = str(e)
        report.size = path.stat().st_size
        return report
    try:
        report.size = reader.size
        report.kind = "standalone" if reader.magic == "JSON" else "clustered"
        judge = _standalone(report) if reader.magic == "JSON" else _clustered(report)
        _check_records(report, reader, judge, progress)
        if report.damage:
            _search_behind(report, reader)
    finally:
        reader.close()
    return report


Judge = Callable[[JsonObject], None]


def _check_records(report: Report, reader: Reader, judge: Judge, progress: Callable[[int], None]) -> None:
    try:
        for value, _ in reader.records():
            try:
                judge(value)
            except OvsdbError as e:
                raise MisfitError(report.path, report.good_bytes, report.good_records, e) from None
            report.good_records += 1
            report.good_bytes = reader.end
            progress(reader.end)
    except StorageError as e:
        report.damage = str(e)


def _standalone(report: Report) -> Judge:
    """Takes record after record as a server does; OvsdbError."""
    database: Database | None = None

    def take(value: JsonObject) -> None:
        nonlocal database
        if database is None:
            database = Database(Schema.parse(value))
            report.name = database.schema.name
            return
        database.apply(database.changeset_from_record(value))
        date = value.get("_date")
        report.last_date = date if isinstance(date, int) else report.last_date

    return take


def _clustered(report: Report) -> Judge:
    """The form of each record alone."""

    def take(value: JsonObject) -> None:
        if report.good_records:
            clustered.parse_record(value)
        else:
            report.name = clustered.parse_header(value).name

    return take


def _search_behind(report: Report, reader: Reader) -> None:
    """Find records whose checksum is right behind the damage."""
    budget = SEARCH_FACTOR * report.size
    offset = report.good_bytes
    while (found := reader.find_header(offset)) is not None:
        reader.seek(found)
        try:
            for _ in reader.records():
                report.intact_behind.append(found)
                report.intact_bytes += reader.end - found
                found = reader.end
        except StorageError:
            budget -= reader.position - reader.end
        offset = reader.end
        if budget < 0:  # headers that claim much, again and again
            report.complete_search = False
            return
