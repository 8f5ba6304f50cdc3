"""Random switches, as operations on an empty Open_vSwitch database: every table of configuration, rows that several
refer to, names and values that are hard to write down.
"""

import random
from typing import Any

from declare.columns import KEYS, configuration, target_of
from ovsdb.schema import BaseType, ColumnType, Schema

STRINGS = (
    *(
        "",
        "a",
        "x y",
        "no",
        "null",
        "~",
        "010",
        "0x1f",
        "1e3",
        "true",
        "é",
        'q"\\',
        "a: b",
        "- x",
        "#",
        "a\nb",
    ),
    *(
        "\t",
        "<<",
        "=",
        "12:30:45",
        "2024-01-01",
        "\u2028",
        "\x7f",
        "\x85",
        "\N{GRINNING FACE}",
        "{a}",
        "'",
        " a ",
    ),
)
NAMES = (
    "eth0",
    "eth1",
    "br0",
    "br1",
    "null",
    "010",
    "true",
    "a.b",
    "é",
    "x y",
    "-",
    "bond0",
    "gre0",
    "p:1",
    "#p",
    "1",
)


class SwitchMaker:
    """Draws a switch from `r`."""

    def __init__(self, schema: Schema, r: random.Random) -> None:
        self.schema = schema
        self.r = r
        self.operations: list[Any] = []
        self.made: dict[str, list[Any]] = {}  # table -> references
        self.names = list(NAMES)
        r.shuffle(self.names)

    def chance(self, percent: int) -> bool:
        return self.r.randrange(100) < percent

    def switch(self) -> list[Any]:
        """The operations; the row of Open_vSwitch must be there."""
        for _ in range(self.r.randint(0, 3)):
            self.bridge()
        if "Port" in self.made and self.chance(50):
            for row in self.operations:
                if row["table"] == "Bridge" and self.chance(50):
                    row["row"]["mirrors"] = ["set", [self.mirror(i) for i in range(2)]]
        for number in range(self.r.randint(0, 2)):
            if "Bridge" in self.made:
                row = {"id": number, "bridge": self.r.choice(self.made["Bridge"])}
                self.insert("Flow_Sample_Collector_Set", **row, ipfix=self.maybe("IPFIX"))
        root = self.row("Open_vSwitch")
        root["bridges"] = ["set", self.made.get("Bridge", [])]
        root["manager_options"] = ["set", [self.insert("Manager", target=t) for t in ("ptcp:1", "x")]]
        root["ssl"] = self.insert("SSL") if self.chance(50) else ["set", []]
        if self.chance(50):
            zones = [
                [zone, self.insert("CT_Zone", timeout_policy=self.maybe("CT_Timeout_Policy"))]
                for zone in (0, 5)
            ]
            root["datapaths"] = ["map", [["system", self.insert("Datapath", ct_zones=["map", zones])]]]
        for column in ("next_cfg", "cur_cfg"):
            root.pop(column, None)
        return [*self.operations, {"op": "update", "table": "Open_vSwitch", "where": [], "row": root}]

    def bridge(self) -> None:
        name = self.names.pop()
        ports = [self.port() for _ in range(self.r.randint(0, 3)) if len(self.names) > 5]
        if self.chance(80):
            local = self.insert("Interface", plain=self.chance(70), name=name, type="internal")
            ports.append(self.insert("Port", plain=self.chance(70), name=name, interfaces=local))
        controllers = [self.child("Controller") for _ in range(self.r.randint(0, 2))]
        tables = [[number, self.child("Flow_Table")] for number in range(self.r.randint(0, 2))]
        self.insert(
            "Bridge",
            name=name,
            ports=["set", ports],
            controller=["set", list({str(c): c for c in controllers}.values())],
            flow_tables=["map", tables],
            **{column: self.maybe(table) for column, table in self.singles("Bridge")},
        )

    def port(self) -> Any:
        count = self.r.choice((1, 1, 1, 2))
        names = [self.names.pop() for _ in range(count)]
        interfaces = [self.insert("Interface", plain=self.chance(30), name=name) for name in names]
        name = names[0] if self.chance(70) else self.names.pop()
        return self.insert(
            "Port", plain=self.chance(30), name=name, interfaces=["set", interfaces], qos=self.maybe("QoS")
        )

    def mirror(self, number: int) -> Any:
        ports = self.made["Port"]
        return self.insert(
            "Mirror",
            name=f"m{number}",
            select_src_port=["set", self.r.sample(ports, self.r.randint(0, len(ports)))],
            output_port=self.r.choice(ports),
        )

    def singles(self, table: str) -> list[tuple[str, str]]:
        columns = configuration(self.schema.tables[table])
        return [(c.name, target_of(c.type) or "") for c in columns if target_of(c.type) and c.type.max == 1]

    def maybe(self, table: str) -> Any:
        return self.child(table) if self.chance(40) else ["set", []]

    def child(self, table: str) -> Any:
        """A new row, or one that something refers to already."""
        if self.made.get(table) and self.chance(40):
            return self.r.choice(self.made[table])
        if table == "QoS":
            queues = [[number, self.child("Queue")] for number in range(self.r.randint(0, 2))]
            return self.insert("QoS", queues=["map", queues])
        return self.insert(table)

    def insert(self, table: str, /, *, plain: bool = False, **values: Any) -> Any:
        row = {} if plain else self.row(table)
        name = f"r{len(self.operations)}"
        self.operations.append({"op": "insert", "table": table, "row": row | values, "uuid-name": name})
        self.made.setdefault(table, []).append(["named-uuid", name])
        return ["named-uuid", name]

    def row(self, table: str) -> dict[str, Any]:
        columns = [c for c in configuration(self.schema.tables[table]) if target_of(c.type) is None]
        chosen = self.r.sample(columns, self.r.randint(0, min(4, len(columns))))
        needed = [c for c in columns if (c.type.min and not c.type.is_scalar) or c.name == KEYS.get(table)]
        return {c.name: self.datum(c.type) for c in dict.fromkeys([*chosen, *needed])}

    def datum(self, type_: ColumnType) -> Any:
        count = self.r.randint(type_.min, min(3, type_.max or 3))
        keys = list(dict.fromkeys(self.atom(type_.key) for _ in range(count)))
        if type_.value is not None:
            return ["map", [[key, self.atom(type_.value)] for key in keys]]
        return keys[0] if type_.is_scalar else ["set", keys]

    def atom(self, base: BaseType) -> Any:
        r = self.r
        if base.enum is not None:
            return r.choice(base.enum)
        if base.type == "integer":
            low = -(2**63) if base.min_integer is None else base.min_integer
            high = 2**63 - 1 if base.max_integer is None else base.max_integer
            return r.choice((low, high, max(low, min(high, r.randrange(300)))))
        return r.choice((False, True)) if base.type == "boolean" else r.choice(STRINGS)
