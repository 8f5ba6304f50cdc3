"""The doctor's judgements: each check with facts that it fails for and facts that it passes."""

import ipaddress
import os
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509

from rpc.tls_settings import NO_SETTINGS
from tests.kit.peers import OUR_BIN, home
from vsctl.doctor import gather_host
from vsctl.doctor.checks import CHECKS, examine
from vsctl.doctor.command import format_findings
from vsctl.doctor.facts import (
    Certificate,
    Daemon,
    DatabaseFile,
    Device,
    Facts,
    Finding,
    Process,
    Socket,
    Verdict,
)
from vsctl.doctor.gather import certificate, damage_of, gather

OK, WARN, FAIL, UNKNOWN = Verdict.OK, Verdict.WARN, Verdict.FAIL, Verdict.UNKNOWN
NOW = datetime(2026, 5, 1, tzinfo=UTC).timestamp()
DAY = 86400.0


def opt(*values: Any) -> frozenset[Any]:
    return frozenset(values)


def interface(name: str, type_: str = "", error: str = "", **options: str) -> dict[str, Any]:
    return {"name": name, "type": type_, "options": options, "error": opt(error) if error else opt()}


def switch(
    *interfaces: dict[str, Any], bridge: dict[str, Any] | None = None, more: Any = None, **root: Any
) -> dict[str, dict[str, dict[str, Any]]]:
    """Rows of one bridge, br0, with a port for each interface; `more`: table -> UUID -> row."""
    ports = {f"p{i}": {"name": row["name"], "interfaces": opt(f"i{i}")} for i, row in enumerate(interfaces)}
    root_row = {
        "next_cfg": 5,
        "cur_cfg": 5,
        "datapath_types": opt("netdev", "system"),
        "iface_types": opt("gre", "vxlan", "internal"),
        **root,
    }
    br0: dict[str, Any] = {"name": "br0", "datapath_type": "netdev", "ports": opt(*ports), **(bridge or {})}
    tables = {
        "Open_vSwitch": {"o": root_row},
        "Bridge": {"b": br0},
        "Port": ports,
        "Interface": {f"i{i}": row for i, row in enumerate(interfaces)},
    }
    for table, rows in (more or {}).items():
        tables[table] = tables.get(table, {}) | rows
    return tables


def second(**bridge: Any) -> dict[str, Any]:
    """A second bridge, with a patch port to p0."""
    patch = {"name": "p1", "interfaces": opt("i9")}
    return {
        "Bridge": {"b2": {"name": "br1", "ports": opt("p9"), **bridge}},
        "Port": {"p9": patch},
        "Interface": {"i9": interface("p1", "patch", peer="p0")},
    }


PATCH = interface("p0", "patch", peer="p1")
SERVER = Daemon(7, "", True, "", "ovsdb-server (Open vSwitch) 3.1.0", True, 1 << 12)
SWITCH = Daemon(8, "", True, "", "ovs-vswitchd (Open vSwitch) 3.1.0", True, 1 << 12 | 1 << 13)
SOCKET = Socket("/run/db.sock", True, True, "root:root srwxr-x---", True)
FILE = DatabaseFile("/db/conf.db", True, "", 1 << 30, 1000)
HEALTHY = Facts(
    now=NOW,
    rundir="/run",
    module_loaded=True,
    module_available=True,
    tun_problem="",
    devices={"eth0": Device(1600), "eth1": Device(1500)},
    addresses=frozenset([ipaddress.ip_address("192.0.2.9")]),
    routes=[(ipaddress.ip_network("0.0.0.0/0"), "eth0")],
    ipv6_disabled=False,
    network_manager=False,
    switches=[Process(8, "ovs-vswitchd")],
    server=SERVER,
    switch=SWITCH,
    socket=SOCKET,
    schema_version="8.3.1",
    rows=switch(interface("eth1"), interface("gre0", "gre", remote_ip="192.0.2.1", local_ip="192.0.2.9")),
    file=FILE,
)


def tunnel(**options: str) -> dict[str, Any]:
    return {"rows": switch(interface("eth1"), interface("gre0", "gre", **options))}


def controller(fail_mode: str) -> dict[str, Any]:
    row = {"target": "tcp:192.0.2.3:6653", "is_connected": False}
    bridge = {"controller": opt("c"), "fail_mode": opt(fail_mode)}
    return {"rows": switch(bridge=bridge, more={"Controller": {"c": row}})}


KERNEL = {"rows": switch(bridge={"datapath_type": ""})}

# check: (verdict, what is otherwise than in HEALTHY, what the evidence says)
CASES: list[tuple[str, Verdict, dict[str, Any], str]] = [
    ("clock", FAIL, {"now": 0.0}, "the year is 1970"),
    ("clock", FAIL, {"now": datetime(2023, 12, 31, tzinfo=UTC).timestamp()}, "the year is 2023"),
    (
        "run-directory",
        FAIL,
        {"rundir_problem": "there is no such directory"},
        "/run: there is no such directory",
    ),
    ("database-file", FAIL, {"file": FILE._replace(damage="cut")}, "/db/conf.db: cut"),
    ("database-file", WARN, {"file": FILE._replace(exists=False)}, "does not exist"),
    ("disk-space", FAIL, {"file": FILE._replace(free_bytes=1 << 20)}, "1 MiB free"),
    ("disk-space", WARN, {"file": FILE._replace(free_bytes=9 << 20)}, "9 MiB free"),
    ("disk-space", FAIL, {"file": FILE._replace(free_inodes=0)}, "0 inodes free"),
    ("disk-space", UNKNOWN, {"file": None}, "cannot be looked at"),
    ("server", FAIL, {"server": Daemon(why_not="no pidfile")}, "ovsdb-server does not run: no pidfile"),
    ("server", FAIL, {"server": Daemon(7, why_silent="late")}, "(process 7) does not answer on its control"),
    ("switch", FAIL, {"switch": Daemon(why_not="no pidfile")}, "ovs-vswitchd does not run: no pidfile"),
    ("database-socket", FAIL, {"socket": Socket("/s", False)}, "/s does not exist"),
    ("database-socket", FAIL, {"socket": Socket("/s", True, False)}, "/s is no socket"),
    ("database-socket", FAIL, {"socket": SOCKET._replace(writable=False)}, "this user may not connect"),
    ("database-socket", FAIL, {"socket": SOCKET._replace(refusal="refused")}, "nobody accepts connections"),
    ("database-socket", UNKNOWN, {"socket": None}, "over the network"),
    ("database", FAIL, {"database_problem": "unix:/s: refused"}, "unix:/s: refused"),
    ("schema", WARN, {"schema_version": "7.16.1"}, "7.16.1, older"),
    ("schema", UNKNOWN, {"schema_version": ""}, "cannot be read"),
    ("initialised", FAIL, {"rows": {}}, "no row in Open_vSwitch"),
    (
        "versions",
        WARN,
        {"server": SERVER._replace(version="ovsdb-server (Open vSwitch) 2.0.0")},
        "but ovs-vswitchd",
    ),
    ("versions", UNKNOWN, {"switch": Daemon()}, "not both daemons answer"),
    ("one-switch", WARN, {"switches": [Process(8, "a"), Process(9, "b")]}, "several ovs-vswitchd run"),
    ("namespace", WARN, {"switch": SWITCH._replace(same_namespace=False)}, "in another network namespace"),
    (
        "capabilities",
        FAIL,
        {"switch": SWITCH._replace(capabilities=0)},
        "lacks CAP_NET_ADMIN and CAP_NET_RAW",
    ),
    ("capabilities", FAIL, {"switch": SWITCH._replace(capabilities=1 << 12)}, "lacks CAP_NET_RAW"),
    (
        "kernel-module",
        FAIL,
        {**KERNEL, "module_loaded": False, "module_available": False},
        "no openvswitch module",
    ),
    ("kernel-module", WARN, {**KERNEL, "module_loaded": False}, "needed by br0"),
    ("kernel-module", OK, {"module_loaded": False, "module_available": False}, "no bridge needs it"),
    ("tun", FAIL, {"tun_problem": "it does not exist"}, "/dev/net/tun: it does not exist; needed by br0"),
    ("tun", UNKNOWN, {"tun_problem": None}, "cannot be looked at"),
    (
        "datapath-types",
        FAIL,
        {"rows": switch(bridge={"datapath_type": "dpdk"})},
        'datapath_type as of br0 ("dpdk")',
    ),
    ("interface-types", FAIL, {"rows": switch(interface("x", "lisp"))}, 'no type as of x ("lisp")'),
    ("interface-types", UNKNOWN, {"rows": switch(iface_types=opt())}, "has not written iface_types"),
    ("settled", WARN, {"rows": switch(next_cfg=6)}, "next_cfg is 6, cur_cfg 5"),
    ("interface-errors", FAIL, {"rows": switch(interface("eth9", error="gone"))}, "eth9: gone"),
    ("devices", FAIL, {"rows": switch(interface("eth9"))}, "no such device: eth9"),
    (
        "devices",
        OK,
        {"rows": switch(interface("br0", "internal"), interface("x", "internal"))},
        "every port's",
    ),
    ("devices", UNKNOWN, {"switch": SWITCH._replace(same_namespace=False)}, "cannot be looked at"),
    ("enslaved", FAIL, {"devices": {"eth1": Device(1500, "docker0", "bridge")}}, "eth1 (in bridge docker0)"),
    ("enslaved", OK, {"devices": {"eth1": Device(1500, "ovs-system", "openvswitch")}}, "no port's device"),
    (
        "offloads",
        WARN,
        {"devices": {"eth1": Device(1500, receives_large=True)}},
        "large receive offload is on: eth1",
    ),
    ("network-manager", WARN, {"network_manager": True}, "it may take eth1 up"),
    (
        "vlans",
        WARN,
        {"rows": switch(more={"Port": {"x": {"name": "x", "tag": opt(5), "trunks": opt(1)}}})},
        "no effect: x",
    ),
    ("patches", FAIL, {"rows": switch(PATCH)}, "patch ports without a peer: p0"),
    ("patches", OK, {"rows": switch(PATCH, more=second())}, "2 patch ports have their peers"),
    ("mixed-datapaths", FAIL, {"rows": switch(PATCH, more=second(datapath_type=""))}, "p0, p1"),
    ("mixed-datapaths", OK, {"rows": switch(PATCH, more=second(datapath_type="netdev"))}, "of one kind"),
    (
        "duplicate-tunnels",
        FAIL,
        {
            "rows": switch(
                interface("a", "gre", remote_ip="192.0.2.1"), interface("b", "gre", remote_ip="192.0.2.1")
            )
        },
        "same ends and key: a and b",
    ),
    (
        "duplicate-tunnels",
        OK,
        {
            "rows": switch(
                interface("a", "gre", remote_ip="192.0.2.1", key="1"),
                interface("b", "gre", remote_ip="192.0.2.1", key="2"),
            )
        },
        "2 different tunnels",
    ),
    ("local-addresses", FAIL, tunnel(remote_ip="192.0.2.1", local_ip="192.0.2.8"), "gre0 (192.0.2.8)"),
    ("local-addresses", OK, tunnel(remote_ip="flow", local_ip="flow"), "every local_ip"),
    ("ipv6", FAIL, {**tunnel(remote_ip="2001:db8::1"), "ipv6_disabled": True}, "needed by gre0"),
    ("ipv6", OK, tunnel(remote_ip="2001:db8::1"), "IPv6 is enabled"),
    (
        "ipv6",
        FAIL,
        {
            "rows": switch(more={"Manager": {"m": {"target": "ssl:[fe80::1%eth0]:6640"}}}),
            "ipv6_disabled": True,
        },
        "needed by ssl:[fe80::1%eth0]:6640",
    ),
    (
        "tunnel-mtu",
        WARN,
        {"devices": {"eth0": Device(1500), "eth1": Device(1500)}},
        "1500 inside, but 1462 fit",
    ),
    ("tunnel-mtu", OK, {"devices": {"eth0": Device(1538), "eth1": Device(1500)}}, "fit into the tunnels"),
    ("tunnel-mtu", OK, {"routes": []}, "no tunnel has a route"),
    (
        "certificates",
        FAIL,
        {"certificates": [Certificate("/c", NOW + DAY, NOW + 9 * DAY)]},
        "not valid before 2026-05",
    ),
    (
        "certificates",
        FAIL,
        {"certificates": [Certificate("/c", 0, NOW - DAY)]},
        "/c has expired on 2026-04-30",
    ),
    ("certificates", WARN, {"certificates": [Certificate("/c", 0, NOW + DAY)]}, "/c expires on 2026-05-02"),
    ("certificates", FAIL, {"certificates": [Certificate("/c", error="gone")]}, "/c: gone"),
    ("certificates", OK, {"certificates": [Certificate("/c", 0, NOW + 99 * DAY)]}, "valid until 2026-08"),
    ("controllers", FAIL, controller("secure"), "fail_mode is secure: br0"),
    ("controllers", WARN, controller("standalone"), "no controller is connected: br0"),
    ("managers", WARN, {"rows": switch(more={"Manager": {"m": {"target": "tcp:1.2.3.4"}}})}, "tcp:1.2.3.4"),
    (
        "managers",
        OK,
        {"rows": switch(more={"Manager": {"m": {"target": "ptcp:6640"}}})},
        "no managers to connect",
    ),
]


@pytest.mark.parametrize("check", CHECKS)
def test_a_check_passes_on_a_healthy_host_and_fails_in_some_case(check: str) -> None:
    assert CHECKS[check](HEALTHY)[0] is OK
    assert [case for case in CASES if case[0] == check and case[1] in (WARN, FAIL)]


@pytest.mark.parametrize(("check", "verdict", "otherwise", "said"), CASES)
def test_a_check_says_what_is_wrong(
    check: str, verdict: Verdict, otherwise: dict[str, Any], said: str
) -> None:
    found, evidence, remedy = CHECKS[check](replace(HEALTHY, **otherwise))
    assert found is verdict
    assert said in evidence
    assert bool(remedy) == (verdict in (WARN, FAIL))


def test_without_any_facts_nothing_is_said_to_be_well_that_was_not_looked_at() -> None:
    findings = {finding.check: finding.verdict for finding in examine(Facts(database_problem="no server"))}
    assert findings["database"] is findings["server"] is findings["switch"] is FAIL
    assert findings["devices"] is findings["tunnel-mtu"] is findings["settled"] is UNKNOWN


def test_findings_are_printed_with_what_to_do() -> None:
    findings = [Finding("a", OK, "fine"), Finding("b", FAIL, "bad", "mend it")]
    assert format_findings(findings).splitlines() == [
        *("ok       a: fine", "fail     b: bad", "         -> mend it"),
        "2 checks: 1 ok, 0 warn, 1 fail, 0 unknown",
    ]
    assert "\x1b[31mfail   \x1b[0m  b: bad" in format_findings(findings, colour=True)


# --- gathering


def test_damage_of_a_database_file(tmp_path: Path) -> None:
    path, late = tmp_path / "conf.db", float("inf")
    record = b"OVSDB JSON 3 " + b"0" * 40 + b"\n{}\n"
    for content, said in (
        (b"", "the file is empty"),
        (b"junk\n", "this is no database"),
        (record * 3, ""),
        (record + b"x", f"no record begins at byte {len(record)}"),
        (record * 2 + record[:-2], "record 3 ends 2 bytes after the end of the file"),
    ):
        path.write_bytes(content)
        assert damage_of(str(path), late) == said


def test_a_certificate_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cert.pem"
    until = datetime.now(UTC) + timedelta(days=9)
    issued = trustme.CA().issue_cert("host", not_after=until)
    issued.cert_chain_pems[0].write_to_path(str(path))
    read = x509.load_pem_x509_certificate(path.read_bytes())
    found = certificate(str(path))
    assert found == Certificate(
        str(path), read.not_valid_before_utc.timestamp(), read.not_valid_after_utc.timestamp()
    )
    path.write_text("junk")
    assert certificate(str(path)).error == "this is no certificate in PEM form"
    assert certificate("/nowhere").error == "No such file or directory"


def test_the_host_is_read() -> None:
    devices = gather_host.devices()
    assert devices is not None
    assert devices["lo"].mtu > 0
    addresses = gather_host.addresses()
    assert addresses is not None
    assert gather_host.routes() is not None
    assert gather_host.same_namespace(os.getpid()) is True
    assert gather_host.capabilities(os.getpid()) is not None
    assert gather_host.capabilities(2**22 + 1) is None
    comm = Path("/proc/self/comm").read_text().strip()
    assert os.getpid() in [process.pid for process in gather_host.processes(comm)]
    assert gather_host.runs("no such name") is False


def test_it_reports_where_nothing_runs() -> None:
    with home() as place:
        (place.path / "db.sock").write_text("")
        done = place.run(OUR_BIN / "ovs-vsctl", "doctor", check=False)
        assert done.returncode == 3
        assert "fail     server: ovsdb-server does not run" in done.stdout
        assert f"fail     database-socket: {place.path}/db.sock is no socket" in done.stdout
        assert done.stderr == ""
        done = place.run(OUR_BIN / "ovs-vsctl", "doctor", "--", "show", check=False)
        assert done.stderr.startswith("ovs-vsctl: 'doctor' cannot be combined with other commands")


def test_a_server_that_never_answers_is_not_waited_for(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        facts = gather(f"unix:{tmp_path}/s", NO_SETTINGS, 0.2)
    assert facts.database_problem.endswith("no answer in time")
