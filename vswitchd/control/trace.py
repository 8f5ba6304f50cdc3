"""ofproto/trace: what the switch does with a packet, decision by decision.

Rule: with a packet (or one made by -generate) the bridges learn from it as from any other; a flow alone
changes nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from appctl.unixctl import CommandError
from datapath.match_parse import parse_flow
from datapath.match_text import format_match, format_packet
from datapath.odp_actions import format_actions
from datapath.odp_parse import parse_key
from datapath.odp_values import OdpTextError
from datapath.packet.extract import extract
from datapath.packet.flowkey import FlowKey, masked
from datapath.packet.headers import ETH_HEADER_LEN
from switching.report import Report
from switching.state import carry_out
from switching.switch import LOCAL_OFPORT, SwitchPort
from switching.xlate import Decision, xlate
from vswitchd.control.targets import Target, find_bridge, tell_changed
from vswitchd.plan import DATAPATH_NAMES
from vswitchd.reconciler import Reconciler

_NO_PORT = (1 << 32) - 1  # of the datapath: for packets that do not come from it
_GENERATE = ("-generate", "--generate")
_USAGE = "{[dp_name] odp_flow | bridge br_flow} [--names | --no-names] [-generate|packet]"


@dataclass(frozen=True, slots=True)
class _Packet:
    """What is to be traced."""

    target: Target  # whose datapath it is on
    key: FlowKey
    port: SwitchPort | None  # by which it comes in
    interface: SwitchPort | None  # of that port: itself, or the member of a bond
    in_port: str  # as it was written


def _trace(reconciler: Reconciler, args: list[str]) -> str:
    words = [word for word in args if word not in ("--names", "--no-names")]
    generate = words[-1] in _GENERATE
    frame = None if generate or len(words) < 2 else _hex(words[-1])
    if generate or frame is not None:
        words.pop()
    if unknown := [word for word in words if word.startswith("-")]:
        raise CommandError(f"{unknown[0]}: unknown option")
    if not 1 <= len(words) <= 2:
        raise CommandError("too many arguments" if words else "no flow is given")
    packet = _find(reconciler, words)
    if frame is not None:
        if len(frame) < ETH_HEADER_LEN:
            raise CommandError("Packet data too short for Ethernet")
        key = extract(frame, packet.key)
        packet = replace(packet, key=key)
    report = Report()
    forwarding = packet.target.forwarding
    decision = xlate(packet.key, forwarding.switch, forwarding.state, report, packet.port, frame or b"")
    text = _format(reconciler, packet, decision, report, named="--names" in args)
    if generate or frame is not None:
        changed = carry_out(forwarding.state, decision.effects, packet.key.eth_src, time.monotonic())
        tell_changed(reconciler, packet.target, changed)
    return text


def _hex(word: str) -> bytes | None:
    try:
        return bytes.fromhex(word)
    except ValueError:
        return None


def _find(reconciler: Reconciler, words: list[str]) -> _Packet:
    """Find out which kind of flow it is: the datapath's has brackets."""
    text = words[-1]
    if "(" in text or not text:
        return _datapath_flow(reconciler, words[:-1], text)
    if len(words) == 1:
        raise CommandError(f"syntax error at {text} (or the bridge name was omitted)")
    return _bridge_flow(reconciler, words[0], text)


def _datapath_flow(reconciler: Reconciler, names: list[str], text: str) -> _Packet:
    types = [
        type_
        for type_ in reconciler.forwardings
        if not names or names[0] in (DATAPATH_NAMES[type_], f"{type_}@{DATAPATH_NAMES[type_]}")
    ]
    if len(types) != 1:
        raise CommandError("Cannot find the datapath")
    type_ = types[0]
    ports = {port.name: port.port_no for port in reconciler.datapaths.handles[type_].ports()}
    try:
        key, _mask = parse_key(text, ports)
    except OdpTextError as error:
        raise CommandError(str(error)) from None
    forwarding = reconciler.forwardings[type_]
    port = forwarding.switch.input_port(key)
    if port is None:
        kind = "tunnel port" if key.tun_proto else "port"
        raise CommandError(f"no OpenFlow {kind} for this packet")
    interface = port.member_at(key.in_port) or port
    return _Packet(Target(port.bridge, type_, forwarding), key, port, interface, "")


def _bridge_flow(reconciler: Reconciler, name: str, text: str) -> _Packet:
    try:
        target = find_bridge(reconciler, name)
    except CommandError:
        raise CommandError(f"{name}: unknown bridge") from None
    wrong = f"Bad openflow flow syntax: {text}"
    try:
        flow = parse_flow(text)
    except OdpTextError as error:
        raise CommandError(f"{wrong}: {error.why}") from None
    port, interface = _bridge_port(target, flow.in_port)
    if port is None and not flow.in_port.isdigit():
        raise CommandError(f"{wrong}: bad value for in_port ({flow.in_port}: invalid or unknown port)")
    number = interface.dp_port if interface is not None and not interface.peer else _NO_PORT
    return _Packet(target, flow.key._replace(in_port=number), port, interface, flow.in_port)


def _bridge_port(target: Target, text: str) -> tuple[SwitchPort | None, SwitchPort | None]:
    """Find a port of a bridge, and its interface, by the OpenFlow number or name of the latter."""
    number = str(LOCAL_OFPORT) if text.upper() == "LOCAL" else text or "0"
    for port in target.forwarding.switch.bridges[target.name].ports:
        for interface in port.members or (port,):
            if number == str(interface.ofport) or text == interface.name:
                return port, interface
    return None, None


def _format(
    reconciler: Reconciler, packet: _Packet, decision: Decision, report: Report, *, named: bool
) -> str:
    in_port = _port_text(packet, named=named)
    lines = [f"Flow: {format_packet(packet.key, in_port)}"]
    for section in report.sections:
        heading = f'bridge("{section.bridge or packet.target.name}")'
        lines += ["", heading, "-" * len(heading), " 0. priority 0", "    NORMAL"]
        lines += [f"     -> {line}" for line in section.lines]
    names = None
    if named:
        handle = reconciler.datapaths.handles[packet.target.type]
        names = {port.port_no: port.name for port in handle.ports()}
    actions = format_actions(decision.actions, names) if decision.actions else "drop"
    match = format_match(masked(packet.key, decision.mask), decision.mask, in_port)
    lines += ["", "Final flow: unchanged", f"Megaflow: {match}", f"Datapath actions: {actions}"]
    if decision.is_slow:
        lines.append("Packets like this one are decided one by one, for what is in them: there is no flow.")
    return "\n".join(lines) + "\n"


def _port_text(packet: _Packet, *, named: bool) -> str:
    interface = packet.interface
    if interface is None:
        return packet.in_port or "0"
    if interface.ofport == LOCAL_OFPORT:
        return "LOCAL"
    return interface.name if named else str(interface.ofport)


COMMANDS = (("ofproto/trace", _USAGE, 1, 5, _trace),)
