"""OpenStack's ovsdbapp on our server and switch, over a Unix socket and over TLS."""

import json
import re
from pathlib import Path

import pytest

from tests.kit import peers
from tests.kit.certificates import Authority
from tests.kit.peers import OUR_BIN

pytestmark = pytest.mark.peer
CALLS = Path(__file__).parent / "ovsdbapp_calls.py"


@pytest.mark.parametrize("kind", ["unix", "ssl"])
def test_bridges_and_ports_are_configured_through_ovsdbapp(kind: str) -> None:
    with peers.home() as place:
        authority = Authority(place.path)
        client = authority.issue("client")
        options = ("--remote=pssl:0:127.0.0.1", *authority.issue("server").options())
        with (
            peers.our_ovsdb_server(place, *options) as server,
            peers.our_vswitchd(server, "--enable-dummy=override"),
        ):
            place.run(OUR_BIN / "ovs-vsctl", "--no-wait", "init")
            remote = [server.remote]
            if kind == "ssl":
                peers.wait_until(lambda: "listening on port" in server.output(), "it listens")
                [port] = re.findall(r"listening on port (\d+)", server.output())
                remote = [f"ssl:127.0.0.1:{port}", str(client.key), str(client.certificate), str(client.ca)]
            done = place.run(OUR_BIN / "python", CALLS, *remote, timeout=120)
            assert json.loads(done.stdout) == {
                "bridges": ["br0"],
                "ports": ["p0", "p1"],
                "port_to_br": "br0",
                "found": [{"name": "p0"}],
                "other_config": {"a": "b"},
                "external_id": "v",
                "fail_mode": "secure",
                "controllers": ["tcp:127.0.0.1:6653"],
                "cleared": {},
                "left": ["p0"],
                "exists": False,
            }
            assert "Traceback" not in server.output()
