"""Mininet builds its network with our tools: hosts behind two switches, on the userspace datapath.

Mininet and the daemons live in a network namespace of the test's own, so that what they leave goes with it.
"""

import os
import subprocess
from pathlib import Path

import pytest

from tests.kit.netns import namespaces
from tests.kit.peers import OUR_BIN, create_database, home, our_ovsdb_server, our_vswitchd

SYSTEM_PYTHON = Path("/usr/bin/python3")  # the one that the system's packages are for
SCHEMA = Path(__file__).parents[2] / "schemas" / "vswitch.ovsschema"

SCRIPT = """
import functools, sys
import mininet.net
from mininet.net import Mininet
from mininet.node import OVSSwitch
from mininet.topo import LinearTopo

mininet.net.fixLimits = lambda: None  # it changes settings of the whole system
switch = functools.partial(OVSSwitch, datapath="user", failMode="standalone", batch=sys.argv[1] == "batch")
net = Mininet(topo=LinearTopo(2), switch=switch, controller=None)
try:
    net.start()
    print("lost", net.pingAll(timeout=20))
finally:
    net.stop()
"""


def has_mininet() -> bool:
    if not SYSTEM_PYTHON.exists():
        return False
    words = [str(SYSTEM_PYTHON), "-c", "import mininet.net"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@pytest.mark.netns
@pytest.mark.parametrize("way", ["batch", "one by one"])
def test_no_ping_is_lost_in_a_network_that_mininet_makes(way: str) -> None:
    if not has_mininet():
        pytest.skip("no Mininet")
    namespace = f"M-{os.getpid()}-a"
    with namespaces(namespace), home() as place:
        create_database(place, schema=SCHEMA)
        place.env["PATH"] = f"{OUR_BIN}:{os.environ['PATH']}"
        with (
            our_ovsdb_server(place, namespace=namespace) as server,
            our_vswitchd(server, namespace=namespace),
        ):
            words: list[str | Path] = ["ip", "netns", "exec", namespace, SYSTEM_PYTHON, "-c", SCRIPT, way]
            done = place.run(*words, check=False, timeout=240)
            assert "lost 0.0" in done.stdout, f"{done.stdout}{done.stderr}"
            assert place.run(OUR_BIN / "ovs-vsctl", "list-br").stdout == ""
