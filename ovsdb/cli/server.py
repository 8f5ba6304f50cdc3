"""ovsdb-server: serve databases over OVSDB's protocol (docs/ovsdb-server.md).

Rule: reads the command line, opens files, and runs `server`; a mistake is one line on stderr and exit
status 1.
"""

from __future__ import annotations

import gc
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import trio

from appctl import vlog
from appctl.command_line import HELP_OPTION, VERSION_OPTION, CliError, Line, Tool, run
from appctl.daemon import Process, started
from appctl.daemon_options import daemon_options, daemon_settings
from appctl.directories import dbdir
from appctl.getopt import VALUE, Option, integer
from appctl.tls_options import TLS_OPTIONS, tls_settings
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
from rpc.trio_io import Listening, listen
from schemas.files import read_json

PROGRAM = "ovsdb-server"
SWITCH_SECONDS = 0.0005  # a compaction, in its thread, is not to keep clients waiting for 5 ms
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


def limit_options() -> list[Option]:
    """An option for each field of Limits."""
    return [
        Option(
            form,
            takes=VALUE,
            name=field,
            convert=integer(1),
            default=getattr(Limits, field),
            metavar="N",
            text=f"{what}  [default: {getattr(Limits, field)}]  [x>=1]",
        )
        for form, (field, what) in LIMITS.items()
    ]


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


def server(line: Line) -> int:
    """Serve OVSDB databases: DATABASE files, by default conf.db, or relay:NAME:REMOTE[,REMOTE]...."""
    given, daemon = line.values, daemon_settings(line)
    remotes, config_file = given["remotes"], given["config_file"]
    sync_from, sync_exclude_tables = given["sync_from"], given["sync_exclude_tables"]
    texts = [d if d.startswith("relay:") else str(Path(d).absolute()) for d in line.words]
    configured = None
    if config_file is not None:
        if sync_from or sync_exclude_tables or given["active"]:
            exclusive = "--sync-from, --sync-exclude and --active"
            raise CliError(f"--config-file is mutually exclusive with {exclusive}")
        if remotes:
            raise CliError("--config-file is mutually exclusive with --remote")
        if line.words:
            raise CliError("Databases should be specified in a config file")
        configured = Configured(Path(dbdir()) / config_file, Path.cwd())
    elif not texts and not given["no_dbs"]:
        texts = [str(Path(dbdir()) / "conf.db")]
    metrics_at = None if given["metrics"] is None else read_metrics_address(given["metrics"])
    role = Role(
        sync_from or "", parse_excluded(sync_exclude_tables or ""), bool(sync_from) and not given["active"]
    )
    with started(daemon) as process:
        hub = Hub(
            Schema.parse(read_json("_server.ovsschema")),
            role=role,
            limits=Limits(**{field: given[field] for field, _ in LIMITS.values()}),
        )
        load_databases(hub, texts)
        serving = Server(hub, remotes, tls_settings(line.given), authors=not given["no_authors"])
        try:
            for remote in remotes:
                serving.check_remote(remote)
            serving.check_tls()
            if configured is not None:
                load_config(serving, configured)
        except (RemoteError, ConfigError) as e:
            hub.close()
            raise CliError(str(e)) from None
        sys.setswitchinterval(SWITCH_SECONDS)
        commands = Commands(PROGRAM)
        with ControlServer(commands, daemon.unixctl) as controls:
            control.register(commands, serving, configured)
            try:
                return trio.run(serve, serving, controls, process, given["command"], metrics_at)
            finally:
                hub.close()


OPTIONS = (
    Option(
        "--remote",
        takes=VALUE,
        name="remotes",
        repeated=True,
        metavar="REMOTE",
        text="Connect or listen to REMOTE.",
    ),
    Option("--no-dbs", text="Serve no database but _Server."),
    Option(
        "--config-file",
        takes=VALUE,
        metavar="FILE",
        text="Remotes and databases are what FILE says; no --remote.",
    ),
    Option("--run", takes=VALUE, name="command", metavar="COMMAND", text="Serve while COMMAND runs."),
    Option("--sync-from", takes=VALUE, metavar="SERVER", text="Be a backup of the active SERVER."),
    Option(
        "--sync-exclude-tables",
        takes=VALUE,
        metavar="DB:TABLE,...",
        text="Tables that a backup leaves alone.",
    ),
    Option("--active", text="With --sync-from: start active, ready to become a backup."),
    Option("--no-authors", text="Do not write into the log who made a commit."),
    Option("--disable-file-column-diff", text="Accepted; changes are logged as differences."),
    Option(
        "--metrics", takes=VALUE, metavar="ptcp:[PORT][:HOST]", text="Serve Prometheus figures at /metrics."
    ),
    *limit_options(),
    *TLS_OPTIONS,
    VERSION_OPTION,
    *daemon_options(PROGRAM),
    HELP_OPTION,
)
TOOL = Tool(PROGRAM, server, OPTIONS, usage="[OPTION]... [DATABASE]...", text=server.__doc__ or "")


def main() -> None:
    """Run the program."""
    run(TOOL.main, PROGRAM)


if __name__ == "__main__":
    main()
