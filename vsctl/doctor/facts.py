"""What the doctor looks at, as it was found.

Rule: plain values, None where something could not be looked at. Gathering is in `gather` and `gather_host`,
judging in `host` and `switch`, so that a judgement is tested with the facts that it is about.
"""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ovsdb.datum import Value

SERVER, SWITCH = "ovsdb-server", "ovs-vswitchd"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Verdict(enum.Enum):
    """What a check says."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


class Finding(NamedTuple):
    """One check's result."""

    check: str
    verdict: Verdict
    evidence: str
    remedy: str = ""  # what to do, where something is to be done


class Device(NamedTuple):
    """A network device of this network namespace."""

    mtu: int
    master: str = ""  # the device that it is enslaved to
    master_kind: str = ""  # "bridge", "bond", "openvswitch" or another driver
    receives_large: bool = False  # large receive offload is on


class Daemon(NamedTuple):
    """One of the two daemons, as its pidfile names it."""

    pid: int | None = None  # None: it does not run
    why_not: str = ""
    answers: bool = False  # on its control socket
    why_silent: str = ""
    version: str = ""
    same_namespace: bool | None = None  # it sees the same network devices as this program
    capabilities: int | None = None  # its effective ones, capabilities(7)


NOT_SEEN = Daemon()


class Socket(NamedTuple):
    """The database's socket."""

    path: str
    exists: bool
    is_socket: bool = False
    owner: str = ""  # user:group mode
    writable: bool = False
    refusal: str = ""  # why nobody accepts connections there


class DatabaseFile(NamedTuple):
    """The database's file."""

    path: str
    exists: bool
    damage: str = ""
    free_bytes: int | None = None  # of its file system
    free_inodes: int | None = None


class Certificate(NamedTuple):
    """A certificate that the database names."""

    path: str
    not_before: float = 0.0  # seconds since 1970
    not_after: float = 0.0
    error: str = ""


class Process(NamedTuple):
    """A running switch daemon, with whatever run-time directory."""

    pid: int
    command: str


Row = Mapping[str, Value]


@dataclass(frozen=True)
class Facts:
    """Everything that was found."""

    now: float = 0.0  # seconds since 1970
    rundir: str = ""
    rundir_problem: str = ""
    module_loaded: bool | None = None
    module_available: bool | None = None
    tun_problem: str | None = None  # "" if /dev/net/tun can be opened
    devices: Mapping[str, Device] | None = None
    addresses: frozenset[Address] | None = None
    routes: Sequence[tuple[Network, str]] | None = None  # (destination, device)
    ipv6_disabled: bool | None = None
    network_manager: bool | None = None
    switches: Sequence[Process] | None = None  # every ovs-vswitchd of this network namespace
    server: Daemon = NOT_SEEN
    switch: Daemon = NOT_SEEN
    socket: Socket | None = None  # None: the database is not reached by a local socket
    database_problem: str = ""  # why the database could not be read
    schema_version: str = ""
    rows: Mapping[str, Mapping[str, Row]] | None = None  # table -> UUID -> row
    file: DatabaseFile | None = None
    certificates: Sequence[Certificate] = ()

    def table(self, name: str) -> Mapping[str, Row]:
        """The rows of a table."""
        return (self.rows or {}).get(name, {})

    @property
    def root(self) -> Row:
        """The row of Open_vSwitch; {} if there is none."""
        return next(iter(self.table("Open_vSwitch").values()), {})
