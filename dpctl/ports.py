"""add-dp, del-dp, add-if, set-if and del-if: datapaths and their ports."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, replace

from datapath.provider import (
    DEFAULT_TUNNEL_PORT,
    TUNNEL_KINDS,
    VPORT_KINDS,
    Datapath,
    DatapathError,
    VportSpec,
    tunnel_vport_name,
)
from dpctl.errors import DpctlError, because
from dpctl.options import Options
from dpctl.targets import Targets

_LAST_PORT = 65534


@dataclass(frozen=True)
class Interface:
    """NETDEV[,OPTION=VALUE]... of add-if and set-if; `settings` are those of the device."""

    name: str
    kind: str | None
    port_no: int | None
    settings: Mapping[str, str]


def parse_interface(text: str) -> Interface:
    """Read an interface with its options; DpctlError where a number is none."""
    name, *words = text.split(",")
    settings: dict[str, str] = {}
    for word in filter(None, words):
        key, _equals, value = word.partition("=")
        settings[key] = value
    port_no = _number(name, settings, "port_no")
    return Interface(name, settings.pop("type", None) or None, port_no, settings)


def _number(name: str, settings: dict[str, str], key: str) -> int | None:
    """Take a number off the settings."""
    text = settings.pop(key, "")
    if not text:
        return None
    if not text.isdigit() or int(text) > _LAST_PORT:
        raise DpctlError(f'{name}: "{text}" is no number for {key}')
    return int(text)


def add_dp(targets: Targets, options: Options, arguments: list[str]) -> str:
    """Make a datapath with ports."""
    kind, name = targets.parse(arguments[0])
    try:
        targets.provider(kind).create(name).close()
    except DatapathError as error:
        raise DpctlError(because("add_dp", error.errno)) from None
    return add_if(targets, options, arguments) if len(arguments) > 1 else ""


def del_dp(targets: Targets, options: Options, arguments: list[str]) -> str:
    """Remove a datapath."""
    kind, name = targets.parse(arguments[0])
    try:
        targets.provider(kind).delete(name)
    except DatapathError as error:
        what = "opening datapath" if error.errno in (errno.ENODEV, errno.EAFNOSUPPORT) else "del_dp"
        raise DpctlError(because(what, error.errno)) from None
    return ""


def add_if(targets: Targets, options: Options, arguments: list[str]) -> str:
    """Attach devices; one that fails does not keep the others out."""
    written = arguments[0]
    errors: list[str] = []
    with targets.open(targets.parse(written), "opening datapath") as datapath:
        for argument in arguments[1:]:
            try:
                _add_one(datapath, parse_interface(argument), written)
            except DpctlError as error:
                errors += error.messages
    if errors:
        raise DpctlError(*errors)
    return ""


def _add_one(datapath: Datapath, interface: Interface, written: str) -> None:
    kind = interface.kind or "system"
    if kind not in VPORT_KINDS:
        raise DpctlError(because(f"{interface.name}: failed to open network device", errno.EAFNOSUPPORT))
    spec = VportSpec(interface.name, kind, port_no=interface.port_no)
    if kind in TUNNEL_KINDS:  # one device for all tunnels: what it needs are their UDP port and extension
        settings = dict(interface.settings)
        dst_port = _number(interface.name, settings, "dst_port") or DEFAULT_TUNNEL_PORT[kind]
        gbp = kind == "vxlan" and settings.get("exts") == "gbp"
        spec = replace(spec, name=tunnel_vport_name(kind, dst_port), dst_port=dst_port, gbp=gbp)
    try:
        datapath.add_port(spec)
    except DatapathError as error:
        if error.errno in (errno.ENODEV, errno.EAFNOSUPPORT):
            what = f"{interface.name}: failed to open network device"
        else:
            what = f"adding {interface.name} to {written} failed"
        raise DpctlError(because(what, error.errno)) from None


def set_if(targets: Targets, options: Options, arguments: list[str]) -> str:
    """Check that ports are as asked for: nothing of a port that is there can be changed.

    Settings of a tunnel are accepted, as Open vSwitch does: they are those of tunnels, not of their device.
    """
    errors: list[str] = []
    with targets.open(targets.parse(arguments[0]), "opening datapath") as datapath:
        for argument in arguments[1:]:
            try:
                _check_one(datapath, parse_interface(argument), arguments[0])
            except DpctlError as error:
                errors += error.messages
    if errors:
        raise DpctlError(*errors)
    return ""


def _check_one(datapath: Datapath, interface: Interface, written: str) -> None:
    port = datapath.port(interface.name)
    if port is None:
        raise DpctlError(because(f"{interface.name}: failed to query port in {written}", errno.ENODEV))
    if interface.kind not in (None, port.kind):
        raise DpctlError(f"{port.name}: can't change type from {port.kind} to {interface.kind}")
    if interface.port_no not in (None, port.port_no):
        raise DpctlError(f"{port.name}: can't change port number from {port.port_no} to {interface.port_no}")
    if interface.settings and port.kind not in TUNNEL_KINDS:
        raise DpctlError(f"{port.name}: arguments provided to device that is not configurable")


def del_if(targets: Targets, options: Options, arguments: list[str]) -> str:
    """Detach ports, by name or number."""
    written = arguments[0]
    errors: list[str] = []
    with targets.open(targets.parse(written), "opening datapath") as datapath:
        for argument in arguments[1:]:
            try:
                _delete_one(datapath, argument, written)
            except DpctlError as error:
                errors += error.messages
    if errors:
        raise DpctlError(*errors)
    return ""


def _delete_one(datapath: Datapath, argument: str, written: str) -> None:
    if argument.isdigit():
        port_no = int(argument)
    else:
        port = datapath.port(argument)
        if port is None:
            raise DpctlError(f"no port named {argument}")
        port_no = port.port_no
    try:
        datapath.delete_port(port_no)
    except DatapathError as error:
        raise DpctlError(because(f"deleting port {argument} from {written} failed", error.errno)) from None
