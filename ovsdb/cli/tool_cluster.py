"""The commands of ovsdb-tool that work on clustered databases, and those that take both kinds.

Rule: clustered files are read, never written: we have no clusters.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from appctl.command_line import CliError
from ovsdb.cli import tool_database
from ovsdb.cli.progress import Progress
from ovsdb.cli.tool_command import Options
from ovsdb.cli.tool_common import FALSE, database_path, schema_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ovsdb.storage.clustered import Header
    from ovsdb.storage.reader import Reader


def kind_of(path: Path) -> str:
    """The magic of a database file, "JSON" or "CLUSTER"; NotADatabaseError, FileIOError."""
    from ovsdb.storage.reader import Reader

    reader = Reader(path, magic=None)
    reader.close()
    return reader.magic


def test_kind(magic: str) -> Callable[[Options, list[str]], int]:
    """db-is-standalone and db-is-clustered DB."""
    return lambda options, words: 0 if kind_of(Path(words[0])) == magic else FALSE


def show_log(options: Options, words: list[str]) -> None:
    """show-log [DB]."""
    path = database_path(words)
    if kind_of(path) == "JSON":
        tool_database.show_log(words, options.more)
        return
    from ovsdb.cli.show_cluster import ClusterFormatter

    formatter = ClusterFormatter(options.more)
    reader = _open(path)
    for value, _ in reader.records():
        sys.stdout.write(formatter.format(value))


def show_name(options: Options, words: list[str]) -> None:
    """db-name [DB]."""
    path = database_path(words)
    print(schema_of(path).name if kind_of(path) == "JSON" else _header(path).name)


def refuse(options: Options, words: list[str]) -> None:
    """create-cluster and join-cluster."""
    raise CliError("clustered databases are not supported: use ovsdb-tool create for a standalone one")


def show_cluster_id(options: Options, words: list[str]) -> int:
    """db-cid DB."""
    from ovsdb.schema import ZERO_UUID

    header = _header(Path(words[0]))
    if header.cluster_id == ZERO_UUID:
        print(f"{words[0]}: cluster ID not yet known", file=sys.stderr)
        return FALSE
    print(header.cluster_id)
    return 0


def show_server_id(options: Options, words: list[str]) -> None:
    """db-sid DB."""
    print(_header(Path(words[0])).server_id)


def show_local_address(options: Options, words: list[str]) -> None:
    """db-local-address DB."""
    print(_header(Path(words[0])).local_address)


def to_standalone(options: Options, words: list[str]) -> None:
    """cluster-to-standalone DB CLUSTERDB."""
    import orjson

    from ovsdb.storage import clustered, file

    target, source = map(Path, words)
    if kind_of(source) == "JSON":
        raise CliError("Database is not clustered db.\n")
    reader = _open(source)
    records = reader.records()
    header = clustered.parse_header(next(records)[0])
    made = clustered.Standalone()
    with Progress(f"reading {source.name}", reader.size) as progress:

        def parsed() -> Iterator[clustered.Record]:
            for value, _ in records:
                progress(reader.end)
                yield clustered.parse_record(value)

        for data in clustered.transactions(header, parsed()):
            made.add(data)
    if made.schema is None:
        raise CliError(f"{source}: has not joined the cluster: there is nothing in it")
    file.create(target, made.schema, map(orjson.dumps, made.transactions))


def check(options: Options, words: list[str]) -> int:
    """check-cluster DB..."""
    from ovsdb.storage.check_cluster import check, read_log

    logs = []
    for word in words:
        reader = _open(Path(word))
        logs.append(read_log(word, (value for value, _ in reader.records())))
    report = check(logs)
    for warning in report.warnings:
        print(warning)
    for error in report.errors:
        print(f"ovsdb-tool: {error}", file=sys.stderr)
    return 1 if report.failed else 0


def _open(path: Path) -> Reader:
    from ovsdb.storage.reader import Reader

    return Reader(path, "CLUSTER")


def _header(path: Path) -> Header:
    from ovsdb.storage.clustered import parse_header

    if kind_of(path) == "JSON":
        raise CliError(f"{path}: not a clustered database")
    reader = _open(path)
    return parse_header(next(reader.records())[0])
