"""upcall/* and revalidator/*: flows made from packets; memory/show.

Rule: a command prints figures, or changes how flows are made and looked at until the daemon ends.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from appctl.unixctl import CommandError
from datapath.provider import FlowDel
from vswitchd.figures import Figures
from vswitchd.forwarding import Forwarding
from vswitchd.plan import DATAPATH_NAMES
from vswitchd.reconciler import Reconciler

_REVALIDATORS = 1  # looking at flows is one task


def _show(reconciler: Reconciler, _args: list[str]) -> str:
    return format_upcalls(reconciler.forwardings, reconciler.figures, terse=reconciler.tuning.terse)


def format_upcalls(
    forwardings: Mapping[str, Forwarding], figures: Mapping[str, Figures], *, terse: bool
) -> str:
    """Print upcall/show: how many flows each datapath has, and how long it takes to look at them."""
    text = ""
    for type_, forwarding in sorted(forwardings.items()):
        seen, flows = figures.get(type_, Figures()), len(forwarding.book)
        most, limit = max(seen.most, flows), forwarding.flow_limit
        text += (
            f"{type_}@{DATAPATH_NAMES[type_]}:\n"
            f"  flows         : (current {flows}) (avg {round(seen.average)}) (max {most}) (limit {limit})\n"
            f"  dump duration : {max(1, round(seen.took * 1000))}ms\n"
            f"  ufid enabled : {str(terse).lower()}\n\n"
            f"  {_REVALIDATORS}: (keys {flows})\n"
        )
    return text


def _set_flow_limit(reconciler: Reconciler, args: list[str]) -> str:
    if not args[0].isdecimal():
        raise CommandError(f"{args[0]}: no number of flows")
    limit = int(args[0])
    for forwarding in reconciler.forwardings.values():
        forwarding.flow_limit = limit
    return f"set flow_limit to {limit}\n"


def _disable_ufid(reconciler: Reconciler, _args: list[str]) -> str:
    reconciler.tuning.terse = False
    return "Datapath dumping tersely using UFID disabled\n"


def _enable_ufid(reconciler: Reconciler, _args: list[str]) -> str:
    reconciler.tuning.terse = True
    return "Datapath dumping tersely using UFID enabled for supported datapaths\n"


def _disable_megaflows(reconciler: Reconciler, _args: list[str]) -> str:
    return _set_megaflows(reconciler, wide=False)


def _enable_megaflows(reconciler: Reconciler, _args: list[str]) -> str:
    return _set_megaflows(reconciler, wide=True)


def _set_megaflows(reconciler: Reconciler, *, wide: bool) -> str:
    for forwarding in reconciler.forwardings.values():
        forwarding.megaflows = wide
    _purge(reconciler, [])
    return f"megaflows {'enabled' if wide else 'disabled'}\n"


def _wait(reconciler: Reconciler, _args: list[str]) -> str:
    for type_ in reconciler.forwardings:
        reconciler.revalidate(type_, time.monotonic())
    return ""


def _purge(reconciler: Reconciler, _args: list[str]) -> str:
    for type_, forwarding in reconciler.forwardings.items():
        reconciler.run(type_, [FlowDel(record.ufid) for record in forwarding.book])
        forwarding.book.clear()
    return ""


def _pause(reconciler: Reconciler, _args: list[str]) -> str:
    reconciler.tuning.paused = True
    return ""


def _resume(reconciler: Reconciler, _args: list[str]) -> str:
    reconciler.tuning.paused = False
    return ""


def _memory(reconciler: Reconciler, _args: list[str]) -> str:
    ports = sum(len(numbers.ofports) for numbers in reconciler.numbers.values())
    stations = sum(len(t) for f in reconciler.forwardings.values() for t in f.state.tables.values())
    counts = {
        "handlers": len(reconciler.forwardings),
        "macs": stations,
        "ports": ports,
        "revalidators": _REVALIDATORS,
        "udpif keys": sum(len(forwarding.book) for forwarding in reconciler.forwardings.values()),
    }
    return " ".join(f"{name}:{count}" for name, count in counts.items() if count) + "\n"


COMMANDS = (
    ("upcall/show", "", 0, 0, _show),
    ("upcall/set-flow-limit", "flow-limit-number", 1, 1, _set_flow_limit),
    ("upcall/disable-ufid", "", 0, 0, _disable_ufid),
    ("upcall/enable-ufid", "", 0, 0, _enable_ufid),
    ("upcall/disable-megaflows", "", 0, 0, _disable_megaflows),
    ("upcall/enable-megaflows", "", 0, 0, _enable_megaflows),
    ("revalidator/wait", "", 0, 0, _wait),
    ("revalidator/purge", "", 0, 0, _purge),
    ("revalidator/pause", "", 0, 0, _pause),
    ("revalidator/resume", "", 0, 0, _resume),
    ("memory/show", "", 0, 0, _memory),
)
