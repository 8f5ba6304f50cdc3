"""The text form of whole flows, as ovs-dpctl prints and reads them.

Rule: pure. Time is an argument: a flow was used so many seconds ago.
"""

from __future__ import annotations

import re
import sys
from typing import Final

from datapath.odp_actions import format_actions
from datapath.odp_text import PortNames, format_key
from datapath.odp_values import OdpTextError
from datapath.packet.flowkey import masked
from datapath.provider import Flow, FlowStats

_WORD_ORDER: Final = -1 if sys.byteorder == "little" else 1
_FLAG_LETTERS: Final = (
    (1, "S"),
    (0, "F"),
    (3, "P"),
    (2, "R"),
    (5, "U"),
    (4, "."),
    (6, "E"),
    (7, "C"),
    (8, "N"),
)
_UFID = re.compile(r"ufid:([0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12})(?:[\s,]|$)")


def format_ufid(ufid: bytes) -> str:
    """Write a flow's identifier as Open vSwitch does: four words in host order, their digits in groups."""
    digits = b"".join(ufid[at : at + 4][::_WORD_ORDER] for at in range(0, len(ufid), 4)).hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def parse_ufid(text: str) -> tuple[bytes, str]:
    """Split "ufid:..." off in front of a key; b"" where there is none. OdpTextError where it is malformed."""
    stripped = text.lstrip(" ,")
    if not stripped.startswith("ufid:"):
        return b"", text
    match = _UFID.match(stripped)
    if match is None:
        raise OdpTextError(stripped)
    digits = bytes.fromhex(match.group(1).replace("-", ""))
    ufid = b"".join(digits[at : at + 4][::_WORD_ORDER] for at in range(0, len(digits), 4))
    return ufid, stripped[match.end() :]


def format_tcp_flags(flags: int) -> str:
    """Write the flags that the packets of a flow had, as tcpdump does: "SFP."."""
    return "".join(letter for bit, letter in _FLAG_LETTERS if flags >> bit & 1) or "none"


def format_stats(stats: FlowStats, now: float) -> str:
    """Write a flow's counters; `now` is CLOCK_MONOTONIC in seconds."""
    used = "never" if stats.used is None else f"{max(now - stats.used, 0.0):.3f}s"
    text = f"packets:{stats.packets}, bytes:{stats.bytes}, used:{used}"
    return f"{text}, flags:{format_tcp_flags(stats.tcp_flags)}" if stats.tcp_flags else text


def format_flow(
    flow: Flow,
    now: float,
    *,
    verbose: bool = False,
    names: PortNames | None = None,
    in_process: bool = False,
) -> str:
    """Write a flow on one line; `in_process` says that it is not the kernel's."""
    text = format_match(flow, verbose=verbose, names=names, in_process=in_process)
    stats, actions = format_stats(flow.stats, now), format_actions(flow.actions, names)
    if not verbose:
        return f"{text}, {stats}, actions:{actions}"
    ufid = f"ufid:{format_ufid(flow.ufid)}, " if flow.ufid else ""
    return f"{ufid}{text}, {stats}, dp:ovs, actions:{actions}"


def format_match(
    flow: Flow, *, verbose: bool = False, names: PortNames | None = None, in_process: bool = False
) -> str:
    """Write what a flow's packets have: where the kernel has flows, bits that are not looked at are 0."""
    stored = flow.key if in_process or not flow.ufid else masked(flow.key, flow.mask)  # by their UFID only
    return format_key(stored, flow.mask, verbose=verbose, names=names, in_process=in_process)
