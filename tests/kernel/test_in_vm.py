"""Boots the virtual machine once and runs the tests of `inside` there, their output passed through."""

import compileall
import faulthandler
import re
import sys

import pytest

from tests.kernel.vm import Machine, run

pytestmark = pytest.mark.kernel
PYTEST = [
    *(sys.executable, "-B", "-m", "pytest", "-p", "no:cacheprovider", "-o", "faulthandler_timeout=800"),
    *("--color=no", "-v", "--durations=20", "tests/kernel/inside", "tests/features"),
]
TIMEOUT = (
    1500.0  # seconds: a program in Python takes two to four to start there, and other tests may be running
)
PACKAGES = (
    "rpc",
    "appctl",
    "ovsdb",
    "vsctl",
    "datapath",
    "switching",
    "dpctl",
    "vswitchd",
    "schemas",
    "demo",
    "tests",
)


def test_everything_inside_passes_on_the_kernel_module(pytestconfig: pytest.Config) -> None:
    seen = bytearray()
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def write(data: bytes) -> None:
        seen.extend(data)
        with capture.global_and_fixture_disabled():
            sys.stdout.write(data.decode(errors="replace"))
            sys.stdout.flush()

    faulthandler.cancel_dump_traceback_later()  # this takes longer than a test may
    for package in PACKAGES:  # what is written there is lost: every process would compile again
        compileall.compile_dir(package, quiet=2)
    status = run(["env", "IN_KERNEL_VM=1", *PYTEST], Machine(timeout=TIMEOUT), write)
    assert status == 0, f"pytest in the virtual machine ended with status {status}"
    passed = re.search(rb"(\d+) passed", seen)
    assert passed, "no test ran in the virtual machine"
    assert int(passed.group(1)) > 0
