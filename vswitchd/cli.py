"""ovs-vswitchd: the switch daemon (docs/ovs-vswitchd.md).

Rule: reads the command line and puts the parts together.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import gc
import os

import click
import trio

from appctl import vlog
from appctl.command_line import HELP, CliError, GetoptCommand, OptionalValue, run, version_option
from appctl.daemon import Process, started
from appctl.daemon_options import Options, daemon_options
from appctl.directories import rundir
from appctl.tls_options import tls_options
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


@click.command(PROGRAM, cls=GetoptCommand, context_settings=HELP, options_metavar="[OPTION]...")
@click.argument("database", required=False, metavar="[DATABASE]")
@click.option("--mlockall", is_flag=True, help="Lock all of the program into memory.")
@click.option(
    "--enable-dummy",
    cls=OptionalValue,
    metavar="[=override|system|TYPE]",
    help="Let bridges have datapaths in memory, for tests.",
)
@click.option("--disable-system", is_flag=True, help="Do without the kernel's datapath.")
@click.option("--disable-system-route", is_flag=True, help="Accepted; the host routes tunnels.")
@click.option("--dpdk", is_flag=True, hidden=True)
@tls_options
@version_option(PROGRAM)
@daemon_options(PROGRAM, datapath=True)
def cli(
    *,
    daemon: Options,
    database: str | None,
    mlockall: bool,
    enable_dummy: str | None,
    disable_system: bool,
    disable_system_route: bool,
    dpdk: bool,
    tls: TlsSettings,
) -> int:
    """Make the datapaths what the database at DATABASE says; default: unix:RUNDIR/db.sock."""
    if dpdk:
        raise CliError("DPDK is not supported")
    remote = database or f"unix:{rundir()}/db.sock"
    if mlockall:
        _lock_memory()
    providers = make_providers(enable_dummy)
    if disable_system:
        del providers["system"]
    with started(daemon) as process:
        gc.freeze()
        try:
            trio.run(serve, remote, providers, process, tls)
        except AddressError as error:
            raise CliError(str(error)) from None
    return 0


def main() -> None:
    """Run the program."""
    run(cli, PROGRAM)
