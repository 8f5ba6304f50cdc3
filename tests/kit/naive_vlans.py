"""VLAN forwarding in the words of the manual, without a thought for cost: ovs-vswitchd.conf.db(5), Port table.

Rule: it shares nothing with switching/vlan.py but the database's names, so that both being wrong alike is unlikely.
Ports are rows: {"vlan_mode": "access", "tag": 5, "trunks": {...}, "cvlans": {...}, "other_config": {...}}.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

Port = Mapping[str, Any]


class Tag(NamedTuple):
    """One VLAN header."""

    tpid: int
    vid: int
    pcp: int


@dataclass(frozen=True)
class Inside:
    """A frame in the switch: its VLAN is a property of it, and the header that said it is off."""

    vlan: int
    tpid: int  # of the header that would say the VLAN; 0: there was none, nor is one due
    pcp: int
    first_pcp: int  # of the outermost header that it came with
    rest: tuple[Tag, ...]


def mode_of(port: Port) -> str:
    """Return the VLAN mode, which has a default."""
    return str(port.get("vlan_mode") or ("access" if "tag" in port else "trunk"))


def enter(port: Port, tags: Iterable[Tag]) -> Inside | None:
    """Let a frame in; None: the port drops it."""
    headers = tuple(tags)
    first = headers[0] if headers else Tag(0, 0, 0)
    mode, native = mode_of(port), port.get("tag", 0)
    trunks = port.get("trunks") or range(4096)
    if mode == "dot1q-tunnel":  # whatever the customer sends is behind a service tag of ours
        if first.vid not in (port.get("cvlans") or range(4096)):
            return None
        tpid = 0x8100 if port.get("other_config", {}).get("qinq-ethtype") == "802.1q" else 0x88A8
        return Inside(native, tpid, 0, first.pcp, headers)
    if mode == "access":
        return None if first.vid else Inside(native, first.tpid or 0x8100, first.pcp, first.pcp, headers[1:])
    if mode.startswith("native-") and not first.vid:
        return Inside(native, first.tpid or 0x8100, first.pcp, first.pcp, headers[1:])
    if first.vid in trunks or (mode.startswith("native-") and first.vid == native):
        return Inside(first.vid, first.tpid, first.pcp, first.pcp, headers[1:])
    return None


def carries(port: Port, frame: Inside) -> bool:
    """Tell whether a frame egresses through a port, as far as VLANs decide it."""
    mode, native = mode_of(port), port.get("tag", 0)
    customer = frame.rest[0].vid if frame.rest else 0
    if mode == "access":
        return frame.vlan == native and customer == 0
    if mode == "dot1q-tunnel":
        return frame.vlan == native and customer in (port.get("cvlans") or range(4096))
    if mode.startswith("native-"):
        if frame.vlan == native:
            return True
        return frame.vlan != 0 and frame.vlan in (port.get("trunks") or range(4096))
    return frame.vlan in (port.get("trunks") or range(4096))


def leave(port: Port, frame: Inside) -> tuple[Tag, ...]:
    """Return the headers with which a frame leaves by a port that carries it."""
    mode = mode_of(port)
    priority_tags = port.get("other_config", {}).get("priority-tags", "never")
    service = Tag(frame.tpid, frame.vlan, frame.pcp)
    if mode == "access":
        headers: tuple[Tag, ...] = ()
    elif mode == "dot1q-tunnel" or (mode == "native-untagged" and frame.vlan == port.get("tag", 0)):
        headers = frame.rest
    else:
        headers = (service, *frame.rest) if service.tpid else frame.rest
    if priority_tags != "never" and (headers or frame.first_pcp):
        hides = mode not in ("access", "dot1q-tunnel", "native-untagged") and not service.tpid
        if not hides:
            outermost = headers[0] if headers else Tag(0x8100, 0, 0)
            headers = (outermost._replace(pcp=frame.first_pcp), *headers[1:])
    return tuple(tag for tag in headers if tag.vid or tag.pcp or priority_tags == "always")
