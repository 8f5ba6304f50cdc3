"""What a test needs of the machine: skipped where it is missing, failed where REQUIRE names it.

REQUIRE is a comma-separated list of peer, netns and kernel; `.ci/run` sets all three.
"""

import os
import shutil
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings

# No test asserts a duration, and a busy machine is no reason to fail.
settings.register_profile("vswitch", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("vswitch")


def _missing_peer() -> str:
    programs = ("ovsdb-server", "ovsdb-tool", "ovsdb-client", "ovs-vsctl", "ovs-vswitchd", "ovs-appctl")
    absent = [p for p in programs if not shutil.which(p, path="/usr/bin:/usr/sbin")]
    return f"the C programs are not installed: {' '.join(absent)}" if absent else ""


def _missing_netns() -> str:
    if os.geteuid() != 0:
        return "network namespaces need root"
    absent = [p for p in ("ip", "ping") if not shutil.which(p)]
    if absent:
        return f"programs are missing: {' '.join(absent)}"
    return "" if os.path.exists("/dev/net/tun") else "/dev/net/tun is missing"


def _missing_kernel() -> str:
    absent = [p for p in ("qemu-system-x86_64", "busybox", "apt-get", "dpkg-deb") if not shutil.which(p)]
    return f"programs for the VM are missing: {' '.join(absent)}" if absent else ""


NEEDS: dict[str, Callable[[], str]] = {
    "peer": _missing_peer,
    "netns": _missing_netns,
    "kernel": _missing_kernel,
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    required = os.environ.get("REQUIRE", "").split(",")
    for mark, missing in NEEDS.items():
        if item.get_closest_marker(mark) and (reason := missing()):
            if mark in required:
                pytest.fail(f"REQUIRE={mark}, but {reason}", pytrace=False)
            pytest.skip(reason)
