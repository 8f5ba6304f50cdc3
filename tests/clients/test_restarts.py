"""A server that is restarted or converts its database: what real clients make of it, on the C server and ours."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.kit import peers
from tests.kit.idl import Follower
from tests.kit.peers import C_BIN, C_SCHEMA, Daemon

pytestmark = pytest.mark.peer
Start = Callable[..., AbstractContextManager[Daemon]]


@pytest.fixture(params=list(peers.OVSDB_SERVERS))
def start(request: pytest.FixtureRequest) -> Start:
    found: Start = peers.OVSDB_SERVERS[request.param]
    return found


def vsctl(place: peers.Home, *args: str) -> str:
    return place.run(C_BIN / "ovs-vsctl", "--no-wait", *args).stdout


def names(follower: Follower) -> list[Any]:
    return sorted(bridge.name for bridge in follower.rows("Bridge"))


def test_the_python_idl_comes_back_with_what_has_changed_and_its_lock(start: Start) -> None:
    with peers.home() as place:
        with start(place) as server:
            vsctl(place, "init", "--", "add-br", "br0")
            follower = Follower(server)
            follower.idl.set_lock("leader")
            follower.until(lambda: names(follower) == ["br0"] and follower.idl.has_lock, "it follows")
        try:
            with start(place) as server:
                vsctl(place, "add-br", "br1", "--", "del-br", "br0")
                follower.until(lambda: names(follower) == ["br1"], "it has seen what changed meanwhile")
                other = Follower(server)
                other.idl.set_lock("leader")
                other.until(lambda: other.idl.is_lock_contended, "the first has asked for its lock again")
                other.idl.close()
        finally:
            follower.idl.close()


def test_the_python_idl_stays_when_the_database_is_converted(start: Start) -> None:
    with peers.home() as place, start(place) as server:
        vsctl(place, "init", "--", "add-br", "br0")
        follower = Follower(server)
        try:
            follower.until(lambda: names(follower) == ["br0"], "it follows")
            schema = place.path / "next.ovsschema"
            schema.write_text(C_SCHEMA.read_text().replace('"version": "8.3.1"', '"version": "8.3.2"'))
            place.run(C_BIN / "ovsdb-client", "convert", schema)
            assert place.run(C_BIN / "ovsdb-client", "get-schema-version").stdout == "8.3.2\n"
            vsctl(place, "add-br", "br1")
            follower.until(lambda: names(follower) == ["br0", "br1"], "it follows again")
        finally:
            follower.idl.close()


def test_the_c_switch_outlives_its_database_server(start: Start) -> None:
    with (
        peers.home() as place,
        start(place) as server,
        peers.c_vswitchd(server, "--enable-dummy=override") as switch,
    ):
        place.run(C_BIN / "ovs-vsctl", "--timeout=25", "add-br", "br0")
        server.terminate()
        with start(place, name="again"):
            place.run(C_BIN / "ovs-vsctl", "--timeout=25", "add-port", "br0", "p1")
            assert place.run(C_BIN / "ovs-vsctl", "get", "Interface", "p1", "ofport").stdout == "1\n"
            assert "p1" in switch.appctl("dpctl/show")
