"""Rows of QoS and Queue, and the policing columns of Interface → what is asked for.

Rule: pure. What cannot be is left out with a warning; a QoS of a type that is not Linux's manages nothing.
Source: ovs-vswitchd.conf.db(5), QoS table, Queue table, and "Ingress Policing" of the Interface table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ovsdb.datum import Value
from vswitchd import rows
from vswitchd.rows import Row, Tables

TYPES = {  # Open vSwitch's name → the kernel's, in the order in which qos/show-types lists them
    "linux-netem": "netem",
    "linux-fq_codel": "fq_codel",
    "linux-codel": "codel",
    "linux-hfsc": "hfsc",
    "linux-noop": "",
    "linux-sfq": "sfq",
    "linux-htb": "htb",
}
MAX_QUEUES = 0xF000  # queue numbers are below
_WITH_QUEUES = ("htb", "hfsc")
_DEFAULT_BURST, _DEFAULT_PACKET_BURST = 8000, 16  # kbit, thousands of packets


@dataclass(frozen=True, slots=True)
class QueueConfig:
    """What is asked for a queue; 0 where nothing is."""

    min_rate: int = 0  # bit/s
    max_rate: int = 0  # bit/s
    burst: int = 0  # bits
    priority: int = 0


@dataclass(frozen=True, slots=True)
class QosConfig:
    """What is asked for the packets that leave by a port."""

    type: str  # one of TYPES
    settings: Mapping[str, int] = field(default_factory=dict)  # the numbers of other_config
    queues: Mapping[int, QueueConfig] = field(
        default_factory=dict
    )  # with queue 0; empty where there are no queues

    @property
    def kind(self) -> str:
        """The kernel's name for it; "": nothing is to be managed."""
        return TYPES[self.type]


@dataclass(frozen=True, slots=True)
class Policing:
    """How much of what comes by an interface is taken; 0: any."""

    kbits: int = 0  # a second
    kbits_burst: int = 0
    kpackets: int = 0  # a second
    kpackets_burst: int = 0


NO_POLICING = Policing()


def read_policing(row: Row) -> Policing:
    """Read the limits of an interface."""
    kbits = max(rows.integer(row, "ingress_policing_rate") or 0, 0)
    kpackets = max(rows.integer(row, "ingress_policing_kpkts_rate") or 0, 0)
    if not kbits and not kpackets:
        return NO_POLICING
    burst = rows.integer(row, "ingress_policing_burst") or _DEFAULT_BURST
    packet_burst = rows.integer(row, "ingress_policing_kpkts_burst") or _DEFAULT_PACKET_BURST
    return Policing(kbits, burst if kbits else 0, kpackets, packet_burst if kpackets else 0)


def wants_qos(table: str, row: Row) -> bool:
    """Tell whether a row asks for something that takes traffic control to do."""
    return table == "QoS" or (table == "Interface" and read_policing(row) is not NO_POLICING)


def read_qos(tables: Tables, warnings: list[str]) -> dict[str, QosConfig]:
    """Read the QoS of ports, by the name of the port."""
    if not tables.get("QoS"):
        return {}
    found = {}
    for port in tables["Port"].values():
        row = tables["QoS"].get(rows.text(port, "qos"))
        if row is not None and (config := _qos(rows.text(port, "name"), row, tables, warnings)):
            found[rows.text(port, "name")] = config
    return found


def _qos(port: str, row: Row, tables: Tables, warnings: list[str]) -> QosConfig | None:
    type_ = rows.text(row, "type")
    if not type_:
        return None
    if type_ not in TYPES:
        warnings.append(f"port {port}: QoS type {type_} is not supported, its queueing is left as it is")
        return QosConfig("linux-noop")
    queues = {}
    if TYPES[type_] in _WITH_QUEUES:
        queues = {0: QueueConfig()} | _queues(port, row.get("queues"), tables, warnings)
    settings = rows.options(row, "other_config")
    return QosConfig(type_, {name: n for name in settings if (n := _number(settings, name))}, queues)


def _queues(
    port: str, references: Value | None, tables: Tables, warnings: list[str]
) -> dict[int, QueueConfig]:
    queues = {}
    for number, uuid in sorted(references.items()) if isinstance(references, Mapping) else ():
        row = tables["Queue"].get(str(uuid))
        if row is None or not isinstance(number, int):
            continue
        if number >= MAX_QUEUES:
            warnings.append(f"port {port}: queue {number} is not used, numbers end at {MAX_QUEUES - 1}")
            continue
        settings = rows.options(row, "other_config")
        queues[number] = QueueConfig(
            min_rate=_number(settings, "min-rate"),
            max_rate=_number(settings, "max-rate"),
            burst=_number(settings, "burst"),
            priority=_number(settings, "priority"),
        )
    return queues


def _number(settings: Mapping[str, str], name: str) -> int:
    return rows.number_option(settings, name, 0, 0)
