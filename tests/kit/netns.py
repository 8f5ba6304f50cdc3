"""Network namespaces for tests: made, entered and removed."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def run(*command: str, namespace: str = "", check: bool = True, timeout: float = 30) -> str:
    """Run a command, inside a namespace if one is named, and return what it wrote."""
    prefix = ("ip", "netns", "exec", namespace) if namespace else ()
    done = subprocess.run([*prefix, *command], capture_output=True, text=True, timeout=timeout, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def namespaces(*names: str) -> Iterator[None]:
    """Make namespaces with their loopback up, and remove them with all that is in them."""
    try:
        for name in names:
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        yield
    finally:
        for name in names:
            run("ip", "netns", "del", name, check=False)


@contextmanager
def inside(name: str) -> Iterator[None]:
    """Let this thread, and threads that it starts, live in a namespace for a while."""
    with open("/proc/thread-self/ns/net") as home, open(f"/var/run/netns/{name}") as there:
        _setns(there.fileno())
        try:
            yield
        finally:
            _setns(home.fileno())


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def veth(namespace: str, name: str, peer_namespace: str, peer: str, address: str = "") -> None:
    """Connect two namespaces; the peer gets an address. Both ends are up."""
    run(
        "ip",
        "-n",
        namespace,
        "link",
        "add",
        name,
        "type",
        "veth",
        "peer",
        "name",
        peer,
        "netns",
        peer_namespace,
    )
    run("ip", "-n", namespace, "link", "set", name, "up")
    run("ip", "-n", peer_namespace, "link", "set", peer, "up")
    if address:
        run("ip", "-n", peer_namespace, "addr", "add", address, "dev", peer)
