"""dpif/show-dp-features and dpif/set-dp-features: what a datapath can do.

Rule: what is set at run time is remembered and shown. Translation needs none of it switched off, so that it
has no other effect.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from vswitchd.control.targets import find_bridge
from vswitchd.reconciler import Reconciler

Value = bool | int


class _Feature(NamedTuple):
    name: str
    title: str
    kernel: Value  # of the module in Linux 6.1
    in_process: Value  # of datapaths that run in the daemon


_FEATURES: Final = (
    _Feature("masked_set_action", "Masked set action", True, True),
    _Feature("tnl_push_pop", "Tunnel push pop", False, False),
    _Feature("ufid", "Ufid", True, True),
    _Feature("trunc", "Truncate action", True, True),
    _Feature("clone", "Clone action", True, True),
    _Feature("sample_nesting", "Sample nesting", 10, 10),
    _Feature("ct_eventmask", "Conntrack eventmask", True, False),
    _Feature("ct_clear", "Conntrack clear", True, False),
    _Feature("max_hash_alg", "Max dp_hash algorithm", 0, 1),
    _Feature("check_pkt_len", "Check pkt length action", True, True),
    _Feature("ct_timeout", "Conntrack timeout policy", True, False),
    _Feature("explicit_drop_action", "Explicit Drop action", False, False),
    _Feature("lb_output_action", "Optimized Balance TCP mode", False, False),
    _Feature("ct_zero_snat", "Conntrack all-zero IP SNAT", True, False),
    _Feature("add_mpls", "MPLS Label add", True, False),
    _Feature("max_vlan_headers", "Max VLAN headers", 2, 2),
    _Feature("max_mpls_depth", "Max MPLS depth", 3, 3),
    _Feature("recirc", "Recirc", True, True),
    _Feature("ct_state", "CT state", True, False),
    _Feature("ct_zone", "CT zone", True, False),
    _Feature("ct_mark", "CT mark", True, False),
    _Feature("ct_label", "CT label", True, False),
    _Feature("ct_state_nat", "CT state NAT", True, False),
    _Feature("ct_orig_tuple", "CT orig tuple", True, False),
    _Feature("ct_orig_tuple6", "CT orig tuple for IPv6", True, False),
    _Feature("nd_ext", "IPv6 ND Extension", False, False),
)


def _at_start(feature: _Feature, type_: str) -> Value:
    return feature.kernel if type_ == "system" else feature.in_process


def _show(reconciler: Reconciler, args: list[str]) -> str:
    type_ = find_bridge(reconciler, args[0]).type
    values = ((feature.title, _at_start(feature, type_)) for feature in _FEATURES)
    return "".join(
        f"{title}: {('Yes' if value else 'No') if isinstance(value, bool) else value}\n"
        for title, value in values
    )


def _set(reconciler: Reconciler, args: list[str]) -> str:
    type_ = find_bridge(reconciler, args[0]).type
    chosen = [feature for feature in _FEATURES if args[1:2] in ([], [feature.name])]
    if not chosen:
        return "Unexpected support field"
    changed = reconciler.tuning.features.setdefault(type_, {})
    if len(args) < 3:
        return "".join(f"{_describe(feature, type_, changed)}\n" for feature in chosen)
    (feature,) = chosen
    if isinstance(_at_start(feature, type_), bool):
        if args[2].lower() not in ("true", "false"):
            return "Boolean value expected"
        changed[feature.name] = args[2].lower() == "true"
    elif not re.fullmatch("[0-9]+", args[2]):
        return "Integer number expected"
    else:
        changed[feature.name] = int(args[2])
    return ""


def _describe(feature: _Feature, type_: str, changed: dict[str, Value]) -> str:
    at_start = _at_start(feature, type_)
    now = changed.get(feature.name, at_start)
    texts = [str(value).lower() for value in (now, at_start)]
    return f"{feature.name} ({feature.title}) : [run time]:{texts[0]}, [boot time]:{texts[1]}"


COMMANDS = (
    ("dpif/show-dp-features", "bridge", 1, 1, _show),
    ("dpif/set-dp-features", "bridge", 1, 3, _set),
)
