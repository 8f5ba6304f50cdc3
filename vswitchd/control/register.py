"""The control commands of ovs-vswitchd, beside those of every daemon.

Rule: a command reads the reconciler's state, or changes what was learned and the flows; it never touches the
configuration. Each family is a module with a table COMMANDS: name, usage, least and most arguments, handler.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from appctl import coverage
from appctl.unixctl import CommandError, Commands
from datapath.provider import Provider
from dpctl import commands as dpctl
from dpctl.errors import DpctlError
from dpctl.targets import Targets
from vswitchd.control import bond, bridge, dpif, fdb, features, mdb, ofproto, qos, tnl, trace, upcall
from vswitchd.plan import DATAPATH_NAMES
from vswitchd.reconciler import Reconciler

Handler = Callable[[Reconciler, list[str]], str]
_TABLE: tuple[tuple[str, str, int, int, Handler], ...] = (
    *fdb.COMMANDS,
    *features.COMMANDS,
    *bond.COMMANDS,
    *bridge.COMMANDS,
    *dpif.COMMANDS,
    *mdb.COMMANDS,
    *ofproto.COMMANDS,
    *qos.COMMANDS,
    *tnl.COMMANDS,
    *trace.COMMANDS,
    *upcall.COMMANDS,
)


def register(commands: Commands, reconciler: Reconciler, providers: dict[str, Provider]) -> None:
    """Add the commands that look into the switch."""
    coverage.register(commands)
    for name, usage, least, most, handler in _TABLE:
        commands.register(name, usage, least, most, partial(handler, reconciler))
    for name, command in dpctl.COMMANDS.items():
        if name == "help":  # of the program alone
            continue
        commands.register(
            f"dpctl/{name}", command.usage, 0, None, partial(_dpctl, reconciler, providers, name)
        )


def _dpctl(reconciler: Reconciler, providers: dict[str, Provider], name: str, args: list[str]) -> str:
    opened = {(t, DATAPATH_NAMES[t]): handle for t, handle in reconciler.datapaths.handles.items()}
    used = {t: provider for t, provider in providers.items() if t in reconciler.datapaths.handles}
    try:
        return dpctl.run(Targets(used, opened=opened, in_daemon=True), [name, *args])
    except DpctlError as error:
        raise CommandError(f"{error.output}{error.text('ovs-vswitchd')}{error.hint}".rstrip("\n")) from None
