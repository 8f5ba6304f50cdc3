"""What test_ovsdbapp.py has PyPI's ovsdbapp do, in a process of its own: it keeps a thread and global TLS settings.

    python ovsdbapp_calls.py REMOTE [PRIVATE_KEY CERTIFICATE CA_CERT]

Prints what it has seen as one line of JSON.
"""

import json
import sys
from typing import Any

from ovs.stream import Stream
from ovsdbapp.backend.ovs_idl import connection
from ovsdbapp.schema.open_vswitch import impl_idl


def main(remote: str, *files: str) -> dict[str, Any]:
    if files:
        Stream.ssl_set_private_key_file(files[0])
        Stream.ssl_set_certificate_file(files[1])
        Stream.ssl_set_ca_cert_file(files[2])
    idl = connection.OvsdbIdl.from_server(remote, "Open_vSwitch")
    api = impl_idl.OvsdbIdl(connection.Connection(idl=idl, timeout=30))
    seen: dict[str, Any] = {}
    with api.transaction(check_error=True) as txn:
        txn.add(api.add_br("br0"))
        txn.add(api.add_port("br0", "p0"))
        txn.add(api.db_set("Interface", "p0", ("external_ids", {"iface-id": "one"})))
    api.add_port("br0", "p1", may_exist=True).execute(check_error=True)
    api.add_port("br0", "p1", may_exist=True).execute(check_error=True)
    api.db_set("Bridge", "br0", ("other_config", {"a": "b"})).execute(check_error=True)
    seen["bridges"] = api.list_br().execute(check_error=True)
    seen["ports"] = sorted(api.list_ports("br0").execute(check_error=True))
    seen["port_to_br"] = api.port_to_br("p0").execute(check_error=True)
    found = api.db_find("Interface", ("external_ids", "=", {"iface-id": "one"}), columns=["name"])
    seen["found"] = found.execute(check_error=True)
    seen["other_config"] = api.db_get("Bridge", "br0", "other_config").execute(check_error=True)
    api.br_set_external_id("br0", "k", "v").execute(check_error=True)
    seen["external_id"] = api.br_get_external_id("br0", "k").execute(check_error=True)
    api.set_fail_mode("br0", "secure").execute(check_error=True)
    seen["fail_mode"] = api.db_get("Bridge", "br0", "fail_mode").execute(check_error=True)
    api.set_controller("br0", ["tcp:127.0.0.1:6653"]).execute(check_error=True)
    seen["controllers"] = api.get_controller("br0").execute(check_error=True)
    api.db_clear("Bridge", "br0", "other_config").execute(check_error=True)
    seen["cleared"] = api.db_get("Bridge", "br0", "other_config").execute(check_error=True)
    api.del_port("p1", "br0").execute(check_error=True)
    seen["left"] = sorted(api.list_ports("br0").execute(check_error=True))
    api.del_br("br0").execute(check_error=True)
    seen["exists"] = api.br_exists("br0").execute(check_error=True)
    api.ovsdb_connection.stop()
    return seen


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
