"""Run a command in a virtual machine that has the kernel's openvswitch module, on a machine that has none.

The machine is emulated in software and sees this machine's root file system under the same paths; what it
writes there is lost. It has no network to the outside. From call to command 4 s; then everything is 12 to
27 times slower.

    python -m tests.kernel.vm [--smp N] [--module NAME]... -- COMMAND [ARG]...
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import re
import secrets
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.kernel.debian_kernel import Kernel, VmError, get_kernel
from tests.kernel.initramfs import build

MODULES = ("openvswitch", "veth")
_CONSOLE_LINES = 40  # of the kernel's log, where the machine fails
_PR_SET_PDEATHSIG = 1
_BOOT_OPTIONS = "console=ttyS0 quiet panic=-1 mitigations=off lsm= cryptomgr.notests"


@dataclass(frozen=True)
class Machine:
    """How the virtual machine is made."""

    processors: int = 2
    memory: int = 1024  # MB
    modules: Sequence[str] = MODULES
    timeout: float = 600.0  # seconds, boot included


def run(command: Sequence[str], machine: Machine, write: Callable[[bytes], None]) -> int:
    """Run a command, hand what it prints to `write` as it comes, and return its exit status; or raise VmError."""
    kernel = get_kernel()
    token = secrets.token_hex(16)
    archive = build(kernel, machine.modules, command, token)
    with _memory_file("initrd") as initrd, _memory_file("console") as console:
        os.write(initrd, archive)
        output, qemu_end = os.pipe()
        with _qemu(kernel, machine, initrd, console, qemu_end):
            os.close(qemu_end)
            try:
                status = _copy_output(output, token, time.monotonic() + machine.timeout, write)
            finally:
                os.close(output)
        log = os.pread(console, 1 << 20, 0).decode(errors="replace")
    if status is None:
        raise VmError(
            "\n".join([f"not done after {machine.timeout:g} s", *log.splitlines()[-_CONSOLE_LINES:]])
        )
    if re.search(r"BUG:|Oops:|Out of memory", log):
        raise VmError("\n".join(["the kernel complains", *log.splitlines()[-_CONSOLE_LINES:]]))
    return status


@contextlib.contextmanager
def _memory_file(name: str) -> Iterator[int]:
    descriptor = os.memfd_create(name)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _qemu(kernel: Kernel, machine: Machine, initrd: int, console: int, output: int) -> Iterator[None]:
    """Start the machine, and stop it in the end: it dies with this process too."""
    share = "local,security_model=none,multidevs=remap,mount_tag=root,path=/,readonly=on"
    command = [
        "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max,la57=off",
        "-smp", str(machine.processors), "-m", str(machine.memory),
        "-no-user-config", "-nodefaults", "-display", "none", "-no-reboot",
        "-kernel", str(kernel.image), "-initrd", f"/proc/self/fd/{initrd}", "-append", _BOOT_OPTIONS,
        "-serial", f"file:/proc/self/fd/{console}", "-virtfs", share, "-device", "virtio-serial",
        "-chardev", f"file,id=output,append=on,path=/proc/self/fd/{output}",
        "-device", "virtserialport,nr=1,chardev=output",
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(initrd, console, output),
        start_new_session=True,
        preexec_fn=lambda: ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _copy_output(source: int, token: str, deadline: float, write: Callable[[bytes], None]) -> int | None:
    """Copy until the line with the exit status; None: the time was up or the machine ended before."""
    last_line = re.compile(b"\0" + token.encode() + rb":(\d{3})\n")
    held = b""  # what may be the beginning of the last line
    while select.select([source], [], [], max(0.0, deadline - time.monotonic()))[0]:
        data = os.read(source, 65536)
        held += data
        if end := last_line.search(held):
            write(held[: end.start()])
            return int(end.group(1))
        cut = held.rfind(b"\0", -(len(token) + 6)) if data else -1
        write(held[:cut] if cut >= 0 else held)
        held = held[cut:] if cut >= 0 else b""
        if not data:
            break
    return None


def write_stdout(data: bytes) -> None:
    """Hand on what a command prints."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m tests.kernel.vm", description=__doc__)
    parser.add_argument("--smp", type=int, default=2, help="processors")
    parser.add_argument("--module", action="append", default=[], help="load this too")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds")
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    machine = Machine(processors=given.smp, modules=(*MODULES, *given.module), timeout=given.timeout)
    try:
        sys.exit(run(given.command, machine, write_stdout))
    except VmError as error:
        print(f"vm: {error}", file=sys.stderr)
        sys.exit(125)


if __name__ == "__main__":
    main()
