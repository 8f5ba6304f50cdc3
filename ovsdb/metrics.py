"""The state of a server as Prometheus figures.

Rule: they are read when they are asked for, and their number is bounded: no more than BACKLOGS sessions are
shown by name.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ovsdb.figures import BOUNDS
from ovsdb.storage.file import FileStorage

if TYPE_CHECKING:
    from ovsdb.hosted import HostedDatabase
    from ovsdb.server import Server

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BACKLOGS = 20  # sessions shown by name


class ServerCollector(Collector):
    """Looks at a server."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def describe(self) -> list[Metric]:
        """Nothing is looked at when the collector is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every figure."""
        yield from self._of_server()
        yield from _of_databases(self._server.hub.databases)

    def _of_server(self) -> Iterator[Metric]:
        server = self._server
        yield GaugeMetricFamily("ovsdb_sessions", "Clients that are connected.", len(server.hub.sessions))
        yield GaugeMetricFamily("ovsdb_max_sessions", "How many there may be.", server.hub.limits.sessions)
        refused, failed = server.refusals()
        yield CounterMetricFamily("ovsdb_sessions_refused", "Clients beyond --max-sessions.", refused)
        yield CounterMetricFamily(
            "ovsdb_tls_handshakes_failed", "Clients without an acceptable certificate.", failed
        )
        backlogs = server.backlogs()
        total = sum(size for _, size in backlogs)
        yield GaugeMetricFamily("ovsdb_backlog_bytes", "Bytes that wait to be taken by clients.", total)
        by_session = GaugeMetricFamily(
            "ovsdb_session_backlog_bytes", "The same, of those for whom most waits.", labels=["session"]
        )
        for name, size in sorted(backlogs, key=lambda each: -each[1])[:BACKLOGS]:
            by_session.add_metric([name], size)
        yield by_session


def _of_databases(databases: dict[str, HostedDatabase]) -> Iterator[Metric]:
    def gauge(name: str, what: str, *more: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(name, what, labels=["database", *more])

    commits = CounterMetricFamily(
        "ovsdb_commits", "Transactions that changed something.", labels=["database"]
    )
    latency = HistogramMetricFamily(
        "ovsdb_transaction_seconds",
        "From a request to its answer, on disk where that was asked for; without transactions that waited.",
        labels=["database"],
    )
    monitors = gauge("ovsdb_monitors", "Monitors of all clients.")
    waiting = gauge("ovsdb_waiting_transactions", "Transactions in a wait.")
    rows = gauge("ovsdb_rows", "Rows of a table.", "table")
    history = gauge("ovsdb_history_rows", "Row changes kept for clients that come back.")
    kept = gauge("ovsdb_history_bytes", "Of the records that brought them.")
    size = gauge("ovsdb_file_bytes", "Size of the database file.")
    compacted = gauge("ovsdb_compacted_timestamp_seconds", "When the file was compacted last, or opened.")
    records = gauge("ovsdb_records_since_compaction", "Records added to the file since.")
    now, monotonic = time.time(), time.monotonic()
    for name, hosted in databases.items():
        figures = hosted.figures
        commits.add_metric([name], figures.commits)
        latency.add_metric([name], _buckets(figures.classes), figures.seconds)
        monitors.add_metric([name], len(hosted.monitors))
        waiting.add_metric([name], len(hosted.triggers))
        history.add_metric([name], hosted.history.rows())
        kept.add_metric([name], hosted.history.record_bytes())
        for table in hosted.tables.values():
            rows.add_metric([name, table.name], len(table.rows))
        storage = hosted.storage
        if isinstance(storage, FileStorage):
            size.add_metric([name], storage.size)
            compacted.add_metric([name], now - (monotonic - storage.compacted_at))
            records.add_metric([name], storage.appended)
    yield from (commits, latency, monitors, waiting, rows, history, kept, size, compacted, records)


def _buckets(classes: list[int]) -> list[tuple[str, float]]:
    """Cumulative, as Prometheus has them."""
    total, found = 0, []
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), classes, strict=True):
        total += count
        found.append((bound, float(total)))
    return found


def make_registry(server: Server) -> CollectorRegistry:
    """A registry of its own, so that two servers in one process do not meet."""
    registry = CollectorRegistry()
    registry.register(ServerCollector(server))
    return registry


def format_metrics(registry: CollectorRegistry) -> bytes:
    """The figures in Prometheus' text format."""
    return generate_latest(registry)
