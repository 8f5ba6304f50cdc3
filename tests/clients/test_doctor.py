"""ovs-vsctl doctor beside running daemons."""

import json

import pytest

from tests.kit.peers import OUR_BIN, Daemon, c_ovsdb_server, c_vswitchd, our_ovsdb_server, wait_until

pytestmark = pytest.mark.peer

PATIENT = "--timeout=60"  # where nothing is wrong, nothing is waited for


def doctor(server: Daemon) -> dict[str, dict[str, str]]:
    done = server.run(OUR_BIN / "ovs-vsctl", PATIENT, "-f", "json", "doctor", check=False, timeout=90)
    assert done.returncode in (0, 3), done.stderr
    findings: list[dict[str, str]] = json.loads(done.stdout)
    assert done.returncode == (3 if any(f["verdict"] == "fail" for f in findings) else 0)
    return {finding["check"]: finding for finding in findings}


def test_daemons_of_open_vswitch_are_looked_at() -> None:
    """As far as the switch can be well with a dummy datapath; the host's own troubles are not looked at here."""
    with (
        c_ovsdb_server(None, "--pidfile") as server,
        c_vswitchd(server, "--pidfile", "--enable-dummy=override", "--disable-system") as switch,
    ):
        server.run(
            OUR_BIN / "ovs-vsctl", "add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=dummy"
        )
        wait_until(lambda: doctor(server)["settled"]["verdict"] == "ok", "the switch has settled")
        found = doctor(server)
        for check in ("server", "database-socket", "database", "schema", "initialised", "switch", "versions"):
            assert found[check]["verdict"] == "ok", found[check]
        for check in ("namespace", "database-file", "datapath-types", "interface-types", "duplicate-tunnels"):
            assert found[check]["verdict"] == "ok", found[check]
        assert str(switch.pid) in found["switch"]["evidence"]
        tunnel = "set interface {0} type=gre options:remote_ip=192.0.2.1 options:local_ip=192.0.2.250"
        words = "add-port br0 a -- {} -- add-port br0 b -- {}".format(tunnel.format("a"), tunnel.format("b"))
        server.run(OUR_BIN / "ovs-vsctl", "--no-wait", *words.split())
        found = doctor(server)
        assert found["duplicate-tunnels"]["verdict"] == "fail"
        assert found["local-addresses"]["verdict"] == "fail"


def test_our_server_without_a_switch_is_looked_at() -> None:
    with our_ovsdb_server(None, "--pidfile") as server:
        found = doctor(server)
        assert found["server"]["verdict"] == found["database"]["verdict"] == "ok"
        assert found["initialised"]["verdict"] == "fail"
        assert found["switch"]["verdict"] == "fail"
        server.run(OUR_BIN / "ovs-vsctl", "--no-wait", "add-br", "br0")
        server.run(OUR_BIN / "ovs-vsctl", "--no-wait", "set", "open_vswitch", ".", "next_cfg=3")
        found = doctor(server)
        assert found["initialised"]["verdict"] == "ok"
        assert found["settled"]["verdict"] == "warn"
        path = server.databases[0]
        with path.open("ab") as file:
            file.write(b"OVSDB JSON 100 " + b"0" * 40 + b"\n{}")
        assert doctor(server)["database-file"]["verdict"] == "fail"
