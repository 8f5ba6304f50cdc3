"""ovs-vswitchd on the kernel's datapath: what a restart leaves alone, what vanishes and returns, what --cleanup removes."""

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

NEIGHBOUR = "10.78.0.1"


@pytest.fixture(scope="module")  # a minute to make, in the virtual machine
def host() -> Iterator[Host]:
    """A switch in a namespace; two of its ports lead to one with the address NEIGHBOUR and to one with .3."""
    directory = Path(tempfile.mkdtemp(prefix="vswitchd-"))
    here = f"vk-{os.getpid()}-switch"
    host = Host("switch", here, directory, Programs(server=None, tools=None))
    try:
        subprocess.run(["ip", "netns", "add", here], check=True)
        host.run("ip link set lo up")
        for number in (1, 3):
            subprocess.run(["ip", "netns", "add", station(host, number)], check=True)
            connect(host, number)
        host.start_server()
        host.start_switch()
        host.run("ovs-vsctl add-br br1 -- add-port br1 p1 -- add-port br1 p3")
        yield host
    finally:
        with contextlib.suppress(Exception):
            host.run("ovs-appctl exit --cleanup", check=False)
        for daemon in ("ovs-vswitchd", "ovsdb-server"):
            host.stop(daemon)
        for namespace in (station(host, 1), station(host, 3), here):
            subprocess.run(["ip", "netns", "del", namespace], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(directory, ignore_errors=True)


def station(host: Host, number: int) -> str:
    return f"{host.namespace}-{number}"


def connect(host: Host, number: int) -> None:
    there = station(host, number)
    near, far = f"00:16:3e:00:78:0{number}", f"02:00:00:00:78:0{number}"  # as of hardware, and not
    host.run(f"ip link add p{number} address {near} type veth peer name eth0 address {far} netns {there}")
    host.run(f"ip link set p{number} up")
    for command in (f"addr add 10.78.0.{number}/24 dev eth0", "link set eth0 up"):
        subprocess.run(["ip", "-n", there, *command.split()], check=True)


def start_ping(host: Host, options: str) -> subprocess.Popen[str]:
    """Ping NEIGHBOUR from the other station; both know the other's address, since ARP would need the daemon."""
    for here, there in ((1, 3), (3, 1)):
        neighbour = f"neigh replace 10.78.0.{there} lladdr 02:00:00:00:78:0{there} dev eth0 nud permanent"
        subprocess.run(["ip", "-n", station(host, here), *neighbour.split()], check=True)
    command = f"ip netns exec {station(host, 3)} ping {options} -i 0.1 -W 10 {NEIGHBOUR}"
    return subprocess.Popen(command.split(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def ping(host: Host) -> str:
    return start_ping(host, "-c 5").communicate(timeout=120)[0]


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


def interface(host: Host, name: str, column: str) -> str:
    return host.run(f"ovs-vsctl get interface {name} {column}").strip()


def ports(host: Host) -> list[str]:
    return [line for line in host.run("ovs-dpctl show").splitlines() if line.startswith("  port ")]


def test_killed_daemon_is_not_missed_and_its_successor_adopts_all(host: Host) -> None:
    assert " 0% packet loss" in ping(host)
    before = ports(host)
    shown = host.run("ovs-appctl dpif/show").splitlines()[1:]
    running = start_ping(host, "-q")
    host.stop("ovs-vswitchd", signal.SIGKILL)
    host.start_switch()
    host.run("ovs-appctl revalidator/wait")
    running.send_signal(signal.SIGINT)
    output = running.communicate(timeout=120)[0]
    assert " 0% packet loss" in output
    assert ports(host) == before
    assert host.run("ovs-appctl dpif/show").splitlines()[1:] == shown
    assert "02:00:00:00:78:01" in host.run("ovs-appctl fdb/show br1")


def test_device_that_vanishes_is_an_error_and_forwards_again_when_it_is_back(host: Host) -> None:
    assert " 0% packet loss" in ping(host)
    host.run("ip link del p1")
    wait_until(lambda: interface(host, "p1", "ofport") == "-1")
    assert interface(host, "p1", "error") == '"could not open network device p1 (No such device)"'
    connect(host, 1)
    wait_until(lambda: interface(host, "p1", "link_state") == "up")
    assert " 0% packet loss" in ping(host)


def test_bridge_takes_the_lowest_address_of_its_ports(host: Host) -> None:
    addresses = [interface(host, port, "mac_in_use") for port in ("p1", "p3")]
    wait_until(lambda: interface(host, "br1", "mac_in_use") == min(addresses))


def test_exit_leaves_the_datapath_and_cleanup_removes_it(host: Host) -> None:
    assert " 0% packet loss" in ping(host)
    host.run("ovs-appctl exit")
    wait_until(lambda: host.pid("ovs-vswitchd") is None)
    assert "ovs-system" in host.run("ovs-dpctl show")
    host.start_switch()
    host.run("ovs-appctl exit --cleanup")
    wait_until(lambda: host.pid("ovs-vswitchd") is None)
    assert host.run("ovs-dpctl dump-dps") == ""
    assert "br1" not in host.run("ip -br link")
