"""Whether the logs of a cluster's servers agree with themselves and with each other.  No I/O.

Rule: what Raft promises: one leader and one vote of a server in each term, terms that only grow, indexes
without gaps, and the same committed entries everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ovsdb.schema import ZERO_UUID
from ovsdb.storage.base import JsonObject
from ovsdb.storage.clustered import Entry, Header, Record, parse_header, parse_record


@dataclass
class Log:
    """One server's file, as far as it is needed here."""

    name: str
    header: Header
    entries: dict[int, Entry] = field(default_factory=dict)  # by index; the last one written
    leaders: dict[int, str] = field(default_factory=dict)  # by term
    committed: int = 0
    errors: list[str] = field(default_factory=list)
    _term: int = 0
    _end: int = 0  # index of the last entry

    def __post_init__(self) -> None:
        """Begin behind the snapshot."""
        snapshot = self.header.snapshot
        if snapshot is not None:
            self._term = snapshot.term
            self._end = self.committed = snapshot.index

    def add(self, number: int, record: Record, votes: dict[int, str]) -> None:
        """Take the next record; `votes` are those of this server by term."""
        where = f"{self.name}: record {number}"
        term = record.term
        if term and term < self._term:
            self.errors.append(f"{where}: term decreases from {self._term} to {term}")
        self._term = max(self._term, term)
        if record.vote is not None and votes.setdefault(term, record.vote) != record.vote:
            self.errors.append(
                f"{where}: in term {term} voted for both {votes[term][:4]} and {record.vote[:4]}"
            )
        if record.leader is not None and self.leaders.setdefault(term, record.leader) != record.leader:
            self.errors.append(
                f"{where}: term {term} has leaders {self.leaders[term][:4]} and {record.leader[:4]}"
            )
        if record.entry is not None:
            self._add_entry(where, record.entry)
        if record.commit_index is not None:
            if record.commit_index < self.committed:
                self.errors.append(
                    f"{where}: commit index decreases from {self.committed} to {record.commit_index}"
                )
            elif record.commit_index > self._end:
                self.errors.append(
                    f"{where}: commit index {record.commit_index} is beyond the end of the log"
                )
            self.committed = max(self.committed, record.commit_index)

    def _add_entry(self, where: str, entry: Entry) -> None:
        if entry.index > self._end + 1:
            self.errors.append(f"{where}: log is not contiguous: {entry.index} comes after {self._end}")
        if entry.index <= self.committed:
            self.errors.append(f"{where}: entry {entry.index}, which is committed, is overwritten")
        for index in [index for index in self.entries if index > entry.index]:
            del self.entries[index]  # a new leader's entry replaces what came behind
        self.entries[entry.index] = entry
        self._end = entry.index


@dataclass
class Report:
    """What `check` found: texts; `failed` if there is an error among them."""

    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether something is wrong."""
        return bool(self.errors)


def read_log(name: str, records: Iterable[JsonObject]) -> Log:
    """Read one file's records; OvsdbSyntaxError."""
    values = iter(records)
    log = Log(name, parse_header(next(values)))
    votes: dict[int, str] = {}
    for number, value in enumerate(values, 1):
        log.add(number, parse_record(value), votes)
    return log


def check(logs: Iterable[Log]) -> Report:
    """Check each log and all of them together."""
    report = Report()
    joined = []
    for log in logs:
        if log.header.snapshot is None:
            report.warnings.append(f"{log.name} has not joined the cluster, omitting")
        else:
            joined.append(log)
    for log in joined:
        report.errors += log.errors
        if log is not joined[0]:
            _compare_headers(report, joined[0], log)
    _compare_identities(report, joined)
    if report.failed:
        return report
    if not any(log.entries for log in joined):
        report.errors.append("all logs are empty")
    _compare_leaders(report, joined)
    _compare_entries(report, joined)
    return report


def _compare_headers(report: Report, first: Log, log: Log) -> None:
    ours, theirs = first.header, log.header
    if ZERO_UUID not in (ours.cluster_id, theirs.cluster_id) and ours.cluster_id != theirs.cluster_id:
        report.errors.append(
            f"{first.name} has cluster ID {ours.cluster_id[:4]} "
            f"but {log.name} has cluster ID {theirs.cluster_id[:4]}"
        )
    elif ours.name != theirs.name:
        report.errors.append(f"{first.name} is of database {ours.name} but {log.name} of {theirs.name}")


def _compare_identities(report: Report, logs: list[Log]) -> None:
    seen: dict[str, str] = {}
    for log in logs:
        server = log.header.server_id
        if server in seen:
            report.errors.append(f"Duplicate server ID {server[:4]} in {log.name} and {seen[server]}.")
        seen.setdefault(server, log.name)


def _compare_leaders(report: Report, logs: list[Log]) -> None:
    leaders: dict[int, tuple[str, str]] = {}
    for log in logs:
        for term, leader in log.leaders.items():
            known, name = leaders.setdefault(term, (leader, log.name))
            if known != leader:
                report.errors.append(
                    f"term {term} has leader {known[:4]} in {name} but {leader[:4]} in {log.name}"
                )


def _compare_entries(report: Report, logs: list[Log]) -> None:
    committed: dict[int, tuple[Entry, str]] = {}
    for log in logs:
        for index, entry in log.entries.items():
            if index > log.committed:
                continue
            known, name = committed.setdefault(index, (entry, log.name))
            if known != entry:
                report.errors.append(f"committed entry {index} differs between {name} and {log.name}")
