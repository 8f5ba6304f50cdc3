"""dump-flows, get-flow, add-flow, mod-flow, del-flow, del-flows and the same from files.

Every flow that is added gets an identifier (UFID), a random one where none is given: by that a daemon can
remove it. So a flow that is named by its key alone is looked for among all flows.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from datapath.odp_actions import parse_actions
from datapath.odp_flow import format_flow, format_stats, parse_ufid
from datapath.odp_parse import parse_key
from datapath.odp_values import OdpTextError
from datapath.packet.flowkey import FlowKey, masked
from datapath.provider import Datapath, DatapathError, Flow, FlowPut
from dpctl.errors import DpctlError, because
from dpctl.filter import parse_filter
from dpctl.options import Options
from dpctl.targets import Name, Targets

_KERNEL: Final = "system"  # datapaths of any other type are in the daemon
_THREAD: Final = "flow-dump from the main thread:\n"  # the one of its threads that forwards
_OWN_TYPES: Final = frozenset(("all", "ovs", "non-offloaded"))
_DEVICE_TYPES: Final = frozenset(("tc", "dpdk", "offloaded", "partially-offloaded"))


@contextlib.contextmanager
def _refused(what: str) -> Iterator[None]:
    """Turn a datapath's refusal into a command's error."""
    try:
        yield
    except DatapathError as error:
        raise DpctlError(because(what, error.errno)) from None


def _port_numbers(datapath: Datapath) -> dict[str, int]:
    with _refused("listing ports failed"):
        return {port.name: port.port_no for port in datapath.ports()}


def _port_names(datapath: Datapath, options: Options) -> dict[int, str] | None:
    if not options.port_names:
        return None
    return {number: name for name, number in _port_numbers(datapath).items()}


class Selection(NamedTuple):
    """Flows that a command is to show, and the names of ports where they are wanted."""

    datapath: Name
    flows: list[Flow]
    names: dict[int, str] | None = None

    @property
    def in_process(self) -> bool:
        """Whether they are flows of a datapath in the daemon rather than in the kernel."""
        return self.datapath[0] != _KERNEL

    def lines(self, options: Options) -> list[str]:
        """Write each flow on a line."""
        now, in_process = time.monotonic(), self.in_process
        return [
            f"{format_flow(flow, now, verbose=options.more, names=self.names, in_process=in_process)}\n"
            for flow in self.flows
        ]


def select_flows(targets: Targets, options: Options, arguments: list[str]) -> Selection:
    """Dump the flows; with filter=..., those that could match the same packets."""
    filters = [word for word in arguments if word.startswith(("filter=", "type=", "pmd="))]
    plain = [word for word in arguments if word not in filters]
    given = dict(word.split("=", 1) for word in filters)
    by_type = _wants_type(targets, given.get("type", "all"))
    name, _rest = targets.optional(plain, others=0)
    if not by_type or not _wants_thread(name[0], given.get("pmd")):
        return Selection(name, [])
    with targets.open(name, "opening datapath") as datapath:
        ports = _port_numbers(datapath) if filters else {}
        wanted = [_parse_filter(word, ports) for word in filters if word.startswith("filter=")]
        names = _port_names(datapath, options)
        with _refused("dumping flows failed"):
            flows = list(datapath.flows())
    shown = [flow for flow in flows if all(_overlaps(flow, key, mask) for key, mask in wanted)]
    return Selection(name, shown, names)


def dump_flows(targets: Targets, options: Options, arguments: list[str]) -> str:
    """Print the flows that are selected."""
    selection = select_flows(targets, options, arguments)
    lines = selection.lines(options)
    return "".join([_THREAD, *lines] if lines and selection.in_process else lines)


def _wants_type(targets: Targets, text: str) -> bool:
    """Tell whether type=... names flows of the datapath itself: none are handed to devices here."""
    if text == "all":
        return True
    if not targets.in_daemon:
        raise DpctlError("Invalid argument 'type'. Use 'ovs-appctl dpctl/dump-flows' instead.")
    types = set(text.split(","))
    if types - _OWN_TYPES - _DEVICE_TYPES:
        raise DpctlError(because(f"Failed to parse type ({text})", errno.EINVAL))
    return bool(types & _OWN_TYPES)


def _wants_thread(kind: str, text: str | None) -> bool:
    """Tell whether pmd=N means the thread that forwards: -1 in the daemon, none of the kernel."""
    return text is None or (text == "-1" and kind != _KERNEL)


def _parse_filter(word: str, ports: dict[str, int]) -> tuple[FlowKey, FlowKey]:
    text = word.removeprefix("filter=")
    try:
        return parse_filter(text, ports)
    except OdpTextError as error:
        reason = error.why if error.why.startswith(("unknown field", "bad value")) else str(error)
        raise DpctlError(f"Failed to parse filter ({text}: {reason})") from None


def _overlaps(flow: Flow, key: FlowKey, mask: FlowKey) -> bool:
    """Tell whether some packet matches both."""
    return not any((a ^ b) & m & n for a, b, m, n in zip(flow.key, key, flow.mask, mask, strict=True))


def select_flow(targets: Targets, options: Options, arguments: list[str]) -> Selection:
    """Look the flow of a UFID up."""
    name, rest = targets.optional(arguments, others=1)
    ufid = _ufid(rest[0])[0]
    if not ufid:
        raise DpctlError("parsing flow ufid")
    with targets.open(name, "opening datapath") as datapath:
        with _refused("getting flow"):
            flow = datapath.flow(ufid)
        if flow is None:
            raise DpctlError(because("getting flow", errno.ENOENT))
        return Selection(name, [flow], _port_names(datapath, options))


def get_flow(targets: Targets, options: Options, arguments: list[str]) -> str:
    """Print the flow of a UFID."""
    return "".join(select_flow(targets, options, arguments).lines(options))


def _ufid(text: str) -> tuple[bytes, str]:
    try:
        return parse_ufid(text)
    except OdpTextError:
        raise DpctlError(because("parsing flow ufid", errno.EINVAL)) from None


def _parse(text: str, ports: dict[str, int], what: str = "") -> tuple[bytes, FlowKey, FlowKey]:
    ufid, key_text = _ufid(text)
    try:
        return ufid, *parse_key(key_text, ports)
    except OdpTextError as error:
        raise DpctlError(because(f"{what} ({error})" if what else str(error), errno.EINVAL)) from None


def _parse_put(flow: str, actions: str, ports: dict[str, int]) -> FlowPut:
    ufid, key, mask = _parse(flow, ports, "parsing flow key")
    try:
        return FlowPut(ufid, key, mask, parse_actions(actions, ports))
    except OdpTextError:
        raise DpctlError(because("parsing actions", errno.EINVAL)) from None


def _find(datapath: Datapath, ufid: bytes, key: FlowKey, mask: FlowKey) -> Flow | None:
    """Look a flow up by its identifier or, without one, by what it matches."""
    if ufid:
        return datapath.flow(ufid)
    for flow in datapath.flows():
        same_key = masked(flow.key, flow.mask) == masked(key, flow.mask)
        if same_key and masked(flow.key, mask) == masked(key, mask):
            return flow
    return None


def add_flow(targets: Targets, options: Options, arguments: list[str]) -> str:
    """Install a flow."""
    name, rest = targets.optional(arguments, others=2)
    with targets.open(name, "opening datapath") as datapath:
        _add(datapath, _parse_put(rest[0], rest[1], _port_numbers(datapath)))
    return ""


def _add(datapath: Datapath, put: FlowPut) -> None:
    with _refused("updating flow table"):
        datapath.put_flow(put if put.ufid else replace(put, ufid=os.urandom(16)))


def mod_flow(targets: Targets, options: Options, arguments: list[str]) -> str:
    """Give a flow other actions."""
    name, rest = targets.optional(arguments, others=2)
    with targets.open(name, "opening datapath") as datapath:
        return _modify(datapath, _parse_put(rest[0], rest[1], _port_numbers(datapath)), options)


def _modify(datapath: Datapath, put: FlowPut, options: Options) -> str:
    with _refused("updating flow table"):
        found = _find(datapath, put.ufid, put.key, put.mask)
        if found is None:
            if not options.may_create:
                raise DpctlError(because("updating flow table", errno.ENOENT))
            _add(datapath, put)
            return ""
        if options.clear:  # counters start anew with a new flow
            datapath.delete_flow(found.ufid, found.key)
        datapath.put_flow(
            replace(put, ufid=found.ufid, key=found.key, mask=found.mask, modify=not options.clear)
        )
    return f"{format_stats(found.stats, time.monotonic())}\n" if options.statistics else ""


def del_flow(targets: Targets, options: Options, arguments: list[str]) -> str:
    """Remove a flow."""
    name, rest = targets.optional(arguments, others=1)
    with targets.open(name, "opening datapath") as datapath:
        return _delete(datapath, rest[0], options)


def _delete(datapath: Datapath, text: str, options: Options) -> str:
    ufid, key, mask = _parse(text, _port_numbers(datapath))
    with _refused("deleting flow"):
        found = _find(datapath, ufid, key, mask)
        stats = datapath.delete_flow(found.ufid, found.key) if found else None
    if stats is None:
        missing = because("deleting flow", errno.ENOENT)
        raise DpctlError(missing, hint="Perhaps you need to specify a UFID?\n")
    return f"{format_stats(stats, time.monotonic())}\n" if options.statistics else ""


def del_flows(targets: Targets, options: Options, arguments: list[str]) -> str:
    """Remove all flows, or those in a file."""
    name, rest = targets.optional(arguments, others=1)
    with targets.open(name, "opening datapath") as datapath:
        if rest:
            return _from_file(datapath, rest[0], options, "delete")
        with _refused("deleting all flows"):
            datapath.flush_flows()
    return ""


def add_flows(targets: Targets, options: Options, arguments: list[str]) -> str:
    """Install the flows in a file."""
    name, rest = targets.optional(arguments, others=1)
    with targets.open(name, "opening datapath") as datapath:
        return _from_file(datapath, rest[0], options, "add")


def mod_flows(targets: Targets, options: Options, arguments: list[str]) -> str:
    """Change the flows in a file."""
    name, rest = targets.optional(arguments, others=1)
    with targets.open(name, "opening datapath") as datapath:
        return _from_file(datapath, rest[0], options, "modify")


def _from_file(datapath: Datapath, path: str, options: Options, default: str) -> str:
    """Carry out a file's lines, [add|modify|delete] FLOW [ACTIONS]; one that fails is skipped."""
    errors: list[str] = []
    output = ""
    for number, line in enumerate(_read_lines(path), 1):
        text = line.split("#", 1)[0].strip()
        word, _blank, rest = text.partition(" ")
        command, flow = (word, rest.strip()) if word in ("add", "modify", "delete") else (default, text)
        if not flow:
            continue
        try:
            output += _one_line(datapath, command, flow, options)
        except DpctlError as error:
            errors += [*error.messages, f"Failed parsing line number {number}, skipped!"]
    if errors:
        raise DpctlError(*errors, output=output)
    return output


def _one_line(datapath: Datapath, command: str, flow: str, options: Options) -> str:
    if command == "delete":
        return _delete(datapath, flow, options)
    ufid, rest = _ufid(flow)
    key, _blank, actions = rest.strip().partition(" ")
    put = replace(_parse_put(key, actions, _port_numbers(datapath)), ufid=ufid)
    if command == "modify":
        return _modify(datapath, put, options)
    _add(datapath, put)
    return ""


def _read_lines(path: str) -> list[str]:
    try:
        if path == "-":
            return sys.stdin.read().splitlines()
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except OSError as error:
        raise DpctlError(because(f'Opening file "{path}" failed', error.errno or errno.EIO)) from None
