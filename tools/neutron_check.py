"""Neutron's own calls to Open vSwitch, on our server and switch. Run by the Python that has neutron.

    neutron_check.py DIRECTORY-OF-OUR-PROGRAMS

Rule: what is called is neutron's (neutron.agent.common.ovs_lib, with its native OVSDB implementation); what
is started is ours, in a directory that goes away.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def start(programs: Path, place: Path) -> list[subprocess.Popen[bytes]]:
    """The server and a switch in memory."""
    schema = Path(__file__).resolve().parents[1] / "schemas" / "vswitch.ovsschema"
    subprocess.run([programs / "ovsdb-tool", "create", place / "conf.db", schema], check=True)
    remote = place / "db.sock"
    server: list[str | Path] = [programs / "ovsdb-server", place / "conf.db", f"--remote=punix:{remote}"]
    switch: list[str | Path] = [programs / "ovs-vswitchd", f"unix:{remote}", "--enable-dummy=override"]
    running = [subprocess.Popen(server)]
    deadline = time.monotonic() + 30
    while not remote.exists():
        if time.monotonic() > deadline:
            raise SystemExit("ovsdb-server does not listen")
        time.sleep(0.05)
    subprocess.run([programs / "ovs-vsctl", f"--db=unix:{remote}", "--no-wait", "init"], check=True)
    return [*running, subprocess.Popen(switch)]


def check(remote: str) -> None:
    """What the agents do with a bridge, from its creation to its end."""
    from neutron.agent.common import ovs_lib
    from neutron.conf.agent import ovs_conf, ovsdb_api
    from oslo_config import cfg

    for module, register in ((ovs_conf, "register_ovs_agent_opts"), (ovsdb_api, "register_ovsdb_api_opts")):
        getattr(module, register, lambda: None)()
    cfg.CONF([], project="neutron")
    cfg.CONF.set_override("ovsdb_connection", remote, group="OVS")

    everything = ovs_lib.BaseOVS()
    bridge = everything.add_bridge("br-int")
    assert everything.bridge_exists("br-int")
    assert everything.get_bridges() == ["br-int"]
    bridge.set_secure_mode()
    assert bridge.db_get_val("Bridge", "br-int", "fail_mode") == "secure"
    attributes = [
        ("type", "internal"),
        (
            "external_ids",
            {"iface-id": "port-1", "iface-status": "active", "attached-mac": "fa:16:3e:00:00:01"},
        ),
    ]
    ofport = bridge.add_port("tap1", *attributes)
    assert ofport > 0, ofport
    assert bridge.get_port_name_list() == ["tap1"]
    (port,) = bridge.get_vif_ports()
    assert (port.port_name, port.vif_id, port.vif_mac) == ("tap1", "port-1", "fa:16:3e:00:00:01")
    assert bridge.get_vif_port_by_id("port-1").ofport == ofport
    bridge.set_db_attribute("Port", "tap1", "tag", 7)
    assert bridge.db_get_val("Port", "tap1", "tag") == 7
    assert bridge.get_port_tag_dict() == {"tap1": 7}
    bridge.clear_db_attribute("Port", "tap1", "tag")
    assert bridge.db_get_val("Port", "tap1", "tag") == []
    (row,) = bridge.get_ports_attributes("Interface", columns=["name", "external_ids"])
    assert row["external_ids"]["iface-id"] == "port-1"
    assert everything.get_bridge_for_iface("tap1") == "br-int"
    assert everything.port_exists("tap1")
    bridge.add_tunnel_port("gre1", "192.0.2.1", "192.0.2.2")
    assert bridge.db_get_val("Interface", "gre1", "options")["remote_ip"] == "192.0.2.1"
    bridge.set_controller(["tcp:127.0.0.1:6633"])
    assert bridge.get_controller() == ["tcp:127.0.0.1:6633"]
    bridge.del_controller()
    bridge.delete_port("tap1")
    bridge.delete_ports(all_ports=True)
    assert bridge.get_port_name_list() == []
    bridge.destroy()
    assert everything.get_bridges() == []
    print("neutron's OVS library: everything as it should be")


def main() -> None:
    """Start, check, stop."""
    with tempfile.TemporaryDirectory(prefix="neutron-") as name:
        place = Path(name)
        os.environ.update({f"OVS_{kind}DIR": name for kind in ("RUN", "LOG", "DB", "SYSCONF")})
        running = start(Path(sys.argv[1]), place)
        try:
            check(f"unix:{place}/db.sock")
        finally:
            for process in reversed(running):
                process.terminate()
                process.wait(20)


if __name__ == "__main__":
    main()
