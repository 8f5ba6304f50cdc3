"""ovsdb-server: serve databases over OVSDB's protocol (docs/ovsdb-server.md).

Rule: reads the command line, opens files, and runs `server`; a mistake is one line on stderr and exit
status 1.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import click
import trio

from appctl import vlog
from appctl.command_line import HELP, CliError, GetoptCommand, run, version_option
from appctl.daemon import Process, started
from appctl.daemon_options import Options, daemon_options
from appctl.directories import dbdir
from appctl.tls_options import tls_options
from appctl.unixctl import Commands, ControlServer
from appctl.version import OVS_COMPAT_VERSION
from ovsdb import control
from ovsdb.config_file import ConfigError
from ovsdb.configure import Configured, load_config
from ovsdb.hub import Hub, Role
from ovsdb.limits import Limits
from ovsdb.remotes import RemoteError
from ovsdb.replication import parse_excluded
from ovsdb.schema import Schema
from ovsdb.server import Server
from ovsdb.storage.lockfile import LockError
from rpc.address import AddressError, TcpListenAddress, parse
from rpc.errors import ListenError
from rpc.tls_settings import TlsSettings
from rpc.trio_io import Listening, listen
from schemas.files import read_json

PROGRAM = "ovsdb-server"
F = TypeVar("F", bound=Callable[..., object])
log = vlog.module("ovsdb_server")
log_lock = vlog.module("lockfile")


def load_databases(hub: Hub, databases: list[str]) -> None:
    """Open and load the files, and begin the relays; CliError names what is wrong.

    Without garbage collection in between: what is loaded stays, and looking through it again and again
    takes half of the time.
    """
    gc.disable()
    try:
        for text in databases:
            damage = control.add_database(hub, text)
            if damage is not None:
                log.err("%s", damage)
    except control.AddError as e:
        if isinstance(e.__cause__, LockError):
            log_lock.warn("%s", e.__cause__.reason)
        raise CliError(str(e)) from None
    finally:
        gc.freeze()
        gc.enable()
        # Rows are many, live long and form no cycles: with the default thresholds, going through them again
        # and again takes half of the time of adding a port to a bridge of 5,000 (0.97 against 0.46 ms).
        gc.set_threshold(100_000, 50, 1000)


LIMITS = {  # option → field of Limits, and what it is
    "--max-sessions": ("sessions", "Clients at once."),
    "--max-message": ("message", "Bytes of one message of a client."),
    "--max-depth": ("depth", "Brackets in brackets in a message."),
    "--max-backlog": ("backlog", "Bytes kept for a client that does not read, beside its updates."),
    "--max-monitors": ("monitors", "Monitors of one client."),
    "--max-locks": ("locks", "Locks of one client."),
    "--max-waiting": ("waiting", "Transactions of one client that wait."),
    "--history-rows": ("history_rows", "Row changes kept for clients that come back."),
    "--history-bytes": ("history_bytes", "Bytes of the records that brought them."),
}


def limit_options(function: F) -> F:
    """Add an option for each field of Limits."""
    for option, (field, what) in reversed(LIMITS.items()):
        default = getattr(Limits, field)
        text = f"{what}  [default: {default}]"
        kind = click.IntRange(min=1)
        click.option(option, field, type=kind, default=default, metavar="N", help=text)(function)
    return function


def read_metrics_address(text: str) -> TcpListenAddress:
    """Read --metrics; CliError."""
    if not all(map(find_spec, ("h11", "prometheus_client"))):
        raise CliError("--metrics needs the Python packages prometheus-client and h11")
    try:
        address = parse(text)
    except AddressError as e:
        raise CliError(f"--metrics: {e}") from None
    if not isinstance(address, TcpListenAddress) or address.tls:
        raise CliError(f"--metrics: {text}: ptcp:[PORT][:HOST] is expected")
    return address


async def serve_metrics(server: Server, listening: Listening) -> None:
    """Answer those who ask for figures."""
    from ovsdb import metrics, metrics_http

    make_body = partial(metrics.format_metrics, metrics.make_registry(server))
    await metrics_http.serve(listening, metrics.CONTENT_TYPE, make_body)


async def serve(
    server: Server,
    controls: ControlServer,
    process: Process,
    command: str | None,
    metrics_at: TcpListenAddress | None,
) -> int:
    """Serve until a signal, the exit command, or the end of `command`; the exit status."""
    status = 0
    complaint = ""

    async def stop_on_signal() -> None:
        await process.wait_fatal_signal()
        server.stopping.set()

    async def run_command(text: str) -> None:
        nonlocal status
        done = await trio.run_process(["/bin/sh", "-c", text], check=False)
        if done.returncode:
            status = 1
            print(f"{PROGRAM}: {text}: child exited, exit status {done.returncode}", file=sys.stderr)
        server.stopping.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run)
        nursery.start_soon(controls.serve)
        nursery.start_soon(stop_on_signal)
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        if metrics_at is not None:
            try:
                nursery.start_soon(serve_metrics, server, listen(metrics_at))
            except ListenError as e:
                complaint = f"--metrics: {e}"
                nursery.cancel_scope.cancel()
                await trio.lowlevel.checkpoint()
        process.ready()
        log.info("%s (Open vSwitch) %s", PROGRAM, OVS_COMPAT_VERSION)
        if command is not None:
            nursery.start_soon(run_command, command)
        await server.stopping.wait()
        await trio.sleep(0.01)  # for the answer to "exit"
        nursery.cancel_scope.cancel()
    if complaint:
        raise CliError(complaint)
    return status


@click.command(PROGRAM, cls=GetoptCommand, context_settings=HELP, options_metavar="[OPTION]...")
@click.argument("databases", nargs=-1, metavar="[DATABASE]...")
@click.option("--remote", "remotes", multiple=True, metavar="REMOTE", help="Connect or listen to REMOTE.")
@click.option("--no-dbs", is_flag=True, help="Serve no database but _Server.")
@click.option("--config-file", metavar="FILE", help="Remotes and databases are what FILE says; no --remote.")
@click.option("--run", "command", metavar="COMMAND", help="Serve while COMMAND runs.")
@click.option("--sync-from", metavar="SERVER", help="Be a backup of the active SERVER.")
@click.option("--sync-exclude-tables", metavar="DB:TABLE,...", help="Tables that a backup leaves alone.")
@click.option("--active", is_flag=True, help="With --sync-from: start active, ready to become a backup.")
@click.option("--no-authors", is_flag=True, help="Do not write into the log who made a commit.")
@click.option("--disable-file-column-diff", is_flag=True, help="Accepted; changes are logged as differences.")
@click.option("--metrics", metavar="ptcp:[PORT][:HOST]", help="Serve Prometheus figures at /metrics.")
@limit_options
@tls_options
@version_option(PROGRAM)
@daemon_options(PROGRAM)
def cli(
    *,
    daemon: Options,
    databases: tuple[str, ...],
    remotes: tuple[str, ...],
    no_dbs: bool,
    config_file: str | None,
    command: str | None,
    sync_from: str | None,
    sync_exclude_tables: str | None,
    active: bool,
    no_authors: bool,
    disable_file_column_diff: bool,
    metrics: str | None,
    tls: TlsSettings,
    **limits: int,
) -> int:
    """Serve OVSDB databases: DATABASE files, by default conf.db, or relay:NAME:REMOTE[,REMOTE]...."""
    texts = [d if d.startswith("relay:") else str(Path(d).absolute()) for d in databases]
    configured = None
    if config_file is not None:
        if sync_from or sync_exclude_tables or active:
            exclusive = "--sync-from, --sync-exclude and --active"
            raise CliError(f"--config-file is mutually exclusive with {exclusive}")
        if remotes:
            raise CliError("--config-file is mutually exclusive with --remote")
        if databases:
            raise CliError("Databases should be specified in a config file")
        configured = Configured(Path(dbdir()) / config_file, Path.cwd())
    elif not texts and not no_dbs:
        texts = [str(Path(dbdir()) / "conf.db")]
    metrics_at = None if metrics is None else read_metrics_address(metrics)
    role = Role(sync_from or "", parse_excluded(sync_exclude_tables or ""), bool(sync_from) and not active)
    with started(daemon) as process:
        hub = Hub(Schema.parse(read_json("_server.ovsschema")), role=role, limits=Limits(**limits))
        load_databases(hub, texts)
        server = Server(hub, remotes, tls, authors=not no_authors)
        try:
            for remote in remotes:
                server.check_remote(remote)
            server.check_tls()
            if configured is not None:
                load_config(server, configured)
        except (RemoteError, ConfigError) as e:
            hub.close()
            raise CliError(str(e)) from None
        commands = Commands(PROGRAM)
        with ControlServer(commands, daemon.unixctl) as controls:
            control.register(commands, server, configured)
            try:
                return trio.run(serve, server, controls, process, command, metrics_at)
            finally:
                hub.close()


def main() -> None:
    """Run the program."""
    run(cli, PROGRAM)


if __name__ == "__main__":
    main()
