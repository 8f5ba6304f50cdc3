"""What a call of a tool loads of the standard library and of others: a call is mostly that.

Rule: a module that is not in the table costs every call of the tool; docs/performance.md has what that is. The figures
there are instructions of a whole call, in millions: python -I -c pass 39, re 21, json 5, typing 19 with its first
NamedTuple, socket 13, dataclasses 35, orjson 15 and more with what it loads, click 90.
"""

import subprocess
import sys

import pytest

OURS = {"appctl", "datapath", "dpctl", "ovsdb", "programs", "rpc", "vsctl"}
EVERY = {  # re is loaded by what pip makes of a console script, and brings enum, functools and collections
    *(
        "re",
        "enum",
        "functools",
        "collections",
        "operator",
        "types",
        "copyreg",
        "keyword",
        "reprlib",
        "itertools",
    ),
    *("atexit", "contextlib", "errno", "gc", "__future__"),
}
CLIENT = EVERY | {"select"}
CALLS: dict[str, tuple[str, set[str]]] = {
    "ovs-vsctl list-br": ("vsctl.cli, vsctl.bridges", CLIENT),
    "ovs-vsctl add-port": ("vsctl.cli, vsctl.ports, appctl.syslog", CLIENT),
    "ovs-vsctl get": ("vsctl.cli, vsctl.records, ovsdb.schema_on_demand", CLIENT),
    "ovs-dpctl --version": ("dpctl.cli", EVERY),
    "ovsdb-tool --version": ("ovsdb.cli.tool", EVERY),
    "ovs-appctl": ("appctl.cli", CLIENT | {"fcntl", "struct"}),
    "ovsdb-client list-dbs": ("ovsdb.cli.client, ovsdb.cli.client_schema", CLIENT),
    "ovsdb-client dump": ("ovsdb.cli.client, ovsdb.cli.client_data, ovsdb.table", CLIENT),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_call_loads_no_more_than_it_needs(call: str) -> None:
    modules, allowed = CALLS[call]
    code = f"import sys; before = set(sys.modules); import {modules}; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    public = {name for name in loaded if not name.startswith("_")}
    assert public - OURS <= allowed
