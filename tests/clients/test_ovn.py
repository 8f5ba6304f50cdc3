"""OVN on our server: its northd and its tools, and the southbound database over TLS under its own access rules."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.kit import peers
from tests.kit.certificates import Authority, Identity
from tests.kit.peers import Daemon

SCHEMAS = Path("/usr/share/ovn")
BIN = Path("/usr/bin")
PROGRAMS = [BIN / name for name in ("ovn-northd", "ovn-nbctl", "ovn-sbctl")]
pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(not all(p.exists() for p in PROGRAMS), reason="OVN is not installed"),
]


class Ovn:
    """A server with both databases, and northd."""

    def __init__(self, server: Daemon, authority: Authority) -> None:
        self.server = server
        self.authority = authority

    def nb(self, *args: str) -> str:
        """ovn-nbctl, once northd has brought the southbound database up to date."""
        remote = f"--db={self.server.remote}"
        return self.server.run(BIN / "ovn-nbctl", remote, "--wait=sb", "--timeout=25", *args).stdout

    def sb(self, *args: str) -> str:
        return self.server.run(BIN / "ovn-sbctl", f"--db={self.server.remote}", "--timeout=25", *args).stdout

    def sb_as(self, identity: Identity, port: int, *args: str) -> str:
        """ovn-sbctl over TLS; what it says on stderr, nothing when all went well."""
        argv = [f"--db=ssl:127.0.0.1:{port}", "--timeout=25", *identity.options(), *args]
        done = self.server.run(BIN / "ovn-sbctl", *argv, check=False)
        assert (done.returncode == 0) == (not done.stderr)
        return done.stderr

    def names(self, table: str, column: str, key: str = "") -> set[str]:
        text = self.sb("-f", "json", "-d", "json", f"--columns={column}", "list", table)
        cells = [row[0] for row in json.loads(text)["data"]]
        return {dict(cell[1]).get(key, "") if key else cell for cell in cells}

    def listen(self) -> int:
        """The southbound port for chassis."""
        self.sb("set-connection", "role=ovn-controller", "pssl:0:127.0.0.1")
        found: list[str] = []

        def bound() -> bool:
            found[:] = re.findall(r'bound_port="?(\d+)', self.sb("list", "Connection"))
            return bool(found)

        peers.wait_until(bound, "the status tells the port")
        return int(found[0])


@pytest.fixture
def ovn() -> Iterator[Ovn]:
    with ExitStack() as stack:
        place = stack.enter_context(peers.home())
        authority = Authority(place.path)
        databases = [
            peers.create_database(place, f"{n}.db", SCHEMAS / f"ovn-{n}.ovsschema") for n in ("nb", "sb")
        ]
        server = stack.enter_context(
            peers.our_ovsdb_server(
                place,
                "--remote=db:OVN_Southbound,SB_Global,connections",
                *authority.issue("server").options(),
                databases=databases,
            )
        )
        control = place.path / "northd.ctl"
        northd: list[str | Path] = [
            BIN / "ovn-northd",
            f"--ovnnb-db={server.remote}",
            f"--ovnsb-db={server.remote}",
        ]
        stack.enter_context(
            peers.daemon(
                "ovn-northd",
                [*northd, f"--unixctl={control}"],
                place,
                control=control,
                remote=server.remote,
                ready=lambda: peers.is_listening(control),
            )
        )
        yield Ovn(server, authority)


def test_a_logical_switch_and_a_router_become_flows(ovn: Ovn) -> None:
    ovn.nb(
        "ls-add",
        "ls0",
        "--",
        "lsp-add",
        "ls0",
        "p0",
        "--",
        "lsp-set-addresses",
        "p0",
        "02:00:00:00:00:01 10.0.0.2",
    )
    ovn.nb("lr-add", "lr0", "--", "lrp-add", "lr0", "lrp0", "02:00:00:00:ff:01", "10.0.0.1/24")
    ovn.nb(
        *(
            "lsp-add",
            "ls0",
            "up",
            "--",
            "lsp-set-type",
            "up",
            "router",
            "--",
            "lsp-set-addresses",
            "up",
            "router",
        ),
        *("--", "lsp-set-options", "up", "router-port=lrp0"),
    )
    assert ovn.names("Datapath_Binding", "external_ids", "name") == {"ls0", "lr0"}
    assert ovn.names("Port_Binding", "logical_port") == {"p0", "up", "lrp0"}
    flows = ovn.sb("lflow-list", "lr0")
    assert "eth.dst == 02:00:00:00:ff:01" in flows
    assert flows.count("\n") > 50
    ovn.nb("ls-del", "ls0")
    assert ovn.names("Datapath_Binding", "external_ids", "name") == {"lr0"}
    assert ovn.names("Port_Binding", "logical_port") == {"lrp0"}
    assert "Traceback" not in ovn.server.output()


def test_a_chassis_changes_what_is_its_own_and_nothing_else(ovn: Ovn) -> None:
    ovn.nb("ls-add", "ls0", "--", "lsp-add", "ls0", "p0")
    port = ovn.listen()
    me, other = ovn.authority.issue("chassis-1"), ovn.authority.issue("chassis-2")
    denied = r"RBAC rules for client \"chassis-2\" role \"ovn-controller\" prohibit "
    assert ovn.sb_as(me, port, "chassis-add", "chassis-1", "geneve", "127.0.0.1") == ""
    assert denied + "row insertion into table" in ovn.sb_as(
        other, port, "chassis-add", "chassis-3", "geneve", "127.0.0.2"
    )
    assert denied + "row deletion from table" in ovn.sb_as(other, port, "chassis-del", "chassis-1")
    change = ("set", "Chassis", "chassis-1", "external_ids:a=b")
    assert denied + "mutate operation on table" in ovn.sb_as(other, port, *change)
    assert ovn.sb_as(me, port, *change) == ""
    assert "prohibit modification of table" in ovn.sb_as(me, port, "set", "Chassis", "chassis-1", "name=x")
    assert ovn.sb_as(me, port, "lsp-bind", "p0", "chassis-1") == ""
    for table in ("Logical_Flow", "SB_Global"):
        assert "prohibit" in ovn.sb_as(me, port, "--all", "destroy", table)
    assert ovn.names("Chassis", "name") == {"chassis-1"}
    assert ovn.sb_as(me, port, "chassis-del", "chassis-1") == ""
    assert ovn.names("Chassis", "name") == set()
    stranger = Authority(ovn.server.home.path, "other").issue("chassis-1", file="stranger")
    assert ovn.sb_as(stranger, port, "--no-leader-only", "show") != ""
