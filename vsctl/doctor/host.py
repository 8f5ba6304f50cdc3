"""Judgements about the host: directories, daemons, database file, kernel, clock."""

from __future__ import annotations

import time

from vsctl.doctor.facts import SERVER, SWITCH, Daemon, Facts
from vsctl.doctor.findings import NO_DATABASE, Judgement, fail, is_kernel, is_netdev, ok, some, unknown, warn

MEBIBYTE = 1 << 20
LITTLE, VERY_LITTLE = 50 * MEBIBYTE, 2 * MEBIBYTE  # free space for the database
FEW_INODES = 16
EARLIEST_YEAR, LATEST_YEAR = 2024, 2100
DAY = 86400
SOON = 30 * DAY
CAP_NET_ADMIN, CAP_NET_RAW = 12, 13  # capabilities(7)
SCHEMA_NEEDED = (8, 0, 0)  # of vswitch.ovsschema; older ones lack tables that commands use


def rundir(facts: Facts) -> Judgement:
    """The directory of sockets and pidfiles."""
    if facts.rundir_problem:
        return fail(
            f"{facts.rundir}: {facts.rundir_problem}",
            "make the directory, or set OVS_RUNDIR to the one that the daemons use",
        )
    return ok(facts.rundir)


def database_socket(facts: Facts) -> Judgement:
    """Where ovsdb-server listens."""
    found = facts.socket
    if found is None:
        return unknown("the database is reached over the network")
    if not found.exists:
        return fail(
            f"{found.path} does not exist",
            "start ovsdb-server with --remote=punix:PATH, or name it with --db",
        )
    if not found.is_socket:
        return fail(f"{found.path} is no socket", "remove the file and start ovsdb-server again")
    if not found.writable:
        return fail(
            f"{found.path} belongs to {found.owner}, and this user may not connect",
            "run as root or as that user",
        )
    if found.refusal:
        return fail(
            f"nobody accepts connections on {found.path} ({found.refusal})",
            "start ovsdb-server; a socket without a server is left behind by one that was killed",
        )
    return ok(f"{found.path}, {found.owner}")


def server_runs(facts: Facts) -> Judgement:
    """ovsdb-server lives and answers."""
    return _runs(SERVER, facts.server)


def switch_runs(facts: Facts) -> Judgement:
    """ovs-vswitchd lives and answers."""
    return _runs(SWITCH, facts.switch)


def _runs(name: str, daemon: Daemon) -> Judgement:
    if daemon.pid is None:
        return fail(
            f"{name} does not run: {daemon.why_not}", f"start {name} with --pidfile --detach --log-file"
        )
    if not daemon.answers:
        return fail(
            f"{name} (process {daemon.pid}) does not answer on its control socket: {daemon.why_silent}",
            f"look into its log and at what process {daemon.pid} does; if it hangs, restart it",
        )
    return ok(f"process {daemon.pid}, {daemon.version}")


def same_version(facts: Facts) -> Judgement:
    """Both daemons are of one release."""
    if not (facts.server.version and facts.switch.version):
        return unknown("not both daemons answer")
    versions = [daemon.version.rpartition(" ")[2] for daemon in (facts.server, facts.switch)]
    if versions[0] != versions[1]:
        return warn(
            f"{facts.server.version}, but {facts.switch.version}",
            "restart the daemon that an upgrade left running",
        )
    return ok(versions[0])


def one_switch(facts: Facts) -> Judgement:
    """No second switch works on the same datapath."""
    if facts.switches is None:
        return unknown("processes cannot be looked at")
    if len(facts.switches) > 1:
        listed = some(f"{process.pid} ({process.command})" for process in facts.switches)
        return warn(
            f"several ovs-vswitchd run in this network namespace: {listed}",
            "stop all but one: they take datapaths and devices from each other",
        )
    return ok(f"{len(facts.switches)} ovs-vswitchd in this network namespace")


def same_namespace(facts: Facts) -> Judgement:
    """The switch sees the devices that its user sees."""
    same = facts.switch.same_namespace
    if same is None:
        return unknown("the namespace of ovs-vswitchd cannot be looked at")
    if not same:
        return warn(
            "ovs-vswitchd is in another network namespace: it does not see the devices of this one",
            f"work in its namespace (nsenter --net --target {facts.switch.pid}), or start it in this one",
        )
    return ok("ovs-vswitchd is in this network namespace")


def capabilities(facts: Facts) -> Judgement:
    """The switch may change devices."""
    held = facts.switch.capabilities
    if held is None:
        return unknown("the capabilities of ovs-vswitchd cannot be looked at")
    wanted = {"CAP_NET_ADMIN": CAP_NET_ADMIN}
    if any(map(is_netdev, facts.table("Bridge").values())):
        wanted["CAP_NET_RAW"] = CAP_NET_RAW
    missing = [name for name, bit in wanted.items() if not held >> bit & 1]
    if missing:
        return fail(
            f"ovs-vswitchd lacks {' and '.join(missing)}",
            "run it as root, or give it them (systemd: AmbientCapabilities=, containers: --cap-add)",
        )
    return ok(f"ovs-vswitchd has {' and '.join(wanted)}")


def kernel_module(facts: Facts) -> Judgement:
    """The openvswitch module, where a bridge needs it."""
    if facts.module_loaded is None:
        return unknown("the kernel's modules cannot be looked at")
    if facts.module_loaded:
        return ok("openvswitch is loaded")
    needing = [str(bridge["name"]) for bridge in facts.table("Bridge").values() if is_kernel(bridge)]
    if not needing:
        return ok("openvswitch is not loaded, and no bridge needs it")
    if facts.module_available:
        return warn(f"openvswitch is not loaded; needed by {some(needing)}", "modprobe openvswitch")
    return fail(
        f"this kernel has no openvswitch module; needed by {some(needing)}",
        "install a kernel with the module, or forward in userspace: "
        "ovs-vsctl set bridge NAME datapath_type=netdev",
    )


def tun(facts: Facts) -> Judgement:
    """What bridges in userspace make their devices with."""
    needing = [str(bridge["name"]) for bridge in facts.table("Bridge").values() if is_netdev(bridge)]
    if not needing:
        return ok("no bridge needs /dev/net/tun")
    if facts.tun_problem is None:
        return unknown("/dev/net/tun cannot be looked at")
    if facts.tun_problem:
        return fail(
            f"/dev/net/tun: {facts.tun_problem}; needed by {some(needing)}",
            "modprobe tun; in a container, pass the device in (--device /dev/net/tun)",
        )
    return ok("/dev/net/tun can be opened")


def database_read(facts: Facts) -> Judgement:
    """The server serves Open_vSwitch."""
    if facts.database_problem:
        return fail(facts.database_problem, "see the other findings; then: ovsdb-client list-dbs")
    return ok("Open_vSwitch can be read")


def schema(facts: Facts) -> Judgement:
    """The schema is not older than the programs."""
    if not facts.schema_version:
        return NO_DATABASE
    parts = tuple(int(part) for part in facts.schema_version.split(".") if part.isdigit())
    if parts < SCHEMA_NEEDED:
        return warn(
            f"the schema is of version {facts.schema_version}, older than what the commands are made for",
            "ovsdb-client convert, with the newer vswitch.ovsschema",
        )
    return ok(f"version {facts.schema_version}")


def database_file(facts: Facts) -> Judgement:
    """The file holds whole records."""
    file = facts.file
    if file is None:
        return unknown("the database's file cannot be looked at")
    if not file.exists:
        return warn(
            f"{file.path} does not exist", "ovsdb-tool create, or set OVS_DBDIR to where the database is"
        )
    if file.damage:
        return fail(
            f"{file.path}: {file.damage}", "ovsdb-tool check-log, ovsdb-tool fsck; keep a copy of the file"
        )
    return ok(file.path)


def disk_space(facts: Facts) -> Judgement:
    """There is room for the database to grow."""
    file = facts.file
    if file is None or file.free_bytes is None:
        return unknown("the file system of the database cannot be looked at")
    left = f"{file.free_bytes // MEBIBYTE} MiB free where {file.path} is"
    if file.free_inodes is not None and file.free_inodes < FEW_INODES:
        return fail(
            f"{file.free_inodes} inodes free where {file.path} is", "remove files that are not needed"
        )
    if file.free_bytes < VERY_LITTLE:
        return fail(left, "make room: the server cannot write what is changed, and refuses it")
    if file.free_bytes < LITTLE:
        return warn(left, "make room, then ovs-appctl -t ovsdb-server ovsdb-server/compact")
    return ok(left)


def clock(facts: Facts) -> Judgement:
    """The clock is set."""
    year = time.gmtime(facts.now).tm_year
    if not EARLIEST_YEAR <= year < LATEST_YEAR:
        return fail(f"the year is {year}", "set the clock: certificates are not valid yet or any more")
    return ok(f"the year is {year}")


def certificates(facts: Facts) -> Judgement:
    """The certificates that the database names are valid."""
    if facts.rows is None:
        return NO_DATABASE
    if not facts.certificates:
        return ok("no certificates are named")
    for found in facts.certificates:
        if found.error:
            return fail(
                f"{found.path}: {found.error}", "mend the file, or ovs-vsctl set-ssl with the right ones"
            )
        if facts.now < found.not_before:
            return fail(
                f"{found.path} is not valid before {_date(found.not_before)}", "set the clock, or wait"
            )
        if facts.now > found.not_after:
            return fail(
                f"{found.path} has expired on {_date(found.not_after)}", "make a new certificate (ovs-pki)"
            )
    for found in facts.certificates:
        if facts.now > found.not_after - SOON:
            return warn(
                f"{found.path} expires on {_date(found.not_after)}", "make a new certificate (ovs-pki)"
            )
    return ok(f"valid until {_date(min(found.not_after for found in facts.certificates))}")


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
