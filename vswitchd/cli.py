"""ovs-vswitchd: the switch daemon (docs/ovs-vswitchd.md).

Rule: reads the command line and puts the parts together.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import gc
import os

import trio

from appctl import vlog
from appctl.command_line import HELP_OPTION, VERSION_OPTION, CliError, Line, Tool, run
from appctl.daemon import Process, started
from appctl.daemon_options import daemon_options, daemon_settings
from appctl.directories import rundir
from appctl.getopt import OPTIONAL, BadUsage, Option
from appctl.tls_options import TLS_OPTIONS, tls_settings
from appctl.unixctl import CommandError, Commands, ControlServer
from datapath.fake import FakeProvider
from datapath.kernel import KernelProvider
from datapath.provider import Provider
from datapath.userspace.datapath import UserspaceProvider
from ovsdb.client.trio_client import open_database
from rpc.address import AddressError
from rpc.tls_settings import TlsSettings
from vswitchd.control.register import register
from vswitchd.daemon import LOCK, Daemon
from vswitchd.rows import TABLES

PROGRAM = "ovs-vswitchd"
_MCL_CURRENT, _MCL_FUTURE = 1, 2
log = vlog.module("vswitchd")


def make_providers(enable_dummy: str | None) -> dict[str, Provider]:
    """Return the datapaths that bridges can have; --enable-dummy puts some in memory, for tests."""
    dummy = FakeProvider()
    providers: dict[str, Provider] = {"system": KernelProvider(), "netdev": UserspaceProvider()}
    if enable_dummy is not None:
        providers["dummy"] = dummy
    if enable_dummy == "override":
        return dict.fromkeys(providers, dummy)
    if enable_dummy == "system":
        providers["system"] = dummy
    return providers


async def serve(remote: str, providers: dict[str, Provider], process: Process, tls: TlsSettings) -> None:
    """Run the switch until a signal or the exit command."""
    control_commands = Commands(PROGRAM)
    async with (
        open_database(remote, "Open_vSwitch", TABLES, tls=tls) as db,
        db.lock(LOCK, wait=False) as lock,
    ):
        switch = Daemon(providers, db, lock)

        def stop(arguments: list[str]) -> str:
            if arguments not in ([], ["--cleanup"]):
                raise CommandError('"exit" takes no argument but --cleanup')
            switch.cleanup = bool(arguments)
            switch.stopping.set()
            return ""

        async def stop_on_signal() -> None:
            await process.wait_fatal_signal()
            switch.stopping.set()

        control_commands.register("exit", "[--cleanup]", 0, 1, stop)
        register(control_commands, switch.reconciler, providers)
        try:
            with ControlServer(control_commands, process.options.unixctl) as control:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(control.serve)
                    nursery.start_soon(stop_on_signal)
                    await switch.run(process.ready)
                    await trio.sleep(0.01)  # for the answer to "exit"
                    nursery.cancel_scope.cancel()
        finally:
            switch.close()


def _lock_memory() -> None:
    libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE):
        log.err("mlockall failed: %s", os.strerror(ctypes.get_errno()))


def vswitchd(line: Line) -> int:
    """Make the datapaths what the database at DATABASE says; default: unix:RUNDIR/db.sock."""
    given = line.values
    if len(line.words) > 1:
        raise BadUsage("at most one non-option argument accepted; use --help for usage")
    if given["dpdk"]:
        raise CliError("DPDK is not supported")
    remote = "".join(line.words) or f"unix:{rundir()}/db.sock"
    if given["mlockall"]:
        _lock_memory()
    providers = make_providers(given["enable_dummy"])
    if given["disable_system"]:
        del providers["system"]
    with started(daemon_settings(line, datapath=True)) as process:
        gc.freeze()
        # Flows and ports are many, live long and form no cycles: with the default thresholds, going through
        # them was a third of translating 50,000 flows again.
        gc.set_threshold(100_000, 50, 1000)
        try:
            trio.run(serve, remote, providers, process, tls_settings(line.given))
        except AddressError as error:
            raise CliError(str(error)) from None
    return 0


OPTIONS = (
    Option("--mlockall", text="Lock all of the program into memory."),
    Option(
        "--enable-dummy",
        takes=OPTIONAL,
        metavar="[=override|system|TYPE]",
        text="Let bridges have datapaths in memory, for tests.",
    ),
    Option("--disable-system", text="Do without the kernel's datapath."),
    Option("--disable-system-route", text="Accepted; the host routes tunnels."),
    Option("--dpdk", hidden=True),
    *TLS_OPTIONS,
    VERSION_OPTION,
    *daemon_options(PROGRAM),
    HELP_OPTION,
)
TOOL = Tool(PROGRAM, vswitchd, OPTIONS, usage="[OPTION]... [DATABASE]", text=vswitchd.__doc__ or "")


def main() -> None:
    """Run the program."""
    run(TOOL.main, PROGRAM)
