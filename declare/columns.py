"""What a document says about the tables of Open_vSwitch: what names a row, what users set, what is merged.

Source: ovs-vswitchd.conf.db(5). Rule: everything else about tables follows from the server's schema, so that
a newer schema's columns and tables are in documents without a change here.
"""

from __future__ import annotations

from collections.abc import Iterator

from ovsdb.schema import ColumnSchema, ColumnType, Schema, TableSchema

ROOT = "Open_vSwitch"  # the table of one row that everything is reached from
SHARED = "shared"  # member of a document: rows that several refer to, by table and name
DOCUMENT_NAME = "name"  # member of a document: whom what it says belongs to

KEYS = {  # the column whose value names a row of the table among its siblings
    "Bridge": "name",
    "Port": "name",
    "Interface": "name",
    "Mirror": "name",
    "Controller": "target",
    "Manager": "target",
}
UNIQUE = ("Bridge", "Port", "Interface")  # tables where that value names the row in the whole database

# Rows that nothing refers to, as members of a document: (table, the columns that tell them apart).
LOOSE = {"flow_sample_collector_sets": ("Flow_Sample_Collector_Set", ("id", "bridge"))}

# Collections of which a document names some; in all others it names every member.
OPEN_COLLECTIONS = {
    (ROOT, "bridges"),
    (ROOT, "datapaths"),
    ("Bridge", "ports"),
    ("Datapath", "ct_zones"),
}
MERGED = ("other_config", "external_ids")  # maps of which a document names some keys

REPORTED = {  # columns that the switch writes, beside the ephemeral ones
    ROOT: (
        *("next_cfg", "cur_cfg", "ovs_version", "db_version", "system_type", "system_version"),
        *("datapath_types", "iface_types", "dpdk_initialized", "dpdk_version", "statistics"),
    ),
    "Bridge": ("datapath_version", "datapath_id", "status", "rstp_status"),
    "Port": ("bond_active_slave", "status", "statistics", "rstp_status", "rstp_statistics"),
    "Interface": (
        *("ofport", "error", "mtu", "cfm_flap_count", "cfm_health", "cfm_fault", "cfm_fault_status"),
        *("cfm_remote_mpids", "cfm_remote_opstate", "bfd_status", "status", "statistics", "link_resets"),
    ),
    "Datapath": ("datapath_version", "capabilities"),
}

OWNED_PREFIX = "declared:"  # before a document's name: the key in external_ids that remembers what it names
UNCONFIRMED = "unconfirmed-change"  # the key in external_ids while `apply --confirm` waits
_OF_THE_HOST = ("system-id", "hostname", "rundir")  # keys that ovs-ctl(8) writes at each start


def is_configuration(table: TableSchema, column: ColumnSchema) -> bool:
    """Whether users set the column, not the switch."""
    return not column.ephemeral and column.name not in REPORTED.get(table.name, ())


def configuration(table: TableSchema) -> list[ColumnSchema]:
    """The columns that users set, by name; those that refer to rows last."""
    columns = [column for column in table.columns.values() if is_configuration(table, column)]
    return sorted(columns, key=lambda column: (target_of(column.type) is not None, column.name))


def is_internal_key(table: str, column: str, key: object) -> bool:
    """Whether a key belongs to the host or to this package, not to the configuration."""
    if table != ROOT or column != "external_ids":
        return False
    return key in _OF_THE_HOST or key == UNCONFIRMED or str(key).startswith(OWNED_PREFIX)


def target_of(type_: ColumnType) -> str | None:
    """The table that a column refers to."""
    base = type_.key if type_.value is None else type_.value
    return base.ref_table


def names_rows(table: str, column: ColumnSchema) -> bool:
    """Whether the column refers to rows that stand elsewhere in the document, by their names."""
    target = target_of(column.type)
    base = column.type.key if column.type.value is None else column.type.value
    return base.weak or (target in UNIQUE and (table, target) in _OUTSIDE)


_OUTSIDE = {("Flow_Sample_Collector_Set", "Bridge")}


def tables_in_order(schema: Schema) -> list[str]:
    """The tables that hold configuration, those that refer to others before these."""
    order: list[str] = []

    def visit(table: str, trail: tuple[str, ...]) -> None:
        if table in order or table in trail or table not in schema.tables:
            return
        for target in _targets(schema.tables[table]):
            visit(target, (*trail, table))
        order.append(table)

    for table, _ in LOOSE.values():
        visit(table, ())  # first: they name rows of tables that come before them
    visit(ROOT, ())
    order.reverse()
    return order


def _targets(table: TableSchema) -> Iterator[str]:
    for column in configuration(table):
        target = target_of(column.type)
        if target is not None and not names_rows(table.name, column):
            yield target
