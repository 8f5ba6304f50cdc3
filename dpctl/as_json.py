"""What commands answer with --format=json: the same things as in their text, as objects and lists.

Rule: nothing is asked for that the text would not need. A command that is not here answers with the lines of
its text. Counters and numbers of ports are numbers; addresses, masked values and actions stay text.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Final

from datapath.conntrack import DEFAULT_ZONE, ICMP_PROTOCOLS, Connection, Counters, SctpState, TcpState, Tuple
from datapath.odp_actions import format_actions
from datapath.odp_flow import format_match, format_tcp_flags, format_ufid
from datapath.odp_values import split_items
from datapath.provider import Flow
from dpctl import conntrack, ct_limits, ct_text, flows, show
from dpctl.options import Options
from dpctl.targets import Targets, label

_Answer = Callable[[Targets, Options, list[str]], Any]


def dumps(answer: Any, *, pretty: bool) -> str:
    """Write an answer as one JSON document that ends in a newline."""
    separators = (",", ": ") if pretty else (",", ":")
    return json.dumps(answer, ensure_ascii=False, indent=2 if pretty else None, separators=separators) + "\n"


def _datapaths(targets: Targets, options: Options, arguments: list[str]) -> list[str]:
    return [label(name) for name in targets.all()]


def _show(targets: Targets, options: Options, arguments: list[str]) -> list[dict[str, Any]]:
    return [_shown(seen) for seen in show.look(targets, options, arguments)]


def _shown(seen: show.Seen) -> dict[str, Any]:
    stats = seen.stats
    answer: dict[str, Any] = {
        "name": label(seen.name),
        "lookups": {"hit": stats.hit, "missed": stats.missed, "lost": stats.lost},
        "flows": stats.flows,
    }
    if stats.masks_cache_size is not None:
        answer["masks"] = {"hit": stats.mask_hit, "total": stats.masks}
        answer["caches"] = {"masks-cache": {"hit": stats.cache_hit, "size": stats.masks_cache_size}}
    answer["ports"] = []
    for port in seen.ports:
        described: dict[str, Any] = {
            "number": port.port_no,
            "name": port.name,
            "type": show.type_of(port, seen.name[0]),
        }
        if port.dst_port:
            described["dst_port"] = port.dst_port
        if seen.devices is not None:
            described["statistics"] = port.stats._asdict()
            if device := seen.devices.get(port.ifindex):
                described["device_statistics"] = device._asdict()
        answer["ports"].append(described)
    return answer


def _caches(targets: Targets, options: Options, arguments: list[str]) -> dict[str, dict[str, int]]:
    return {
        label(name): {} if size is None else {"masks-cache": size}
        for name, size in show.cache_sizes(targets, arguments)
    }


def _flows(targets: Targets, options: Options, arguments: list[str]) -> list[dict[str, Any]]:
    selection = flows.select_flows(targets, options, arguments)
    return [_flow(flow, selection, options) for flow in selection.flows]


def _one_flow(targets: Targets, options: Options, arguments: list[str]) -> dict[str, Any]:
    selection = flows.select_flow(targets, options, arguments)
    return _flow(selection.flows[0], selection, options)


def _flow(flow: Flow, selection: flows.Selection, options: Options) -> dict[str, Any]:
    """Describe a flow: its key as a whole, and taken apart."""
    names, stats = selection.names, flow.stats
    in_process = selection.in_process
    match = format_match(flow, verbose=options.more, names=names, in_process=in_process)
    return {
        "ufid": format_ufid(flow.ufid) if flow.ufid else None,
        "match": match,
        "fields": _taken_apart(match),
        "packets": stats.packets,
        "bytes": stats.bytes,
        "used": None if stats.used is None else round(max(time.monotonic() - stats.used, 0.0), 3),
        "tcp_flags": format_tcp_flags(stats.tcp_flags) if stats.tcp_flags else "",
        "actions": [format_actions((action,), names) for action in flow.actions],
    }


def _taken_apart(text: str) -> Any:
    """Read NAME(ITEMS) and NAME=VALUE into objects, however deep; other text stays as it is."""
    if text.startswith("{") or not ("(" in text or "=" in text):
        return text
    answer: dict[str, Any] = {}
    for name, inner in split_items(text):
        if inner is not None:
            answer[name] = _taken_apart(inner) if inner else {}
        else:
            key, _equals, value = name.partition("=")
            answer[key] = value
    return answer


def _connections(targets: Targets, options: Options, arguments: list[str]) -> list[dict[str, Any]]:
    return [_connection(connection) for connection in conntrack.listed(targets, arguments)]


def _connection(c: Connection) -> dict[str, Any]:
    proto = c.orig.proto or 0
    answer: dict[str, Any] = {
        "protocol": ct_text.PROTOCOLS.get(proto, str(proto)),
        "orig": _tuple(c.orig, c.counters_orig),
        "reply": _tuple(c.reply, c.counters_reply),
        "id": c.id,
        "zone": c.zone,
        "status": ct_text.status_names(c.status),
        "timeout": c.timeout,
        "mark": c.mark,
        "labels": f"{c.labels:#x}",
    }
    if isinstance(c.protocol, TcpState):
        answer["state"] = ct_text.tcp_state(c.protocol)
    elif isinstance(c.protocol, SctpState):
        answer |= {
            "state": ct_text.sctp_state(c.protocol),
            "vtag_orig": c.protocol.vtag_orig,
            "vtag_reply": c.protocol.vtag_reply,
        }
    if c.helper:
        answer["helper"] = c.helper
    if c.parent is not None:
        answer["parent"] = _tuple(c.parent, Counters())
    return answer


def _tuple(direction: Tuple, counters: Counters) -> dict[str, Any]:
    src, dst = ct_text.format_addresses(direction)
    answer: dict[str, Any] = {"src": src, "dst": dst}
    if direction.proto in ICMP_PROTOCOLS:
        answer |= {"id": direction.sport, "type": direction.icmp_type, "code": direction.icmp_code}
    else:
        answer |= {"sport": direction.sport or 0, "dport": direction.dport or 0}
    return answer | (counters._asdict() if any(counters) else {})


def _counted(targets: Targets, options: Options, arguments: list[str]) -> dict[str, Any]:
    counted = conntrack.count(conntrack.listed(targets, arguments))
    answer: dict[str, Any] = {"total": counted.total, **counted.by_protocol, "other": counted.other}
    return answer | ({"tcp_states": counted.tcp_states} if options.more else {})


def _limits(targets: Targets, options: Options, arguments: list[str]) -> dict[str, Any]:
    listed = ct_limits.listed(targets, arguments)
    return {
        "default": next((limit.limit for limit in listed if limit.zone == DEFAULT_ZONE), 0),
        "zones": [
            {"zone": limit.zone, "limit": limit.limit, "count": limit.connections}
            for limit in listed
            if limit.zone != DEFAULT_ZONE
        ],
    }


ANSWERS: Final[dict[str, _Answer]] = {
    "cache-get-size": _caches,
    "ct-get-limits": _limits,
    "ct-stats-show": _counted,
    "dump-conntrack": _connections,
    "dump-dps": _datapaths,
    "dump-flows": _flows,
    "get-flow": _one_flow,
    "show": _show,
}
