"""Our ovs-vsctl beside the C one, each on a C server of its own with the same contents.

Compared: standard output (lines sorted: the C tool lists rows in the order of their hashes; UUIDs masked), exit status,
the whole database afterwards (rows compared by what they hold), and the complaint.
"""

import contextlib
import io
import re
import shlex
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ovsdb.client.blocking import Client, connect
from ovsdb.client.transaction import check_results
from rpc.address import parse_active
from tests.kit.peers import C_BIN, Daemon, c_ovsdb_server
from vsctl.cli import main

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
COMPLAINT = re.compile(r"(/usr/bin/)?ovs-vsctl: ")
VAGUE = re.compile(r"(?<=database connection failed) \(.*\)$|(?<=is ambiguous; possibilities: ).*")

# Where ours says something else on purpose, see docs/compatibility.md: (ours, theirs).
KEPT = (
    (
        r'"add" operation would put \d+ values in column',
        r"transaction error: .*(Type mismatch|set must have)",
    ),
    (
        r'"\S+" is not a valid integer or range',
        r'"\S+" is not a valid range|constraint violation: Range|.*: syntax error at',
    ),
    # Of several mistakes the server tells the first; the C tool sends rows in the order of their hashes.
    (r"transaction error: .*constraint violation", r"transaction error: .*constraint violation"),
)


@dataclass(frozen=True)
class Result:
    """What one run showed."""

    stdout: list[str]  # lines, sorted, UUIDs masked
    status: int
    complaint: str  # the line on stderr that begins with the program's name


@dataclass
class Pair:
    """The two servers."""

    ours: Daemon
    theirs: Daemon
    our_client: Client
    their_client: Client

    def run_ours(self, *argv: str) -> Result:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main([f"--db={self.ours.remote}", "--no-wait", *argv])
            except SystemExit as ended:
                status = int(ended.code or 0)
        return result(out.getvalue(), err.getvalue(), status)

    def run_theirs(self, *argv: str) -> Result:
        done = self.theirs.run(
            C_BIN / "ovs-vsctl", f"--db={self.theirs.remote}", "--no-wait", *argv, check=False
        )
        return result(done.stdout, done.stderr, done.returncode)

    def reset(self, operations: Sequence[Any] = ()) -> None:
        """Empty both databases, then execute these operations on both."""
        roots = [name for name, table in self.our_client.schema.tables.items() if table.is_root]
        for client in (self.our_client, self.their_client):
            client.transact([{"op": "delete", "table": table, "where": []} for table in roots])
            check_results(client.transact(list(operations)))

    def check(self, line: str) -> None:
        """Run one command line on both, and compare."""
        argv = shlex.split(line)
        theirs, ours = self.run_theirs(*argv), self.run_ours(*argv)
        if theirs.status == -signal.SIGSEGV:  # a range as the key of a map, for one
            assert ours.status == 1, line
            return
        said = f"{line}\n{ours}\n{theirs}"
        assert (ours.status, ours.stdout) == (theirs.status, theirs.stdout), said
        assert is_same_complaint(ours.complaint, theirs.complaint), said
        our_rows, their_rows = contents(self.our_client), contents(self.their_client)
        assert our_rows == their_rows, f"{line}\n{our_rows}\n{their_rows}"


def result(stdout: str, stderr: str, status: int) -> Result:
    complaints = [line for line in stderr.splitlines() if COMPLAINT.match(line)]
    complaint = UUID.sub("UUID", COMPLAINT.sub("", complaints[-1])) if complaints else ""
    return Result(sorted(UUID.sub("UUID", stdout).split("\n")), status, complaint)


def is_same_complaint(ours: str, theirs: str) -> bool:
    """Except for lists that have no order, and the reason for a failed connection, which depends on chance.

    The C tool's text ends early where it prints the null byte at the end of its input.
    """
    if any(re.match(one, ours) and re.match(other, theirs) for one, other in KEPT):
        return True
    if theirs.endswith('syntax error at "'):
        return ours.startswith(theirs)
    return VAGUE.sub("", ours) == VAGUE.sub("", theirs)


def contents(client: Client) -> dict[str, list[str]]:
    """Table -> its rows, each written out with the rows that it refers to in place of their UUIDs."""
    tables = list(client.schema.tables)
    select: list[Any] = [{"op": "select", "table": table, "where": []} for table in tables]
    results: list[Any] = client.transact(select)
    rows: dict[str, dict[str, Any]] = {}
    of_table: dict[str, list[str]] = {}
    for table, answer in zip(tables, results, strict=True):
        of_table[table] = [row["_uuid"][1] for row in answer["rows"]]
        rows |= {row["_uuid"][1]: row for row in answer["rows"]}

    def written(value: Any) -> str:
        if isinstance(value, list) and value[:1] == ["uuid"]:
            return written_row(value[1])
        if isinstance(value, list) and value[:1] in (["set"], ["map"]):
            return f"{value[0]}({', '.join(sorted(written(member) for member in value[1]))})"
        return f"[{', '.join(map(written, value))}]" if isinstance(value, list) else repr(value)

    def written_row(uuid: str) -> str:
        columns = sorted(rows[uuid].items())
        return str(
            [f"{name}={written(value)}" for name, value in columns if name not in ("_uuid", "_version")]
        )

    return {table: sorted(map(written_row, uuids)) for table, uuids in of_table.items() if uuids}


@contextlib.contextmanager
def vsctl_pair() -> Iterator[Pair]:
    """Start the two servers."""
    with (
        c_ovsdb_server() as ours,
        c_ovsdb_server() as theirs,
        connect([parse_active(ours.remote)], "Open_vSwitch") as our_client,
        connect([parse_active(theirs.remote)], "Open_vSwitch") as their_client,
    ):
        yield Pair(ours, theirs, our_client, their_client)
