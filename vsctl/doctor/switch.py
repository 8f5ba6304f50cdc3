"""Judgements about the switch: what the database wants, beside the devices and addresses of the host."""

from __future__ import annotations

from collections.abc import Iterator, Set

from vsctl.doctor.facts import Address, Facts, Row
from vsctl.doctor.findings import (
    NO_DATABASE,
    Judgement,
    address,
    bridge_interfaces,
    fail,
    is_kernel,
    is_netdev,
    mapping,
    ok,
    refs,
    some,
    text,
    unknown,
    warn,
)

SYSTEM_TYPES = ("", "system")  # of interfaces that are devices of the host
OVERHEADS = {"gre": 38, "vxlan": 50, "geneve": 50, "stt": 72, "gtpu": 36, "erspan": 50}  # bytes, over IPv4
IPV6_MORE = 20  # bytes that an IPv6 header is longer
DEFAULT_MTU = 1500
KERNEL_MASTER = "openvswitch"  # the driver behind ovs-system, the master of ports in the kernel's datapath


def initialised(facts: Facts) -> Judgement:
    """There is the row that everything hangs on."""
    if facts.rows is None:
        return NO_DATABASE
    if not facts.root:
        return fail("the database has no row in Open_vSwitch", "ovs-vsctl --no-wait init")
    return ok("the database is initialised")


def settled(facts: Facts) -> Judgement:
    """The switch has done what was asked for."""
    if facts.rows is None:
        return NO_DATABASE
    wanted, done = facts.root.get("next_cfg", 0), facts.root.get("cur_cfg", 0)
    if wanted != done:
        return warn(
            f"next_cfg is {wanted}, cur_cfg {done}: ovs-vswitchd has not done the last changes",
            "if it stays so, ovs-vswitchd does not run or does not reach the database",
        )
    return ok(f"next_cfg and cur_cfg are {wanted}")


def datapath_types(facts: Facts) -> Judgement:
    """The switch knows the datapaths that bridges ask for."""
    return _known(facts, "Bridge", "datapath_type", "datapath_types")


def interface_types(facts: Facts) -> Judgement:
    """The switch knows the types of all interfaces."""
    return _known(facts, "Interface", "type", "iface_types")


def _known(facts: Facts, table: str, column: str, known_column: str) -> Judgement:
    if facts.rows is None:
        return NO_DATABASE
    known = facts.root.get(known_column, frozenset())
    if not isinstance(known, Set) or not known:
        return unknown(f"the switch has not written {known_column}")
    wrong = [
        f'{row["name"]} ("{text(row, column)}")'
        for row in facts.table(table).values()
        if text(row, column) not in ("", "system", "internal", "patch", "null", *map(str, known))
    ]
    if wrong:
        return fail(
            f"ovs-vswitchd has no {column} as of {some(wrong)}",
            f"choose one of {some(map(str, known))}: ovs-vsctl set {table.lower()} NAME {column}=...",
        )
    return ok(f"all of {len(facts.table(table))} are known")


def interface_errors(facts: Facts) -> Judgement:
    """No interface has an error."""
    if facts.rows is None:
        return NO_DATABASE
    wrong = [
        f"{r['name']}: {text(r, 'error')}" for r in facts.table("Interface").values() if text(r, "error")
    ]
    if wrong:
        return fail(some(wrong), "mend the cause, or ovs-vsctl del-port NAME")
    return ok("no interface has an error")


def _system_interfaces(facts: Facts) -> Iterator[tuple[Row, str]]:
    """(bridge, name) of interfaces that are devices of the host."""
    for bridge, row in bridge_interfaces(facts):
        if text(row, "type") in SYSTEM_TYPES and row["name"] != bridge["name"]:
            yield bridge, str(row["name"])


def devices_exist(facts: Facts) -> Judgement:
    """The devices of ports are there."""
    if facts.rows is None:
        return NO_DATABASE
    if facts.devices is None or facts.switch.same_namespace is False:
        return unknown("the devices of the switch's network namespace cannot be looked at")
    missing = [name for _, name in _system_interfaces(facts) if name not in facts.devices]
    if missing:
        return fail(
            f"no such device: {some(missing)}",
            "make the device, or ovs-vsctl del-port NAME; type=internal is for what the switch is to make",
        )
    return ok("every port's device exists")


def enslaved(facts: Facts) -> Judgement:
    """The devices of ports belong to nobody else."""
    if facts.rows is None or facts.devices is None:
        return NO_DATABASE if facts.rows is None else unknown("devices cannot be looked at")
    wrong = []
    for _, name in _system_interfaces(facts):
        device = facts.devices.get(name)
        if device is not None and device.master and device.master_kind != KERNEL_MASTER:
            wrong.append(f"{name} (in {device.master_kind or 'device'} {device.master})")
    if wrong:
        return fail(f"devices that something else has taken: {some(wrong)}", "ip link set NAME nomaster")
    return ok("no port's device is in a Linux bridge or bond")


def offloads(facts: Facts) -> Judgement:
    """No device hands over packets that cannot be forwarded."""
    if facts.rows is None or facts.devices is None:
        return NO_DATABASE if facts.rows is None else unknown("devices cannot be looked at")
    names = {name for _, name in _system_interfaces(facts)}
    wrong = [name for name, device in facts.devices.items() if name in names and device.receives_large]
    if wrong:
        return warn(f"large receive offload is on: {some(wrong)}", "ethtool --offload NAME lro off")
    return ok("large receive offload is off")


def network_manager(facts: Facts) -> Judgement:
    """Nobody else configures the devices."""
    if facts.network_manager is None:
        return unknown("processes cannot be looked at")
    names = {name for _, name in _system_interfaces(facts)}
    if facts.network_manager and names:
        return warn(
            f"NetworkManager runs; it may take {some(names)} up, down or away",
            "nmcli device set NAME managed no",
        )
    return ok(
        "NetworkManager does not run" if not facts.network_manager else "no port is a device of the host"
    )


# --- tunnels


def _tunnels(facts: Facts) -> Iterator[tuple[Row, Row]]:
    """(bridge, interface) of tunnels."""
    for bridge, row in bridge_interfaces(facts):
        if "remote_ip" in mapping(row, "options"):
            yield bridge, row


def duplicate_tunnels(facts: Facts) -> Judgement:
    """No two tunnels have the same ends."""
    if facts.rows is None:
        return NO_DATABASE
    seen: dict[tuple[str, ...], list[str]] = {}
    for bridge, row in _tunnels(facts):
        options = mapping(row, "options")
        key = options.get("in_key", options.get("key", "0"))
        kind = "netdev" if is_netdev(bridge) else "system"
        ends = (kind, text(row, "type"), options["remote_ip"], options.get("local_ip", ""), key)
        seen.setdefault((*ends, options.get("dst_port", "")), []).append(str(row["name"]))
    wrong = [" and ".join(sorted(names)) for names in seen.values() if len(names) > 1]
    if wrong:
        return fail(
            f"tunnels with the same ends and key: {some(wrong)}",
            "delete one, or give them different options:key",
        )
    return ok(f"{len(seen)} different tunnels" if seen else "there are no tunnels")


def local_addresses(facts: Facts) -> Judgement:
    """Tunnels begin at addresses of this host."""
    if facts.rows is None or facts.addresses is None:
        return NO_DATABASE if facts.rows is None else unknown("the host's addresses cannot be looked at")
    if facts.switch.same_namespace is False:
        return unknown("the addresses of the switch's network namespace cannot be looked at")
    wrong = []
    for _, row in _tunnels(facts):
        local = mapping(row, "options").get("local_ip", "flow")
        found = address(local)
        if local != "flow" and (found is None or found not in facts.addresses):
            wrong.append(f"{row['name']} ({local})")
    if wrong:
        return fail(
            f"local_ip is no address of this host: {some(wrong)}", "ip addr add, or mend options:local_ip"
        )
    return ok("every local_ip is an address of this host")


def _remotes(facts: Facts) -> Iterator[tuple[str, Address]]:
    """(who, address) of everything that the switch is to reach."""
    for _, row in _tunnels(facts):
        found = address(mapping(row, "options")["remote_ip"])
        if found is not None:
            yield str(row["name"]), found
    for table in ("Controller", "Manager"):
        for row in facts.table(table).values():
            target = text(row, "target")
            host = target.partition(":")[2].rpartition(":")[0] or target.partition(":")[2]
            found = address(host.strip("[]").partition("%")[0])
            if found is not None:
                yield target, found


def ipv6(facts: Facts) -> Judgement:
    """IPv6 is on, where it is needed."""
    if facts.rows is None:
        return NO_DATABASE
    needing = [who for who, found in _remotes(facts) if found.version == 6]
    if not needing:
        return ok("nothing is reached over IPv6")
    if facts.ipv6_disabled is None:
        return unknown("whether IPv6 is disabled cannot be looked at")
    if facts.ipv6_disabled:
        return fail(
            f"IPv6 is disabled, but needed by {some(needing)}", "sysctl net.ipv6.conf.all.disable_ipv6=0"
        )
    return ok("IPv6 is enabled")


def underlay(facts: Facts, remote: Address) -> tuple[str, int] | None:
    """The device that a packet to an address leaves by, and its MTU."""
    devices = facts.devices or {}
    ways = [(network.prefixlen, device) for network, device in facts.routes or () if remote in network]
    ways = [way for way in ways if way[1] in devices]
    if not ways:
        return None
    _, device = max(ways, key=lambda way: way[0])
    return device, devices[device].mtu


def tunnel_mtu(facts: Facts) -> Judgement:
    """Packets of full size fit into the tunnels."""
    if facts.rows is None or facts.devices is None or facts.routes is None:
        return NO_DATABASE if facts.rows is None else unknown("devices and routes cannot be looked at")
    wrong, looked_at = [], 0
    for bridge, row in _tunnels(facts):
        options = mapping(row, "options")
        remote = address(options["remote_ip"])
        way = None if remote is None else underlay(facts, remote)
        if remote is None or way is None:
            continue
        looked_at += 1
        overhead = OVERHEADS.get(text(row, "type"), 0) + (IPV6_MORE if remote.version == 6 else 0)
        overhead += 4 if text(row, "type") == "gre" and "key" in options else 0
        room, inner = way[1] - overhead, _inner_mtu(facts, bridge)
        if inner > room:
            wrong.append(f"{row['name']}: {inner} inside, but {room} fit through {way[0]}")
    if wrong:
        return warn(
            some(wrong),
            "raise the MTU of the device below, or lower it inside: "
            "ovs-vsctl set interface NAME mtu_request=N",
        )
    return ok(
        "packets of full size fit into the tunnels" if looked_at else "no tunnel has a route to look at"
    )


def _inner_mtu(facts: Facts, bridge: Row) -> int:
    """The largest MTU of the bridge's devices."""
    found = [
        facts.devices[str(row["name"])].mtu
        for other, row in bridge_interfaces(facts)
        if other["name"] == bridge["name"] and facts.devices is not None and str(row["name"]) in facts.devices
    ]
    return max(found, default=DEFAULT_MTU)


# --- the rest


def patches(facts: Facts) -> Judgement:
    """Patch ports have peers that have them."""
    if facts.rows is None:
        return NO_DATABASE
    peers = {
        str(row["name"]): mapping(row, "options").get("peer", "")
        for _, row in bridge_interfaces(facts)
        if text(row, "type") == "patch"
    }
    wrong = [name for name, peer in peers.items() if peers.get(peer) != name]
    if wrong:
        return fail(
            f"patch ports without a peer: {some(wrong)}", "ovs-vsctl set interface NAME options:peer=OTHER"
        )
    return ok(f"{len(peers)} patch ports have their peers" if peers else "there are no patch ports")


def controllers(facts: Facts) -> Judgement:
    """Bridges reach their controllers."""
    if facts.rows is None:
        return NO_DATABASE
    cut_off: list[str] = []
    silent: list[str] = []
    for bridge in facts.table("Bridge").values():
        rows = [facts.table("Controller").get(uuid, {}) for uuid in refs(bridge, "controller")]
        if rows and not any(row.get("is_connected") for row in rows):
            secure = text(bridge, "fail_mode") == "secure"
            (cut_off if secure else silent).append(str(bridge["name"]))
    if cut_off:
        return fail(
            f"no controller is connected, and fail_mode is secure: {some(cut_off)}",
            "start the controller; until then nothing but its old flows is forwarded",
        )
    if silent:
        return warn(
            f"no controller is connected: {some(silent)}", "start the controller, or ovs-vsctl del-controller"
        )
    return ok("every controller is connected" if facts.table("Controller") else "there are no controllers")


def managers(facts: Facts) -> Judgement:
    """Managers that the server is to connect to are connected."""
    if facts.rows is None:
        return NO_DATABASE
    rows = [row for row in facts.table("Manager").values() if not text(row, "target").startswith("p")]
    wrong = [text(row, "target") for row in rows if not row.get("is_connected")]
    if wrong:
        return warn(f"not connected: {some(wrong)}", "start the manager, or ovs-vsctl del-manager")
    return ok("every manager is connected" if rows else "there are no managers to connect to")


def vlans(facts: Facts) -> Judgement:
    """No access port has trunks as well."""
    if facts.rows is None:
        return NO_DATABASE
    wrong = [
        str(row["name"])
        for row in facts.table("Port").values()
        if text(row, "vlan_mode") in ("", "access") and row.get("tag") and row.get("trunks")
    ]
    if wrong:
        return warn(
            f"ports with a tag, whose trunks are of no effect: {some(wrong)}",
            "ovs-vsctl set port NAME vlan_mode=native-untagged, or clear port NAME trunks",
        )
    return ok("no access port has trunks")


def mixed_datapaths(facts: Facts) -> Judgement:
    """Patch ports join bridges of one kind of datapath."""
    if facts.rows is None:
        return NO_DATABASE
    kinds = {}
    for bridge, row in bridge_interfaces(facts):
        if text(row, "type") == "patch":
            kinds[str(row["name"])] = is_kernel(bridge), mapping(row, "options").get("peer", "")
    wrong = [name for name, (kind, peer) in kinds.items() if peer in kinds and kinds[peer][0] != kind]
    if wrong:
        return fail(
            f"patch ports between a bridge in the kernel and one in userspace: {some(wrong)}",
            "give both bridges the same datapath_type, or join them with a veth pair",
        )
    return ok("patch ports join bridges of one kind")
