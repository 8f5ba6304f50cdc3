"""ovs-vswitchd on the userspace datapath: what comes and goes while it runs, and how it ends and begins again."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from demo.lab import Host, Programs

pytestmark = pytest.mark.netns
NEIGHBOUR = "10.77.0.1"


@contextlib.contextmanager
def lone_host(programs: Programs) -> Iterator[Host]:
    """A namespace with a switch, joined by the veth pair eth1 to one with the address NEIGHBOUR."""
    directory = Path(tempfile.mkdtemp(prefix="vswitchd-"))
    here, there = f"G-{os.getpid()}-a", f"G-{os.getpid()}-b"
    host = Host("host", here, directory, programs)
    try:
        for namespace in (here, there):
            subprocess.run(["ip", "netns", "add", namespace], check=True)
            subprocess.run(["ip", "-n", namespace, "link", "set", "lo", "up"], check=True)
        connect(host)
        host.start_server()
        host.start_switch()
        yield host
    finally:
        for daemon in ("ovs-vswitchd", "ovsdb-server"):
            host.stop(daemon)
        for namespace in (here, there):
            subprocess.run(["ip", "netns", "del", namespace], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(directory, ignore_errors=True)


def connect(host: Host) -> None:
    """Make the veth pair."""
    peer = host.namespace.removesuffix("a") + "b"
    host.run(f"ip link add eth1 type veth peer name eth1 address 02:00:00:00:77:01 netns {peer}")
    host.run("ip link set eth1 up")
    for command in ("addr add 10.77.0.1/24 dev eth1", "link set eth1 up"):
        subprocess.run(["ip", "-n", peer, *command.split()], check=True)


@pytest.fixture(params=["our server", pytest.param("C server", marks=pytest.mark.peer)])
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    ours = request.param == "our server"
    programs = Programs() if ours else Programs(server=None, tools=None)
    with lone_host(programs) as host:
        host.run("ovs-vsctl add-br br1 -- set bridge br1 datapath_type=netdev")
        host.run("ovs-vsctl add-port br1 eth1")
        host.shell("ip addr add 10.77.0.2/24 dev br1; ip link set br1 up")
        yield host


def wait_until(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def interface(host: Host, name: str, column: str) -> str:
    return host.run(f"ovs-vsctl get interface {name} {column}").strip()


def ping(host: Host) -> str:
    return host.run(f"ping -c 3 -i 0.1 -W 5 {NEIGHBOUR}")


def test_device_that_vanishes_is_an_error_and_forwards_again_when_it_is_back(host: Host) -> None:
    assert " 0% packet loss" in ping(host)
    host.run("ip link del eth1")
    wait_until(lambda: interface(host, "eth1", "ofport") == "-1")
    assert interface(host, "eth1", "error") == '"could not open network device eth1 (No such device)"'
    connect(host)
    wait_until(lambda: interface(host, "eth1", "ofport") not in ("-1", "[]"))
    assert interface(host, "eth1", "error") == "[]"
    wait_until(lambda: interface(host, "eth1", "link_state") == "up")
    assert " 0% packet loss" in ping(host)


def test_state_of_a_link_is_reported(host: Host) -> None:
    assert interface(host, "eth1", "admin_state") == "up"
    host.run("ip link set eth1 down")
    wait_until(lambda: interface(host, "eth1", "admin_state") == "down")
    assert interface(host, "eth1", "link_state") == "down"


def test_port_without_a_device_is_an_error_that_add_port_prints(host: Host) -> None:
    output = host.run("ovs-vsctl add-port br1 eth9", check=False)
    assert "could not open network device eth9 (No such device)" in output
    assert interface(host, "eth9", "ofport") == "-1"


def test_numbers_survive_a_killed_daemon(host: Host) -> None:
    host.run("ovs-vsctl add-port br1 i1 -- set interface i1 type=internal")
    host.run("ovs-vsctl add-port br1 i2 -- set interface i2 type=internal ofport_request=20")
    before = host.run("ovs-appctl dpif/show").splitlines()[1:]
    host.stop("ovs-vswitchd", signal.SIGKILL)
    host.start_switch()
    after = host.run("ovs-appctl dpif/show").splitlines()[1:]
    assert [line.split("/")[0] for line in after] == [line.split("/")[0] for line in before]
    host.shell("ip addr add 10.77.0.2/24 dev br1; ip link set br1 up")
    assert " 0% packet loss" in ping(host)


def test_exit_ends_the_daemon_and_removes_its_pidfile(host: Host) -> None:
    host.run("ovs-appctl exit")
    wait_until(lambda: host.pid("ovs-vswitchd") is None)
    wait_until(lambda: "br1" not in host.run("ip -br link"))


def test_mtu_and_address_that_are_asked_for_are_set(host: Host) -> None:
    host.run(
        "ovs-vsctl add-port br1 i1 -- set interface i1 type=internal mtu_request=1400 "
        r"""'mac="02:00:00:00:00:99"'"""
    )
    wait_until(lambda: interface(host, "i1", "mtu") == "1400")
    wait_until(lambda: interface(host, "i1", "mac_in_use") == '"02:00:00:00:00:99"')
    assert "02:00:00:00:00:99" in host.run("ip link show i1")


def test_configuration_changed_while_the_daemon_was_away_is_applied(host: Host) -> None:
    host.run("ovs-appctl exit")
    wait_until(lambda: host.pid("ovs-vswitchd") is None)
    host.run("ovs-vsctl --no-wait add-port br1 i7 -- set interface i7 type=internal")
    host.run("ovs-vsctl --no-wait del-port br1 eth1")
    host.start_switch()
    shown = host.run("ovs-appctl dpif/show")
    assert " i7 " in shown
    assert " eth1 " not in shown


def test_kernel_bridge_beside_a_userspace_one_is_set_up_or_told_what_is_missing(host: Host) -> None:
    host.run("ovs-vsctl --timeout=20 add-br brk", check=False)
    if Path("/sys/module/openvswitch").exists():
        assert interface(host, "brk", "ofport") == "65534"
    else:
        assert "modprobe openvswitch" in interface(host, "brk", "error")
    assert " 0% packet loss" in ping(host)


def test_server_that_restarts_is_found_again(host: Host) -> None:
    host.stop("ovsdb-server")
    assert " 0% packet loss" in ping(host)
    database = host.directory / "conf.db"
    host.run(f"ovsdb-server {database} --remote=punix:{host.directory}/db.sock --detach --pidfile --log-file")
    host.run("ovs-vsctl --timeout=30 add-port br1 i3 -- set interface i3 type=internal")
    assert interface(host, "i3", "ofport") not in ("-1", "[]")
