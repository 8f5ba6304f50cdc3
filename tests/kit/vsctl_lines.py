"""Command lines for ovs-vsctl, valid and not, made from a seed.

Rule: the same seed gives the same lines. `ROWS` is what the databases hold before the first one; its UUIDs are known, so
that lines can name records by them and by their first digits.
"""

import shlex
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

Words = list[str]


def uuid(n: int) -> str:
    """The UUID of the nth row of ROWS; the first digits are the rows' own, except for two that share five."""
    head = {8: "abcde008", 9: "abcde009"}.get(n, f"{n:04x}beef")
    return f"{head}-0000-4000-8000-{n:012x}"


def _ref(n: int) -> list[Any]:
    return ["uuid", uuid(n)]


SWITCH, BRIDGE, LOCAL_PORT, LOCAL, PORT, INTERFACE, DATAPATH, ZONE, QOS, QUEUE, MIRROR = range(1, 12)

ROWS: list[tuple[str, int, dict[str, Any]]] = [  # table, number, row
    ("Interface", LOCAL, {"name": "base", "type": "internal"}),
    ("Interface", INTERFACE, {"name": "eth0", "options": ["map", [["a", "b\u00e9\n"], ["c", ""]]]}),
    ("Port", LOCAL_PORT, {"name": "base", "interfaces": _ref(LOCAL)}),
    ("Port", PORT, {"name": "eth0", "interfaces": _ref(INTERFACE), "trunks": ["set", [1, 2, 30]]}),
    ("QoS", QOS, {"type": "linux-htb", "queues": ["map", [[0, _ref(QUEUE)]]]}),
    ("Queue", QUEUE, {"dscp": 5, "other_config": ["map", [["max-rate", "1000"]]]}),
    ("Mirror", MIRROR, {"name": "mirror0", "select_all": True}),
    ("CT_Zone", ZONE, {}),
    ("Datapath", DATAPATH, {"datapath_version": "1", "ct_zones": ["map", [[3, _ref(ZONE)]]]}),
    (
        "Bridge",
        BRIDGE,
        {
            "name": "base",
            "ports": ["set", [_ref(LOCAL_PORT), _ref(PORT)]],
            "mirrors": _ref(MIRROR),
            "other_config": ["map", [["x", "5"], ["y z", "1 \\ 2"]]],
            "flood_vlans": ["set", [7, 8]],
        },
    ),
    ("Open_vSwitch", SWITCH, {"bridges": _ref(BRIDGE), "datapaths": ["map", [["netdev", _ref(DATAPATH)]]]}),
]


def operations() -> list[Any]:
    """The transaction that makes ROWS. Both servers must know the UUID of an insert (ovsdb-server(7))."""
    return [{"op": "insert", "table": table, "uuid": uuid(n), "row": row} for table, n, row in ROWS]


BRIDGES = ("base", "base", "br0", "br1", "fake", "none")
PORTS = ("eth0", "base", "p0", "p1", "fake", "bond0", "none")
TABLES = (
    *(
        "Bridge",
        "bridge",
        "br",
        "Port",
        "port",
        "Interface",
        "int",
        "Open_vSwitch",
        "open",
        "QoS",
        "queue",
        "Mirror",
    ),
    *(
        "Controller",
        "Manager",
        "n",
        "s",
        "ss",
        "sf",
        "C",
        "d",
        "CT-Zone",
        "flow",
        "flow_table",
        "IPFIX",
        "AutoAttach",
    ),
    *("nope", "", "bridges"),
)
COLUMNS = (
    *(
        "name",
        "other_config",
        "other-config",
        "OTHER_CONFIG",
        "other",
        "external_ids",
        "ex",
        "flood_vlans",
        "flood",
    ),
    *(
        "stp_enable",
        "fail_mode",
        "ports",
        "_uuid",
        "p",
        "tag",
        "trunks",
        "vlan_mode",
        "options",
        "type",
        "interfaces",
    ),
    *(
        "mtu_request",
        "ofport_request",
        "queues",
        "qos",
        "dscp",
        "limit",
        "bond_mode",
        "s",
        "nope",
        "",
        "statistics",
    ),
    *("mirrors", "datapath_id", "protected", "link_speed", "max_backoff", "target", "controller", "fail-"),
)
KEYS = ("x", "y", '"y z"', "a", "c", "0", "max-rate", "none", "", '"', "x:y", "1")
VALUES = (
    *(
        "",
        "5",
        "0",
        "-1",
        "+7",
        "007",
        "4095",
        "4096",
        "9223372036854775807",
        "9223372036854775808",
        "1.5",
        "1e3",
        "nan",
    ),
    *(
        "[]",
        "{}",
        "1,2",
        "1, 2",
        "1 2",
        "[1,2]",
        "[1,2",
        "1,2]",
        "1,,2",
        ",",
        "1,1",
        "1-3",
        "3-1",
        "1-5000",
        "0x10",
    ),
    *(
        "a",
        "a=b",
        "{a=b}",
        "{a=b,c=5}",
        "a=b=c",
        "a=b,a=c",
        "{a=b",
        "a=",
        "=b",
        '"a b"',
        '""',
        '"',
        '"\\u00e9\\n\\t"',
    ),
    *(
        '"a\\qb"',
        "x y",
        "é",
        "true",
        "false",
        "yes",
        "off",
        "TRUE",
        "secure",
        "standalone",
        "internal",
        "@x",
        "@",
        "x,",
    ),
    *(
        "active-backup",
        "balance-slb",
        "access",
        "a/b",
        "a-b_c.d",
        "-a",
        "0=" + uuid(QUEUE),
        uuid(PORT),
        uuid(99),
        "!",
        "<",
    ),
)
OPERATORS = (
    "=",
    "=",
    "=",
    "!=",
    "<",
    ">",
    "<=",
    ">=",
    "{=}",
    "{!=}",
    "{<}",
    "{>}",
    "{<=}",
    "{>=}",
    "{in}",
    "{not-in}",
)
BAD_OPERATORS = ("", "==", "=<", "{}", "{x}", "+", "~")
UUIDS = (
    uuid(PORT),
    uuid(BRIDGE)[:4],
    uuid(PORT)[:8],
    uuid(BRIDGE)[:3],
    "abcd",
    "abcde",
    uuid(QOS),
    uuid(99),
    uuid(PORT).upper(),
)
RECORDS = (*BRIDGES, *PORTS, ".", "@x", "mirror0", *UUIDS, "", "zz")
TARGETS = ("tcp:1.2.3.4", "ptcp:6640", "ssl:1.2.3.4:6653", "unix:/x", "nope", "punix:a", "")
# The C tool reads past its buffer where a zone or a time-out is no number.
ZONES = ("zone=1", "zone=3", "zone=0", "zone=70000")
POLICIES = ("icmp_first=1", "udp_first=5", "udp_single=30", "nope=1")
FORMATS = ("table", "list", "html", "csv", "json", "tab", "")

Make = Callable[[Random], Words]


def _pick(*options: Sequence[str]) -> Make:
    """One word of one of the sequences."""
    return lambda random: [random.choice(random.choice(options))]


def _some(make: Make, least: int = 0, most: int = 3) -> Make:
    def words(random: Random) -> Words:
        return [word for _ in range(random.randint(least, most)) for word in make(random)]

    return words


def _column_key(random: Random) -> str:
    return random.choice(COLUMNS) + (":" + random.choice(KEYS) if random.random() < 0.35 else "")


def _setting(random: Random) -> Words:
    return [
        _column_key(random) + random.choice(("=", "=", "=", "=", "=", "", "+", ":")) + random.choice(VALUES)
    ]


def _condition(random: Random) -> Words:
    operator = random.choice(OPERATORS if random.random() < 0.92 else BAD_OPERATORS)
    return [_column_key(random) + operator + random.choice(VALUES)]


# What fits together: without these most lines would end at a column that the table does not have.
FITTING = {
    "Bridge": (
        "name",
        "other_config",
        "flood_vlans",
        "stp_enable",
        "fail_mode",
        "ports",
        "external-ids",
        "mirrors",
        "datapath_type",
    ),
    "Port": (
        "name",
        "tag",
        "trunks",
        "vlan_mode",
        "bond_mode",
        "other_config",
        "interfaces",
        "qos",
        "lacp",
        "statistics",
    ),
    "Interface": (
        "name",
        "type",
        "options",
        "mtu_request",
        "ofport_request",
        "external_ids",
        "ingress_policing_rate",
    ),
    "Queue": ("dscp", "other_config", "external_ids"),
    "QoS": ("type", "queues", "other_config"),
    "Open_vSwitch": ("next_cfg", "other_config", "external_ids", "bridges", "datapaths", "ovs_version"),
    "Controller": ("target", "inactivity_probe", "max_backoff", "connection_mode"),
    "Mirror": ("name", "select_all", "select_vlan", "output_vlan", "snaplen", "statistics"),
}


def _fitting(*parts: str) -> Make:
    """A table, then parts: "record", "column", "value", "key", "setting", "condition" ("s" behind: any number)."""

    def words(random: Random) -> Words:
        table = random.choice(list(FITTING))
        chosen: Words = [table if random.random() < 0.8 else table.lower()]

        def key() -> str:
            return ":" + random.choice(KEYS) if random.random() < 0.3 else ""

        def column() -> str:
            return random.choice(FITTING[table])

        makers: dict[str, Callable[[], str]] = {
            "record": lambda: random.choice(_RECORDS_OF.get(table, (uuid(QUEUE), uuid(99)))),
            "column": column,
            "columnkey": lambda: column() + key(),
            "value": lambda: random.choice(VALUES),
            "setting": lambda: f"{column()}{key()}={random.choice(VALUES)}",
            "condition": lambda: f"{column()}{key()}{random.choice(OPERATORS)}{random.choice(VALUES)}",
        }
        for part in parts:
            count = random.randint(1, 2) if part.endswith("s") else 1
            chosen += [makers[part.removesuffix("s")]() for _ in range(count)]
        return chosen

    return words


_RECORDS_OF = {
    "Bridge": ("base", "base", "br0", uuid(BRIDGE), uuid(BRIDGE)[:6], "none"),
    "Port": ("eth0", "base", "p0", "bond0", uuid(PORT)[:4]),
    "Interface": ("eth0", "base", "p0", "p1", uuid(INTERFACE)),
    "Queue": (uuid(QUEUE), uuid(QUEUE)[:7]),
    "QoS": (uuid(QOS), uuid(QOS)[:5], "eth0"),
    "Open_vSwitch": (".", ".", uuid(SWITCH)),
    "Controller": ("base", "br0"),
    "Mirror": ("mirror0", uuid(MIRROR)),
}

# command: (options that it may have, makers of its arguments)
_BRIDGE, _PORT, _TABLE, _RECORD = _pick(BRIDGES), _pick(PORTS), _pick(TABLES), _pick(RECORDS)
_VALUE, _COLUMN = _pick(VALUES), _pick(COLUMNS)
GRAMMAR: list[tuple[str, tuple[str, ...], tuple[Make, ...]]] = [
    ("init", (), ()),
    ("show", (), ()),
    ("emer-reset", (), ()),
    ("add-br", ("--may-exist",), (_BRIDGE,)),
    (
        "add-br",
        ("--may-exist",),
        (_pick(("fake", "fake2")), _BRIDGE, _pick(("0", "5", "4095", "4096", "x", ""))),
    ),
    ("del-br", ("--if-exists",), (_BRIDGE,)),
    ("list-br", ("--real", "--fake"), ()),
    ("br-exists", (), (_BRIDGE,)),
    ("br-to-vlan", (), (_BRIDGE,)),
    ("br-to-parent", (), (_BRIDGE,)),
    ("br-set-external-id", (), (_BRIDGE, _pick(("k", "l", "")), _some(_VALUE, 0, 1))),
    ("br-get-external-id", (), (_BRIDGE, _some(_pick(("k", "l", "")), 0, 1))),
    ("list-ports", (), (_BRIDGE,)),
    ("add-port", ("--may-exist",), (_BRIDGE, _PORT)),
    ("add-port", ("--may-exist",), (_BRIDGE, _PORT, _some(_setting))),
    (
        "add-bond",
        ("--may-exist", "--fake-iface"),
        (_BRIDGE, _pick(("bond0", "eth0")), _some(_PORT, 1, 4), _some(_setting, 0, 1)),
    ),
    ("del-port", ("--if-exists", "--with-iface"), (_some(_BRIDGE, 0, 1), _PORT)),
    ("port-to-br", (), (_PORT,)),
    ("add-bond-iface", ("--may-exist",), (_pick(("bond0", "eth0", "none")), _PORT)),
    ("del-bond-iface", ("--if-exists",), (_some(_pick(("bond0", "eth0", "none")), 0, 1), _PORT)),
    ("list-ifaces", (), (_BRIDGE,)),
    ("iface-to-br", (), (_PORT,)),
    ("get-controller", (), (_BRIDGE,)),
    ("del-controller", (), (_BRIDGE,)),
    ("set-controller", ("--inactivity-probe=5", "--inactivity-probe=x"), (_BRIDGE, _some(_pick(TARGETS)))),
    ("get-fail-mode", (), (_BRIDGE,)),
    ("del-fail-mode", (), (_BRIDGE,)),
    ("set-fail-mode", (), (_BRIDGE, _pick(("standalone", "secure", "x", "")))),
    ("get-manager", (), ()),
    ("del-manager", (), ()),
    ("set-manager", ("--inactivity-probe=5",), (_some(_pick(TARGETS), 1),)),
    ("get-ssl", (), ()),
    ("del-ssl", (), ()),
    ("set-ssl", ("--bootstrap",), (_some(_pick(("a", "b c", "")), 2, 4),)),
    (
        "add-aa-mapping",
        (),
        (_BRIDGE, _pick(("5", "6", "x", "16777215", "16777216")), _pick(("1", "4096", "y"))),
    ),
    ("del-aa-mapping", (), (_BRIDGE, _pick(("5", "6", "x")), _pick(("1", "2", "y")))),
    ("get-aa-mapping", (), (_BRIDGE,)),
    (
        "add-zone-tp",
        ("--may-exist",),
        (_pick(("netdev", "system")), _pick(ZONES), _some(_pick(POLICIES), 0, 2)),
    ),
    ("del-zone-tp", ("--if-exists",), (_pick(("netdev", "system")), _pick(ZONES))),
    ("list-zone-tp", (), (_pick(("netdev", "system")),)),
    ("list-dp-cap", (), (_pick(("netdev", "system")),)),
    ("list", ("--if-exists", "--columns=name", "--columns=name,_uuid"), (_TABLE, _some(_RECORD))),
    ("list", ("--columns=external_ids,other_config", "--if-exists"), (_fitting("record"),)),
    ("find", ("--columns=_uuid", "--columns=nope"), (_TABLE, _some(_condition))),
    ("find", ("--columns=_uuid",), (_fitting("conditions"),)),
    ("find", (), (_fitting("condition"),)),
    ("get", ("--if-exists", "--id=@x"), (_TABLE, _RECORD, _some(lambda random: [_column_key(random)]))),
    ("get", ("--if-exists",), (_fitting("record", "columnkeys"),)),
    ("set", ("--if-exists",), (_TABLE, _RECORD, _some(_setting, 1))),
    ("set", (), (_fitting("record", "settings"),)),
    ("set", (), (_fitting("record", "setting"),)),
    ("add", ("--if-exists",), (_TABLE, _RECORD, _COLUMN, _some(_VALUE, 1))),
    ("add", (), (_fitting("record", "column", "values"),)),
    ("remove", ("--if-exists",), (_TABLE, _RECORD, _COLUMN, _some(_VALUE, 1))),
    ("remove", (), (_fitting("record", "column", "values"),)),
    ("clear", ("--if-exists",), (_fitting("record", "columns"),)),
    ("clear", ("--if-exists",), (_TABLE, _RECORD, _some(_COLUMN, 1))),
    ("create", ("--id=@x", "--id=x", f"--id={uuid(77)}"), (_fitting("settings"),)),
    ("destroy", ("--if-exists", "--all"), (_pick(("QoS", "Queue", "mirror", "controller")), _some(_RECORD))),
    ("comment", (), (_some(_VALUE),)),
]
GLOBAL_OPTIONS = (
    *(f"--format={name}" for name in FORMATS),
    *(
        "--data=json",
        "--data=bare",
        "--data=x",
        "--bare",
        "--no-headings",
        "--pretty",
        "--oneline",
        "--dry-run",
    ),
    *(
        "--max-column-width=5",
        "-f",
        "--no-w",
        "--nope",
        "-vsyslog:off",
        "--no-syslog",
        "-x",
        "--timeout=60",
        "-t",
        "--format",
    ),
)


def _command(random: Random, mistakes: float) -> Words:
    name, options, arguments = random.choice(GRAMMAR)
    given = [option for option in options if random.random() < 0.3]
    words = [*given, name, *(word for make in arguments for word in make(random))]
    if random.random() < mistakes and "zone" not in name:
        random.choice(MISTAKES)(random, words)
    return words


def _misspell(random: Random, words: Words) -> None:
    where = random.randrange(len(words))
    cut = random.randrange(len(words[where]) + 1)
    wrong = words[where][:cut] + random.choice("x= ,") + words[where][cut + 1 :]
    if not wrong.startswith("-"):  # of several options the C tool executes those before the wrong one: --help
        words[where] = wrong


def _forget(random: Random, words: Words) -> None:
    del words[random.randrange(len(words))]


MISTAKES: list[Callable[[Random, Words], None]] = [
    _misspell,
    _forget,
    lambda random, words: words.insert(random.randrange(len(words) + 1), random.choice(VALUES)),
    lambda random, words: words.insert(
        0, random.choice(("--may-exist", "--if-exists", "--id", "--all", "--x=y"))
    ),
]


def command_line(random: Random) -> Words:
    """The words behind "ovs-vsctl --db=... --no-wait"."""
    words = (
        [random.choice(GLOBAL_OPTIONS)] if random.random() < 0.3 else []
    )  # one: which mistake comes first is free
    count = random.choice((1, 1, 1, 1, 1, 2, 3))
    json = words[:1] in (["--format=json"], ["--plain-json"])  # what it does to text is ours
    for index in range(count):
        if index or random.random() < 0.4:
            words.append("--")
        command = _command(random, mistakes=0 if words[:1] and words[0] in GLOBAL_OPTIONS else 0.1)
        if json and not {"list", "find"} & set(command):
            words[0] = "--format=csv"
        words += command
    return words


def quoted(words: Sequence[str]) -> str:
    """For messages: as one would type it."""
    return shlex.join(words)
