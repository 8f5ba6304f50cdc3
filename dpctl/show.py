"""dump-dps, show, cache-get-size and cache-set-size: what datapaths there are, with ports and counters."""

from __future__ import annotations

import errno
from typing import NamedTuple

from datapath.link import Links, LinkStats
from datapath.provider import (
    DEFAULT_TUNNEL_PORT,
    TUNNEL_KINDS,
    Datapath,
    DatapathError,
    DatapathStats,
    Vport,
    VportStats,
)
from dpctl.errors import DpctlError, because
from dpctl.options import Options
from dpctl.targets import Name, Targets, label

TYPES_IN_PROCESS = {  # what Open vSwitch calls the devices of datapaths that run in the daemon
    "netdev": {"internal": "tap"},
    "dummy": {"internal": "dummy-internal"},
}
_UNITS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def dump_dps(targets: Targets, options: Options, arguments: list[str]) -> str:
    """Name every datapath."""
    return "".join(f"{label(name)}\n" for name in targets.all())


class Seen(NamedTuple):
    """What there is to see of a datapath."""

    name: Name
    stats: DatapathStats
    ports: list[Vport]
    devices: dict[int, LinkStats] | None  # by ifindex; None: counters are not asked for


def look(targets: Targets, options: Options, arguments: list[str]) -> list[Seen]:
    """Look at the datapaths that are named, or all; DpctlError with those that could be seen, as text."""
    seen: list[Seen] = []
    errors: list[str] = []
    wanted = [(targets.parse(argument), argument) for argument in arguments]
    for name, written in wanted or [(name, label(name)) for name in targets.all()]:
        try:
            with targets.open(name, f"opening datapath {written} failed") as datapath:
                seen.append(_look_at(name, datapath, statistics=options.statistics))
        except DpctlError as error:
            errors += error.messages
        except DatapathError as error:
            errors.append(because(error.what, error.errno))
    if errors:
        raise DpctlError(*errors, output="".join(map(_describe, seen)))
    return seen


def show(targets: Targets, options: Options, arguments: list[str]) -> str:
    """Describe the datapaths that are named, or all."""
    return "".join(map(_describe, look(targets, options, arguments)))


def _look_at(name: Name, datapath: Datapath, *, statistics: bool) -> Seen:
    devices = (_devices() if name[0] != "dummy" else {}) if statistics else None
    return Seen(name, datapath.stats(), datapath.ports(), devices)


def _describe(seen: Seen) -> str:
    lines = [f"{label(seen.name)}:", *_counters(seen.stats)]
    for port in seen.ports:
        lines.append(f"  port {port.port_no}: {port.name}{_kind(port, seen.name[0])}")
        if seen.devices is not None:
            lines += _port_counters(port.stats, seen.devices.get(port.ifindex))
    return "".join(f"{line}\n" for line in lines)


def _counters(stats: DatapathStats) -> list[str]:
    lines = [
        f"  lookups: hit:{stats.hit} missed:{stats.missed} lost:{stats.lost}",
        f"  flows: {stats.flows}",
    ]
    if stats.masks_cache_size is None:
        return lines
    packets = stats.hit + stats.missed
    lines.append(
        f"  masks: hit:{stats.mask_hit} total:{stats.masks} hit/pkt:{_ratio(stats.mask_hit, packets):.2f}"
    )
    if stats.cache_hit:
        rate = 100 * _ratio(stats.cache_hit, packets)
        lines.append(f"  cache: hit:{stats.cache_hit} hit-rate:{rate:.2f}%")
    return [*lines, "  caches:", f"    masks-cache: size:{stats.masks_cache_size}"]


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def type_of(port: Vport, datapath_type: str) -> str:
    """Name the type of a port's device as Open vSwitch does."""
    return TYPES_IN_PROCESS.get(datapath_type, {}).get(port.kind, port.kind)


def _kind(port: Vport, datapath_type: str) -> str:
    if port.kind == "system":
        return ""
    if port.kind not in TUNNEL_KINDS:
        return f" ({type_of(port, datapath_type)})"
    version = "erspan_ver=0, " if port.kind in ("erspan", "ip6erspan") else ""  # as each packet says
    own_port = port.dst_port not in (0, DEFAULT_TUNNEL_PORT[port.kind])
    return f" ({port.kind}: {f'dst_port={port.dst_port}, ' if own_port else ''}{version}packet_type=ptap)"


def _devices() -> dict[int, LinkStats]:
    """Read the counters that devices keep beside those of the datapath, by ifindex."""
    with Links() as links:
        return {link.ifindex: link.stats for link in links.all()}


def _port_counters(stats: VportStats, device: LinkStats | None) -> list[str]:
    """Write a port's counters. Those of a device are "?" where there is none."""
    received = f"packets:{stats.rx_packets} errors:{stats.rx_errors} dropped:{stats.rx_dropped}"
    sent = f"packets:{stats.tx_packets} errors:{stats.tx_errors} dropped:{stats.tx_dropped}"
    overruns = frame = aborted = carrier = collisions = "?"
    if device is not None:
        overruns, frame = str(device.rx_over_errors), str(device.rx_frame_errors)
        aborted, carrier = str(device.tx_aborted_errors), str(device.tx_carrier_errors)
        collisions = str(device.collisions)
    return [
        f"    RX {received} overruns:{overruns} frame:{frame}",
        f"    TX {sent} aborted:{aborted} carrier:{carrier}",
        f"    collisions:{collisions}",
        f"    RX bytes:{_bytes(stats.rx_bytes)}  TX bytes:{_bytes(stats.tx_bytes)}",
    ]


def _bytes(count: int) -> str:
    for unit, name in _UNITS:
        if count >= unit:
            return f"{count} ({count / unit:.1f} {name})"
    return str(count)


def cache_sizes(targets: Targets, arguments: list[str]) -> list[tuple[Name, int | None]]:
    """Ask how large the caches of masks are; None where there is none."""
    sizes = []
    for name in [targets.parse(arguments[0])] if arguments else targets.all():
        with targets.open(name, f"Opening datapath {label(name)} failed") as datapath:
            sizes.append((name, datapath.stats().masks_cache_size))
    return sizes


def cache_get_size(targets: Targets, options: Options, arguments: list[str]) -> str:
    """Tell how large a datapath's cache of masks is."""
    return "".join(
        f"{label(name)}:\n" + ("" if size is None else f"  caches:\n    masks-cache: size:{size}\n")
        for name, size in cache_sizes(targets, arguments)
    )


def cache_set_size(targets: Targets, options: Options, arguments: list[str]) -> str:
    """Resize a datapath's cache of masks: to the next power of two, since the kernel takes no other size."""
    written, cache, size_text = arguments
    if not size_text.isascii() or not size_text.isdigit() or int(size_text) >> 31:
        raise DpctlError(because("size is malformed", errno.EINVAL))
    size = int(size_text)
    with targets.open(targets.parse(written), "Opening datapath failed") as datapath:
        if datapath.stats().masks_cache_size is None:
            raise DpctlError(because("Setting caches not supported", errno.EOPNOTSUPP))
        if cache != "masks-cache":
            raise DpctlError(because(f'Cache name "{cache}" not found on dpif', errno.EINVAL))
        try:
            datapath.resize_masks_cache(1 << (size - 1).bit_length() if size else 0)
        except DatapathError as error:
            raise DpctlError(because("Setting cache size failed", error.errno)) from None
        return f"Setting cache size successful, new size {datapath.stats().masks_cache_size}\n"
