"""dump-dps, show, cache-get-size and cache-set-size: what datapaths there are, with ports and counters."""

from __future__ import annotations

import errno

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


def show(targets: Targets, options: Options, arguments: list[str]) -> str:
    """Describe the datapaths that are named, or all."""
    output: list[str] = []
    errors: list[str] = []
    wanted = [(targets.parse(argument), argument) for argument in arguments]
    for name, written in wanted or [(name, label(name)) for name in targets.all()]:
        try:
            with targets.open(name, f"opening datapath {written} failed") as datapath:
                output.append(_describe(name, datapath, statistics=options.statistics))
        except DpctlError as error:
            errors += error.messages
        except DatapathError as error:
            errors.append(because(error.what, error.errno))
    if errors:
        raise DpctlError(*errors, output="".join(output))
    return "".join(output)


def _describe(name: Name, datapath: Datapath, *, statistics: bool) -> str:
    lines = [f"{label(name)}:", *_counters(datapath.stats())]
    ports = datapath.ports()
    devices = _devices() if statistics and name[0] != "dummy" else {}
    for port in ports:
        lines.append(f"  port {port.port_no}: {port.name}{_kind(port, name[0])}")
        if statistics:
            lines += _port_counters(port.stats, devices.get(port.ifindex))
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


def _kind(port: Vport, datapath_type: str) -> str:
    if port.kind == "system":
        return ""
    if port.kind not in TUNNEL_KINDS:
        return f" ({TYPES_IN_PROCESS.get(datapath_type, {}).get(port.kind, port.kind)})"
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


def cache_get_size(targets: Targets, options: Options, arguments: list[str]) -> str:
    """Tell how large a datapath's cache of masks is."""
    if arguments:
        names = [targets.parse(arguments[0])]
    else:
        names = targets.all()
    output = ""
    for name in names:
        with targets.open(name, f"Opening datapath {label(name)} failed") as datapath:
            size = datapath.stats().masks_cache_size
            output += f"{label(name)}:\n"
            output += "" if size is None else f"  caches:\n    masks-cache: size:{size}\n"
    return output


def cache_set_size(targets: Targets, options: Options, arguments: list[str]) -> str:
    """Resize a datapath's cache of masks: to the next power of two, since the kernel takes no other size."""
    written, cache, size_text = arguments
    if not size_text.isascii() or not size_text.isdigit() or int(size_text) >> 31:
        raise DpctlError(because("size is malformed", errno.EINVAL))
    size = int(size_text)
    with targets.open(targets.parse(written), "Opening datapath failed") as datapath:
        if cache != "masks-cache" or datapath.stats().masks_cache_size is None:
            raise DpctlError(because(f'Cache name "{cache}" not found on dpif', errno.EINVAL))
        try:
            datapath.resize_masks_cache(1 << (size - 1).bit_length() if size else 0)
        except DatapathError as error:
            raise DpctlError(because("Setting cache size failed", error.errno)) from None
        return f"Setting cache size successful, new size {datapath.stats().masks_cache_size}\n"
