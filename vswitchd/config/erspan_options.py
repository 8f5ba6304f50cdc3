"""The options of ERSPAN: erspan_ver, erspan_idx, erspan_dir, erspan_hwid.

Rule: pure. An index and a hardware id are hexadecimal, with or without 0x; what is no number counts as 0.
Source: ovs-vswitchd.conf.db(5), "Tunnel Options: erspan only"; the texts are those of Open vSwitch 3.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from datapath.packet.erspan import HWID_MASK, INDEX_MASK
from switching.tunnel import ErspanConfig

_FLOW = "flow"
_DECIMAL, _HEXADECIMAL = re.compile(r"\s*([+-]?\d+)"), re.compile(r"\s*(?:0[xX])?([0-9a-fA-F]+)")


def read_erspan(name: str, options: Mapping[str, str], errors: list[str]) -> ErspanConfig:
    """Read the options of the interface `name`; what cannot be used is added to `errors`."""
    version = _decimal(options.get("erspan_ver", "0"))
    if version is None:
        return ErspanConfig(None, None, None, None)
    index = _hexadecimal(options.get("erspan_idx", "0"))
    direction = _decimal(options.get("erspan_dir", "0"))
    hwid = _hexadecimal(options.get("erspan_hwid", "0"))
    if "erspan_ver" in options and version not in (1, 2):
        errors.append(f"{name}: invalid erspan version: {options['erspan_ver']}")
    if (index or 0) & ~INDEX_MASK:
        errors.append(f"{name}: invalid erspan index: {options['erspan_idx']}")
    if direction not in (None, 0, 1):
        errors.append(f"{name}: invalid erspan direction: {options['erspan_dir']}")
    if (hwid or 0) & ~HWID_MASK:
        errors.append(f"{name}: invalid erspan hardware ID: {options['erspan_hwid']}")
    return ErspanConfig(version, index, direction, hwid)


def _decimal(text: str) -> int | None:
    if text == _FLOW:
        return None
    found = _DECIMAL.match(text)
    return int(found[1]) if found else 0


def _hexadecimal(text: str) -> int | None:
    if text == _FLOW:
        return None
    found = _HEXADECIMAL.match(text)
    return int(found[1], 16) if found else 0
