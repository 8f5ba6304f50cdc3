"""Traffic between namespaces: pings, and a transfer over TCP whose bytes are compared."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from datapath.userspace.datapath import UserspaceDatapath, UserspaceProvider
from tests.kit.netns import inside, run

RECEIVE = """
import hashlib, socket, sys
with socket.create_server((sys.argv[1], 5001)) as server:
    print("ready", flush=True)
    connection, _ = server.accept()
    digest = hashlib.sha256()
    while data := connection.recv(1 << 20):
        digest.update(data)
print(digest.hexdigest())
"""


@contextmanager
def userspace_datapath(namespace: str, name: str = "t-dp") -> Iterator[UserspaceDatapath]:
    """A userspace datapath whose devices are in a namespace."""
    with inside(namespace):
        opened = UserspaceProvider().create(name)
    try:
        yield opened
    finally:
        with inside(namespace):
            opened.close()


def pings(namespace: str, address: str, *options: str) -> str:
    """Ping four times, the first with ARP, and return ping's summary."""
    out = run("ping", "-c", "4", "-i", "0.05", "-W", "2", *options, address, namespace=namespace, check=False)
    return next((line for line in out.splitlines() if "transmitted" in line), out)


def transfer(source: str, target: str, address: str, megabytes: int = 8) -> None:
    """Send so much over TCP and compare what arrives."""
    receiver = subprocess.Popen(
        ["ip", "netns", "exec", target, sys.executable, "-c", RECEIVE, address],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert receiver.stdout
        assert receiver.stdout.readline() == "ready\n"
        data = os.urandom(1 << 20) * megabytes
        with inside(source):
            sock = socket.create_connection((address, 5001), timeout=60)
        with sock:
            sock.sendall(data)
        out, _ = receiver.communicate(timeout=60)
        assert out.strip() == hashlib.sha256(data).hexdigest()
    finally:
        receiver.kill()
        receiver.communicate()
