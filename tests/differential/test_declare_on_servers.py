"""ovs-vsctl's documents on our server and on the C one.

VSWITCH_LARGE=1 takes a lab of 200 bridges with 20 ports each in place of one of 20 with 10.
"""

import json
import os

import pytest

from tests.kit.peers import OUR_BIN, OVSDB_SERVERS, Daemon, c_ovsdb_server, our_ovsdb_server
from tests.kit.peers import wait_until as wait

pytestmark = pytest.mark.peer

BRIDGES, PORTS = (200, 20) if os.environ.get("VSWITCH_LARGE") else (20, 10)
KINDS = (
    "{tag: %d}",
    "{type: gre, options: {remote_ip: 192.0.2.%d}}",
    "{trunks: [1, %d], qos: fast}",
    "{bond_mode: active-backup, interfaces: {a%d: , b: }}",
)


def lab(bridges: int, ports: int) -> str:
    lines = [
        "name: lab",
        "other_config: {flow-limit: 1000}",
        "manager_options: {'ptcp:6640:127.0.0.1': }",
        "bridges:",
    ]
    for bridge in range(bridges):
        lines += [f"  br{bridge}:", "    datapath_type: netdev", "    controller: {'tcp:127.0.0.1:6653': }"]
        lines += [f"    mirrors: {{m: {{select_all: true, output_port: p{bridge}.0}}}}", "    ports:"]
        for port in range(ports):
            body = KINDS[port % len(KINDS)] % (port + 1)
            body = body.replace("{a", f"{{a{bridge}.").replace(", b: ", f", b{bridge}.{port}: ")
            lines.append(f"      p{bridge}.{port}: {body}")
    lines += ["shared: {QoS: {fast: {type: linux-htb, queues: {0: {other_config: {max-rate: 1000000}}}}}}"]
    return "\n".join(lines) + "\n"


def vsctl(server: Daemon, *argv: str, stdin: str = "", status: int = 0) -> str:
    """Standard output; standard error where the status says that something is wrong."""
    done = server.run(
        OUR_BIN / "ovs-vsctl", "--no-wait", "--no-syslog", *argv, check=False, stdin=stdin, timeout=120
    )
    assert done.returncode == status, (argv, done.returncode, done.stderr)
    return done.stderr if status == 1 else done.stdout


def test_a_lab_is_the_same_document_on_both_servers_and_again() -> None:
    with c_ovsdb_server() as theirs, our_ovsdb_server() as ours, our_ovsdb_server() as other:
        (theirs.home.path / "lab.yaml").write_text(lab(BRIDGES, PORTS))
        (ours.home.path / "lab.yaml").write_text(lab(BRIDGES, PORTS))
        vsctl(theirs, "apply", "lab.yaml")
        vsctl(ours, "apply", "lab.yaml")
        text = vsctl(theirs, "export")
        assert vsctl(ours, "export") == text
        assert vsctl(theirs, "diff", "lab.yaml") == ""
        vsctl(other, "apply", "-", stdin=text)
        assert vsctl(other, "export") == text
        assert vsctl(other, "diff", "-", stdin=vsctl(ours, "--format=json", "export")) == ""


@pytest.mark.parametrize("kind", OVSDB_SERVERS)
def test_applying_again_changes_nothing(kind: str) -> None:
    with OVSDB_SERVERS[kind]() as server:
        vsctl(server, "apply", "-", stdin=lab(2, 4))
        vsctl(server, "set", "open_vswitch", ".", "next_cfg=7")
        done = server.run(OUR_BIN / "ovs-vsctl", "-t10", "apply", "-", stdin=lab(2, 4))  # nothing to wait for
        assert done.stdout == ""
        assert vsctl(server, "get", "open_vswitch", ".", "next_cfg") == "7\n"
        vsctl(server, "apply", "--prune", "-", stdin="name: lab")
        assert vsctl(server, "export") == "{}\n"
        assert vsctl(server, "--columns=_uuid", "list", "QoS") == ""


@pytest.mark.parametrize("kind", OVSDB_SERVERS)
def test_a_difference_is_told_and_not_made(kind: str) -> None:
    with OVSDB_SERVERS[kind]() as server:
        vsctl(server, "add-br", "br0", "--", "add-port", "br0", "eth1", "tag=5")
        text = "bridges: {br0: {ports: {eth1: {tag: 7}, eth2: }}}"
        told = vsctl(server, "diff", "-", stdin=text, status=3)
        assert "~ Port eth1\n~   tag: 5 -> 7\n" in told
        assert "+ Interface eth2\n" in told
        data = json.loads(vsctl(server, "-f", "json", "diff", "-", stdin=text, status=3))
        assert {"old": 5, "new": 7} in [change["columns"].get("tag") for change in data]
        vsctl(server, "apply", "--dry-run", "-", stdin=text)
        vsctl(server, "--dry-run", "apply", "-", stdin=text)
        assert vsctl(server, "get", "port", "eth1", "tag") == "5\n"


def test_mistakes_in_a_document_are_one_line_and_change_nothing() -> None:
    with our_ovsdb_server() as server:
        vsctl(server, "add-br", "br0")
        before = vsctl(server, "export")
        for text, said in (
            (
                "bridges: {br1: {ports: {eth1: {tag: x}}}}",
                'bridges.br1.ports.eth1.tag: "x" is not a decimal integer',
            ),
            ("a: [", "ovs-vsctl: -:"),
            ("bridges: {br1: , br1: }", '-:1:18: "br1" stands twice in one mapping'),
        ):
            assert said in vsctl(server, "apply", "-", stdin=text, status=1)
        assert "nowhere: No such file or directory" in vsctl(server, "apply", "nowhere", status=1)
        (server.home.path / "bytes").write_bytes(b"a: 1\nb: \xff")
        assert "bytes:2: this is not UTF-8" in vsctl(server, "apply", "bytes", status=1)
        assert "'apply' command has no '--all' option" in vsctl(server, "apply", "x", "--all", status=1)
        assert vsctl(server, "export") == before


def test_a_file_is_written_whole_or_not_at_all() -> None:
    with our_ovsdb_server() as server:
        vsctl(server, "add-br", "br0")
        vsctl(server, "export", "out.json")
        assert json.loads((server.home.path / "out.json").read_text()) == {"bridges": {"br0": {}}}
        vsctl(server, "export", "--format", "json", "out.yaml")
        assert (server.home.path / "out.yaml").read_text()[0] == "{"
        assert "no/where: No such file" in vsctl(server, "export", "no/where", status=1)
        assert [p.name for p in server.home.path.iterdir() if p.name.startswith(".out")] == []


def test_changes_of_others_at_the_same_time_are_kept() -> None:
    """Two documents applied again and again by two processes: each is true in the end, and nothing is lost."""
    with our_ovsdb_server() as server:
        vsctl(server, "add-br", "br0")
        for name in ("one", "two"):
            ports = ", ".join(f"{name}{number}: {{tag: {number}}}" for number in range(10))
            (server.home.path / name).write_text(f"name: {name}\nbridges: {{br0: {{ports: {{{ports}}}}}}}")
        line = "for i in 1 2 3; do {0} apply $1 && {0} apply $1 || exit 1; done"
        shell = line.format(f"{OUR_BIN}/ovs-vsctl --no-wait --no-syslog")
        server.run("/bin/sh", "-c", f"set -- one; ({shell}) & set -- two; ({shell}); wait $!", timeout=120)
        wait(lambda: len(vsctl(server, "list-ports", "br0").split()) == 20, "all ports are there")


@pytest.mark.parametrize("kind", OVSDB_SERVERS)
def test_a_dry_run_shows_what_would_change(kind: str) -> None:
    with OVSDB_SERVERS[kind]() as server:
        vsctl(
            server, "add-br", "br0", "--", "add-port", "br0", "eth1", "tag=5", "--", "add-port", "br0", "eth2"
        )
        before = vsctl(server, "export")
        words = (
            "--dry-run set port eth1 tag=7 -- del-port eth2 -- add-port br0 eth3 trunks=1,2 -- list-ports br0"
        )
        done = server.run(OUR_BIN / "ovs-vsctl", "--no-wait", *words.split())
        assert done.stdout == "eth1\neth3\n"
        assert sorted(done.stderr.splitlines()) == sorted(
            [
                *("+ Interface eth3", "+ Port eth3", "+   interfaces: [eth3]", "+   trunks: [1, 2]"),
                *("~ Bridge br0", "+   ports: [eth3]", "-   ports: [eth2]"),
                *("~ Port eth1", "~   tag: 5 -> 7", "- Port eth2", "- Interface eth2"),
            ]
        )
        done = server.run(OUR_BIN / "ovs-vsctl", "--no-wait", "-fjson", "--dry-run", "del-br", "br0")
        assert {entry["change"] for entry in json.loads(done.stderr)} == {"delete", "modify"}
        assert vsctl(server, "export") == before
        assert server.run(OUR_BIN / "ovs-vsctl", "--dry-run", "list-br").stderr == ""


def test_the_switch_is_drawn() -> None:
    with our_ovsdb_server() as server:
        vsctl(server, "apply", "-", stdin=lab(2, 4))
        text = vsctl(server, "show", "--graph")
        assert text == vsctl(server, "--graph", "show")
        assert text.count("subgraph cluster_") == 2
        assert 'label="p1.0\\ntag 1"' in text
        assert 'label="p1.2\\ntrunks 1, 3"' in text
        assert '"bond active-backup:' not in text
        assert 'label="p1.3\\nbond active-backup:\\na1.4\\nb1.3"' in text
        assert 'label="gre"' in text
        vsctl(server, "show", "--graphic", status=1)
