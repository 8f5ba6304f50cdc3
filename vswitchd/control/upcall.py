"""upcall/* and revalidator/*: flows made from packets.

Rule: a command prints counters, or takes away or looks at flows at once.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from datapath.provider import FlowDel
from vswitchd.forwarding import Forwarding
from vswitchd.plan import DATAPATH_NAMES
from vswitchd.reconciler import Reconciler


def _upcall_show(reconciler: Reconciler, _args: list[str]) -> str:
    return format_upcalls(reconciler.forwardings)


def _revalidator_wait(reconciler: Reconciler, _args: list[str]) -> str:
    for type_ in reconciler.forwardings:
        reconciler.revalidate(type_, time.monotonic())
    return ""


def _revalidator_purge(reconciler: Reconciler, _args: list[str]) -> str:
    for type_, forwarding in reconciler.forwardings.items():
        reconciler.run(type_, [FlowDel(record.ufid) for record in forwarding.book])
        forwarding.book.clear()
    return ""


def format_upcalls(forwardings: Mapping[str, Forwarding]) -> str:
    """upcall/show: how many flows each datapath has."""
    return "".join(
        f"{type_}@{DATAPATH_NAMES[type_]}:\n"
        f"  flows         : (current {len(forwarding.book)}) (limit {forwarding.flow_limit})\n"
        f"  upcalls       : {forwarding.upcalls}\n"
        for type_, forwarding in sorted(forwardings.items())
    )


COMMANDS = (
    ("upcall/show", "", 0, 0, _upcall_show),
    ("revalidator/wait", "", 0, 0, _revalidator_wait),
    ("revalidator/purge", "", 0, 0, _revalidator_purge),
)
