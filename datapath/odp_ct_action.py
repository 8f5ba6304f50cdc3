"""ct(...) of the text form of actions: what the connection tracker shall do with a packet.

Rule: pure. A mask of no bits changes nothing and is left out.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from datapath import odp_values as v
from datapath.actions import Ct, Nat
from datapath.odp_values import OdpTextError

_MARK: Final = v.hexa(32)
_LABELS: Final = v.hexa(128)
_PORT: Final = v.decimal(16)
_AF_INET, _AF_INET6 = 2, 10
_ADDRESS = r"\[[0-9a-fA-F:.]+\]|[0-9a-fA-F:]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*|\d+\.\d+\.\d+\.\d+"
_RANGE = re.compile(rf"({_ADDRESS})(?:-({_ADDRESS}))?(?::(\d+)(?:-(\d+))?)?")


def format_ct(action: Ct) -> str:
    """Write the action."""
    parts = []
    if action.commit:
        parts.append("force_commit" if action.force else "commit")
    if action.zone:
        parts.append(f"zone={action.zone}")
    if action.mark is not None:
        parts.append(f"mark={v.hexadecimal(action.mark[0])}/{v.hexadecimal(action.mark[1])}")
    if action.labels is not None:
        parts.append(f"label={_LABELS.format_masked(*action.labels)}")
    if action.helper:
        parts.append(f"helper={action.helper}")
    if action.timeout:
        parts.append(f"timeout={action.timeout}")
    if action.nat is not None:
        parts.append(_format_nat(action.nat))
    return f"ct({','.join(parts)})" if parts else "ct"


def _format_nat(nat: Nat) -> str:
    if not nat.kind:
        return "nat"
    text = nat.kind
    if nat.addr_min is not None or nat.port_min is not None:
        text += f"={_format_range(nat)}"
    flags = (("persistent", nat.persistent), ("hash", nat.proto_hash), ("random", nat.proto_random))
    return f"nat({','.join((text, *(name for name, wanted in flags if wanted)))})"


def _format_range(nat: Nat) -> str:
    text = ""
    if nat.addr_min is not None:
        brackets = nat.proto == _AF_INET6 and nat.port_min is not None
        text = _format_address(nat.addr_min, nat.proto, brackets=brackets)
        if nat.addr_max not in (None, nat.addr_min):
            text += f"-{_format_address(nat.addr_max or 0, nat.proto, brackets=brackets)}"
    if nat.port_min is not None:
        text += f":{nat.port_min}"
        if nat.port_max not in (None, nat.port_min):
            text += f"-{nat.port_max}"
    return text


def _format_address(address: int, proto: int, *, brackets: bool) -> str:
    if proto == _AF_INET:
        return str(ipaddress.IPv4Address(address))
    text = v.format_ipv6(address)
    return f"[{text}]" if brackets else text


def parse_ct(arguments: str) -> Ct:
    """Read what is within the parentheses; OdpTextError where it is malformed."""
    values: dict[str, object] = {}
    for item, inner in v.split_items(arguments):
        name, equals, text = item.partition("=")
        if item == "nat":
            values["nat"] = _parse_nat(inner or "")
        elif inner is not None or bool(equals) == (name in ("commit", "force_commit")):
            raise OdpTextError(item)
        elif name in ("commit", "force_commit"):
            if "commit" in values:
                raise OdpTextError(item, "commit and force_commit")
            values |= {"commit": True, "force": name == "force_commit"}
        elif name == "zone":
            values["zone"] = v.decimal(16).parse_masked(text)[0]
        elif name in ("mark", "label"):
            value, mask = (_MARK if name == "mark" else _LABELS).parse_masked(text)
            if mask:
                values["mark" if name == "mark" else "labels"] = value & mask, mask
        elif name in ("helper", "timeout") and text:
            values[name] = text
        else:
            raise OdpTextError(item)
    return Ct(**values)  # type: ignore[arg-type]  # each name was checked with its type above


def _parse_nat(arguments: str) -> Nat:
    kind, range_ = "", ""
    flags = {"persistent": False, "hash": False, "random": False}
    for item, inner in v.split_items(arguments):
        name, _equals, text = item.partition("=")
        if inner is not None:
            raise OdpTextError(item)
        if name in ("src", "dst") and not kind:
            kind, range_ = name, text
        elif item in flags:
            flags[item] = True
        else:
            raise OdpTextError(item)
    if not kind:
        return Nat()
    if flags["hash"] and flags["random"]:
        raise OdpTextError(arguments, "hash and random")
    if not range_:
        return Nat(kind)
    return _parse_range(kind, range_, flags)


def _parse_range(kind: str, text: str, flags: dict[str, bool]) -> Nat:
    match = _RANGE.fullmatch(text)
    if match is None:
        raise OdpTextError(text)
    low, high, first, last = match.groups()
    proto, addr_min = _parse_address(low)
    other, addr_max = _parse_address(high) if high else (proto, addr_min)
    port_min = _PORT.parse_masked(first)[0] if first else None
    port_max = _PORT.parse_masked(last)[0] if last else port_min
    if other != proto or addr_max < addr_min or (port_max or 0) < (port_min or 0):
        raise OdpTextError(text, "no range")
    return Nat(
        kind=kind,
        proto=proto,
        addr_min=addr_min,
        addr_max=addr_max if high else None,
        port_min=port_min,
        port_max=port_max if last else None,
        persistent=flags["persistent"],
        proto_hash=flags["hash"],
        proto_random=flags["random"],
    )


def _parse_address(text: str) -> tuple[int, int]:
    try:
        address = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        raise OdpTextError(text) from None
    return (_AF_INET if address.version == 4 else _AF_INET6), int(address)
