"""ofproto/list: the bridges.

Rule: a command reads the reconciler's state and prints it.
"""

from __future__ import annotations

from vswitchd.reconciler import Reconciler


def _ofproto_list(reconciler: Reconciler, _args: list[str]) -> str:
    names = (name for f in reconciler.forwardings.values() for name in f.switch.bridges)
    return "".join(f"{name}\n" for name in sorted(names))


COMMANDS = (("ofproto/list", "", 0, 0, _ofproto_list),)
