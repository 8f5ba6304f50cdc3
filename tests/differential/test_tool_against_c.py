"""ovsdb-tool beside the C program: conversions, clustered files, and mistakes on the command line.

The clustered files are made by a C server that is a cluster of its own.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from ovsdb.storage import record
from tests.kit import peers
from tests.kit.peers import C_BIN, C_SBIN, C_SCHEMA, OUR_BIN, Home, is_listening, wait_until
from tests.kit.transcripts import VECTORS

pytestmark = pytest.mark.peer
PROGRAMS = {"c": C_BIN / "ovsdb-tool", "ours": OUR_BIN / "ovsdb-tool"}
SHOP = VECTORS / "shop.ovsschema"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
INSERT = '["shop",{"op":"insert","table":"Note","row":{"text":"a b"}},{"op":"comment","comment":"hi"}]'


@pytest.fixture(scope="module")
def place() -> Iterator[Home]:
    """A home with files that tests read: clustered, standalone and broken ones."""
    with peers.home() as made:
        made.env["OVS_PKGDATADIR"] = str(C_SCHEMA.parent)
        tool = PROGRAMS["c"]
        made.run(tool, "create-cluster", "new.db", C_SCHEMA, "tcp:127.0.0.1:1")
        made.run(tool, "--election-timer=2000", "create-cluster", "slow.db", SHOP, "tcp:127.0.0.1:1")
        made.run(tool, "join-cluster", "joins.db", "shop", "tcp:127.0.0.1:1", "tcp:[::1]:2")
        run_cluster(made, "lived.db")
        made.run(tool, "create", "alone.db", SHOP)
        made.run(tool, "transact", "alone.db", INSERT)
        write_broken(made.path)
        yield made


def run_cluster(place: Home, name: str) -> None:
    """A cluster of one server: transactions, a snapshot, and transactions behind it."""
    place.run(PROGRAMS["c"], "create-cluster", name, SHOP, "unix:raft.sock")
    listening, control = place.path / "c.sock", place.path / "c.ctl"
    argv: list[str | Path] = [
        C_SBIN / "ovsdb-server", name, f"--remote=punix:{listening}", f"--unixctl={control}",
    ]  # fmt: skip
    with peers.daemon(
        "cluster", argv, place, control=control, remote=f"unix:{listening}",
        ready=lambda: is_listening(listening) and is_listening(control),
    ) as server:  # fmt: skip
        wait_until(
            lambda: "Role: leader" in server.appctl("cluster/status", "shop"), "the cluster has a leader"
        )
        for _ in range(2):
            place.run(C_BIN / "ovsdb-client", "transact", server.remote, INSERT)
        server.appctl("ovsdb-server/compact", "shop")
        place.run(C_BIN / "ovsdb-client", "transact", server.remote, INSERT)


def write_broken(path: Path) -> None:
    good = (path / "new.db").read_bytes()

    def cluster(body: bytes) -> bytes:
        return record.format_record(body, b"CLUSTER")[0]

    files = {
        "empty.db": b"",
        "huge.db": b"OVSDB JSON 99999999999999999 " + b"0" * 40 + b"\n{}\n",
        "array.db": record.format_record(b"[]")[0],
        "header.db": cluster(b"{}"),
        "array2.db": cluster(b"[]"),
        "short.db": b"OVSDB CLUSTER 12\n",
        "unknown.db": good + cluster(b'{"foo":1}'),
        "types.db": good + cluster(b'{"term":1,"index":"x"}'),
        "other.ovsschema": SHOP.read_bytes().replace(b'"shop"', b'"store"').replace(b'"text"', b'"words"'),
        "tight.ovsschema": SHOP.read_bytes().replace(
            b'"text": {"type": "string"}', b'"text": {"type": {"key": {"type": "string", "maxLength": 1}}}'
        ),
    }
    for name, data in files.items():
        (path / name).write_bytes(data)
    assert b"maxLength" in files["tight.ovsschema"], "the schema of the vectors is written otherwise now"
    (path / "twin.db").write_bytes((path / "lived.db").read_bytes())


def tool(place: Home, which: str, *args: str | Path) -> str:
    """Exit status and output, without what differs from run to run."""
    done = place.run(PROGRAMS[which], *args, check=False)
    text = UUID.sub("UUID", f"{done.returncode}\n{done.stdout}--\n{done.stderr}")
    return re.sub(r"^\d{4}-\d\d-\d\dT[0-9:]+Z\|\d+\|", "", text, flags=re.MULTILINE)


SAME = """
create-cluster
create-cluster x.db
join-cluster x.db shop
db-cid new.db
db-cid joins.db
db-sid joins.db
db-sid lived.db
db-local-address lived.db
db-local-address joins.db
db-name lived.db
db-name joins.db
db-version lived.db
db-cksum lived.db
show-log new.db
-m show-log new.db
show-log slow.db
show-log joins.db
show-log lived.db
-m show-log lived.db
check-cluster
check-cluster new.db
check-cluster joins.db
check-cluster lived.db
check-cluster lived.db joins.db
check-cluster lived.db new.db
check-cluster lived.db twin.db
check-cluster alone.db
check-cluster missing.db
check-cluster unknown.db
check-cluster types.db
query lived.db []
transact lived.db []
compact lived.db
convert lived.db
needs-conversion lived.db
cluster-to-standalone
cluster-to-standalone alone.db lived.db
cluster-to-standalone x.db alone.db
db-cid
db-cid alone.db
db-sid alone.db
db-local-address alone.db
db-cid missing.db
db-sid missing.db
db-is-clustered lived.db
db-is-standalone lived.db
db-is-clustered alone.db
db-is-clustered huge.db
db-is-standalone empty.db
db-is-standalone missing.db
show-log missing.db
show-log huge.db
show-log array.db
show-log short.db
db-cid header.db
db-name array2.db
db-name short.db
convert alone.db missing.ovsschema
convert missing.db other.ovsschema
convert alone.db tight.ovsschema
convert a b c d
needs-conversion alone.db other.ovsschema
--rbac-role=nobody query alone.db []
list-commands
""".strip().splitlines()


@pytest.mark.parametrize("line", SAME)
def test_it_says_what_the_c_tool_says(place: Home, line: str) -> None:
    before = {path.name: path.read_bytes() for path in place.path.glob("*.db")}
    ours, c = (tool(place, which, *line.split()) for which in ("ours", "c"))
    if line.startswith("-m"):  # rows come in any order
        ours, c = ("\n".join(sorted(text.splitlines())) for text in (ours, c))
    if line == "list-commands":
        ours = "\n".join(
            text for text in ours.split("\n") if text.split()[:1] not in (["fsck"], ["log"], ["stubs"])
        )
    assert ours == c
    (place.path / "x.db").unlink(missing_ok=True)
    assert {path.name: path.read_bytes() for path in place.path.glob("*.db")} == before


def rows(place: Home, path: str) -> object:
    select = '["shop",{"op":"select","table":"Note","where":[]}]'.replace(
        "shop", place.run(PROGRAMS["c"], "db-name", path).stdout.strip()
    )
    answer = orjson.loads(place.run(PROGRAMS["c"], "query", path, select).stdout)
    return [{name: row[name] for name in row if name != "_version"} for row in answer[0]["rows"]]


def test_a_clustered_file_becomes_the_same_standalone_one(place: Home) -> None:
    for which in PROGRAMS:
        place.run(PROGRAMS[which], "cluster-to-standalone", f"{which}.db", "lived.db")
    made, theirs = (
        [orjson.loads(line) for line in (place.path / f"{which}.db").read_bytes().splitlines()[1::2]]
        for which in ("ours", "c")
    )
    assert made == theirs
    assert len(made) == 3
    for which in PROGRAMS:
        (place.path / f"{which}.db").unlink()


@pytest.mark.parametrize("target", [[], ["to.db"]], ids=["in place", "into a file"])
def test_a_conversion_keeps_what_the_new_schema_knows(place: Home, target: list[str]) -> None:
    for which in PROGRAMS:
        (place.path / "from.db").write_bytes((place.path / "alone.db").read_bytes())
        place.run(PROGRAMS[which], "convert", "from.db", "other.ovsschema", *target)
        (place.path / (target[0] if target else "from.db")).rename(place.path / f"{which}.db")
    assert rows(place, "ours.db") == rows(place, "c.db")
    assert tool(place, "c", "needs-conversion", "ours.db", "other.ovsschema").startswith("0\nno")
    logs = [tool(place, "c", "show-log", f"{which}.db") for which in PROGRAMS]
    assert re.sub(r"\d{4}-.*? \"", '"', logs[0]) == re.sub(r"\d{4}-.*? \"", '"', logs[1])
    for which in PROGRAMS:
        (place.path / f"{which}.db").unlink()
    (place.path / "from.db").unlink(missing_ok=True)


ROLES: dict[str, object] = {
    "name": "shop",
    "tables": {
        "RBAC_Role": {
            "columns": {
                "name": {"type": "string"},
                "permissions": {
                    "type": {
                        "key": "string",
                        "value": {"type": "uuid", "refTable": "RBAC_Permission", "refType": "weak"},
                        "min": 0,
                        "max": "unlimited",
                    }
                },
            },
            "isRoot": True,
        },
        "RBAC_Permission": {
            "columns": {
                "table": {"type": "string"},
                "authorization": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
                "insert_delete": {"type": "boolean"},
                "update": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
            },
            "isRoot": True,
        },
        "Free": {"columns": {"n": {"type": "integer"}}, "isRoot": True},
    },
}
ALLOW_FREE = (
    '["shop",{"op":"insert","table":"RBAC_Role",'
    '"row":{"name":"worker","permissions":["map",[["Free",["named-uuid","p"]]]]}},'
    '{"op":"insert","table":"RBAC_Permission","uuid-name":"p","row":{"table":"Free","authorization":"",'
    '"insert_delete":true,"update":"n"}},{"op":"insert","table":"Free","row":{"n":1}}]'
)


@pytest.mark.parametrize("role", ["worker", "nobody", ""])
def test_a_role_permits_what_it_does_with_the_c_tool(place: Home, role: str) -> None:
    (place.path / "roles.ovsschema").write_bytes(orjson.dumps(ROLES))
    for which in PROGRAMS:
        place.run(PROGRAMS[which], "create", f"{which}.db", "roles.ovsschema")
        place.run(PROGRAMS[which], "transact", f"{which}.db", ALLOW_FREE)
    for operation in (
        '{"op":"insert","table":"Free","row":{"n":2}}',
        '{"op":"update","table":"Free","where":[],"row":{"n":3}}',
        '{"op":"delete","table":"Free","where":[]}',
        '{"op":"select","table":"Free","where":[],"columns":["n"]}',
        '{"op":"insert","table":"RBAC_Role","row":{"name":"x"}}',
    ):
        words = (f"--rbac-role={role}", "transact")
        ours, c = (
            tool(place, which, *words, f"{which}.db", f'["shop",{operation}]') for which in ("ours", "c")
        )
        assert ours == c
    for which in PROGRAMS:
        (place.path / f"{which}.db").unlink()


@pytest.mark.parametrize("command", ["compact alone.db", "convert alone.db other.ovsschema"])
def test_a_file_that_is_there_is_not_overwritten(place: Home, command: str) -> None:
    """The C tool overwrites it, against its manual."""
    (place.path / "there.txt").write_text("precious")
    shown = tool(place, "ours", *command.split(), "there.txt")
    assert shown == "1\n--\novsdb-tool: I/O error: there.txt: create failed (File exists)\n"
    assert (place.path / "there.txt").read_text() == "precious"


def test_a_compacted_empty_database_has_the_record_that_says_so(place: Home) -> None:
    for which in PROGRAMS:
        place.run(PROGRAMS["c"], "create", f"{which}.db", SHOP)
        place.run(PROGRAMS[which], "compact", f"{which}.db")
    logs = [tool(place, "c", "show-log", f"{which}.db") for which in PROGRAMS]
    assert re.sub(r"\d{4}-.*? \"", '"', logs[0]) == re.sub(r"\d{4}-.*? \"", '"', logs[1])
    for which in PROGRAMS:
        (place.path / f"{which}.db").unlink()


def test_a_name_that_is_no_text_is_shown_and_nothing_breaks(place: Home) -> None:
    argv: list[str | bytes] = [str(PROGRAMS["ours"]), "db-name", b"caf\xe9.db"]
    done = subprocess.run(argv, cwd=place.path, env=place.env, capture_output=True, timeout=30)
    assert done.returncode == 1
    assert done.stderr == b"ovsdb-tool: I/O error: caf\xe9.db: open failed (No such file or directory)\n"


def test_output_that_cannot_be_written_is_one_line_of_complaint(place: Home) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [PROGRAMS["ours"], "show-log", "alone.db"],
            cwd=place.path, env=place.env, stdout=full, stderr=subprocess.PIPE, text=True, timeout=30,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "ovsdb-tool: standard output: No space left on device\n"


def test_standard_output_that_is_closed_disturbs_nothing(place: Home) -> None:
    done = place.run("sh", "-c", f"{PROGRAMS['ours']} show-log alone.db >&-", check=False)
    assert (done.returncode, done.stderr) == (0, "")
