"""The same command lines to our ovs-vsctl and to the C one, each on a C server with the same contents.

Compared: standard output (lines sorted: the C tool lists rows in the order of their hashes; UUIDs masked), exit status,
the whole database afterwards (rows compared by what they hold), and the complaint.
"""

import contextlib
import io
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ovsdb.client.blocking import Client, connect
from rpc.address import parse_active
from tests.kit.peers import C_BIN, OUR_BIN, Daemon, c_ovsdb_server, c_vswitchd
from vsctl.cli import PEER_FAILED, main

pytestmark = pytest.mark.peer

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
COMPLAINT = re.compile(r"(/usr/bin/)?ovs-vsctl: ")
VAGUE = re.compile(r"(?<=database connection failed) \(.*\)$|(?<=is ambiguous; possibilities: ).*")


@dataclass(frozen=True)
class Result:
    """What one run showed."""

    stdout: list[str]  # lines, sorted, UUIDs masked
    status: int
    complaint: str  # the line on stderr that begins with the program's name


@dataclass
class Pair:
    """The two servers."""

    ours: Daemon
    theirs: Daemon
    our_client: Client
    their_client: Client

    def run_ours(self, *argv: str) -> Result:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main([f"--db={self.ours.remote}", "--no-wait", *argv])
            except SystemExit as ended:
                status = int(ended.code or 0)
        return result(out.getvalue(), err.getvalue(), status)

    def run_theirs(self, *argv: str) -> Result:
        done = self.theirs.run(
            C_BIN / "ovs-vsctl", f"--db={self.theirs.remote}", "--no-wait", *argv, check=False
        )
        return result(done.stdout, done.stderr, done.returncode)

    def reset(self) -> None:
        """Empty both databases."""
        roots = [name for name, table in self.our_client.schema.tables.items() if table.is_root]
        for client in (self.our_client, self.their_client):
            client.transact([{"op": "delete", "table": table, "where": []} for table in roots])

    def check(self, line: str) -> None:
        """Run one command line on both, and compare."""
        argv = shlex.split(line)
        theirs, ours = self.run_theirs(*argv), self.run_ours(*argv)
        assert ours.status == theirs.status, f"{line}\n{ours}\n{theirs}"
        assert ours.stdout == theirs.stdout, line
        assert is_same_complaint(ours.complaint, theirs.complaint), f"{line}\n{ours}\n{theirs}"
        assert contents(self.our_client) == contents(self.their_client), line


def result(stdout: str, stderr: str, status: int) -> Result:
    complaints = [line for line in stderr.splitlines() if COMPLAINT.match(line)]
    complaint = UUID.sub("UUID", COMPLAINT.sub("", complaints[-1])) if complaints else ""
    return Result(sorted(UUID.sub("UUID", stdout).split("\n")), status, complaint)


def is_same_complaint(ours: str, theirs: str) -> bool:
    """Except for lists that have no order, and the reason for a failed connection, which depends on chance.

    The C tool's text ends early where it prints the null byte at the end of its input.
    """
    if theirs.endswith('syntax error at "'):
        return ours.startswith(theirs)
    return VAGUE.sub("", ours) == VAGUE.sub("", theirs)


def contents(client: Client) -> dict[str, list[str]]:
    """Table -> its rows, each written out with the rows that it refers to in place of their UUIDs."""
    tables = list(client.schema.tables)
    select: list[Any] = [{"op": "select", "table": table, "where": []} for table in tables]
    results: list[Any] = client.transact(select)
    rows: dict[str, dict[str, Any]] = {}
    of_table: dict[str, list[str]] = {}
    for table, answer in zip(tables, results, strict=True):
        of_table[table] = [row["_uuid"][1] for row in answer["rows"]]
        rows |= {row["_uuid"][1]: row for row in answer["rows"]}

    def written(value: Any) -> str:
        if isinstance(value, list) and value[:1] == ["uuid"]:
            return written_row(value[1])
        if isinstance(value, list) and value[:1] in (["set"], ["map"]):
            return f"{value[0]}({', '.join(sorted(written(member) for member in value[1]))})"
        return f"[{', '.join(map(written, value))}]" if isinstance(value, list) else repr(value)

    def written_row(uuid: str) -> str:
        columns = sorted(rows[uuid].items())
        return str(
            [f"{name}={written(value)}" for name, value in columns if name not in ("_uuid", "_version")]
        )

    return {table: sorted(map(written_row, uuids)) for table, uuids in of_table.items() if uuids}


@pytest.fixture(scope="module")
def servers() -> Iterator[Pair]:
    with (
        c_ovsdb_server() as ours,
        c_ovsdb_server() as theirs,
        connect([parse_active(ours.remote)], "Open_vSwitch") as our_client,
        connect([parse_active(theirs.remote)], "Open_vSwitch") as their_client,
    ):
        yield Pair(ours, theirs, our_client, their_client)


@pytest.fixture
def pair(servers: Pair) -> Pair:
    servers.reset()
    return servers


SCENARIOS = {
    "empty": """
        list-br
        show
        init
        br-exists x
        get open . next_cfg
        """,
    "bridges": r"""
        add-br br0
        add-br br0
        --may-exist add-br br0
        add-port br0 eth1
        add-br eth1
        add-br br1 -- add-port br1 eth2 -- list-ports br1
        add-br fb br0 10 -- add-port fb vp
        list-br
        --real list-br
        --fake list-br
        --real --fake list-br
        --bar list-br
        list-ports br0
        list-ports fb
        list-ifaces br0
        list-ifaces fb
        port-to-br fb
        port-to-br br0
        port-to-br vp
        port-to-br eth1
        iface-to-br fb
        iface-to-br vp
        br-exists fb
        br-exists nope
        br-to-vlan fb
        br-to-vlan br0
        br-to-vlan nope
        br-to-parent fb
        br-to-parent br0
        show
        add-br fc br0 10
        add-br fc fb 12
        add-br fc br0
        add-br fc br0 4096
        add-br fc nope 4
        add-br fc br0 x
        --may-exist add-br fb
        --may-exist add-br fb br0 10
        --may-exist add-br fb br0 11
        --may-exist add-br fb br1 10
        --may-exist add-br br0 br1 10
        add-br vp
        add-port br1 fb
        add-port br1 vp
        br-set-external-id br0 a b
        br-set-external-id br0 c "two words"
        br-set-external-id fb a c
        br-get-external-id br0
        br-get-external-id br0 a
        br-get-external-id br0 nope
        br-get-external-id fb
        br-get-external-id fb a
        br-get-external-id nope
        br-set-external-id fb a
        br-get-external-id fb
        br-set-external-id br0 zz
        get port fb external_ids
        del-br nope
        --if-exists del-br nope
        del-br fb
        list-ports br0
        add-br fb br0 10 -- add-port fb vp -- del-br br0 -- list-br
        list port
        del-br br1 -- add-br br1 -- add-port br1 eth1 -- list-ports br1
        add-port br1 eth1
        del-br br1 -- add-port br1 q
        """,
    "ports": r"""
        add-br br0 -- add-br br1
        add-port br0 eth1 -- set Interface eth1 type=internal ofport_request=5
        add-port br0 eth1
        add-port br1 eth1
        add-port nope eth1
        add-port nope eth9
        --may-exist add-port br0 eth1
        --may-exist add-port br1 eth1
        --may-exist add-port nope eth1
        add-port br0 eth2 tag=9 other_config:a=b
        add-port br0 eth3 tag=
        add-port br0 eth3 tag=4096
        add-port br0 eth3 b
        add-port br0 eth3 b=1
        add-port br0 eth3 nope=1
        add-port br0 eth3 trunks=1,2-4
        get port eth3 trunks
        add-port br0
        add-port br0 br1
        add-bond br0 bond0 e1
        add-bond br0 bond0 e1 e2 bond_mode=balance-slb lacp=active
        add-bond br0 bond1 e1 e3
        add-bond br0 bond1 e3 tag=7
        add-bond br0 bond1 e4 e4
        --fake-iface add-bond br0 bond1 e5 e6
        --may-exist add-bond br0 bond0 e2 e1
        --may-exist add-bond br0 bond0 e2 e3
        --may-exist add-bond br1 bond0 e1 e2
        --may-exist add-port br0 bond0
        add-bond-iface bond0 e9
        add-bond-iface bond0 e9
        --may-exist add-bond-iface bond0 e9
        --may-exist add-bond-iface bond1 e9
        add-bond-iface nope e10
        add-bond-iface eth1 e11
        del-bond-iface e11
        del-bond-iface bond0 e9
        del-bond-iface bond0 e9
        --if-exists del-bond-iface e9
        del-bond-iface bond0 e5
        del-bond-iface eth1
        del-bond-iface nope e1
        iface-to-br e1
        port-to-br e1
        iface-to-br bond0
        iface-to-br nope
        list-ports br0
        list-ifaces br0
        list-ports nope
        del-port e1
        --with-iface del-port e1
        --with-iface del-port nope
        --if-exists --with-iface del-port nope
        del-port br0
        --if-exists del-port br0
        del-port br1 eth1
        del-port br0 eth1
        del-port nope eth2
        del-port nope nope2
        del-port nope
        --if-exists del-port nope
        del-port eth2 -- add-port br1 eth2 -- port-to-br eth2
        add-br fb br0 7 -- add-port fb p7 -- add-port fb p8 tag=8
        list-ports br0
        list-ports fb
        del-port br0 p7
        del-port fb p8
        del-port fb eth3
        del-port fb
        --if-exists del-port fb
        del-port fb p7
        add-port br0 x1 -- add-port br0 x1
        add-port br0 x1 -- del-port x1
        add-port br0 x1 -- del-port x1 -- add-port br1 x1 -- list-ports br1
        show
        """,
    "records": r"""
        add-br br0 -- add-br br1
        set bridge br0 ,
        set bridge br0 flood_vlans=,
        set bridge br0 flood_vlans=1,,2
        set bridge br0 flood_vlans=1,x
        set bridge br0 flood_vlans=[1
        set bridge br0 flood_vlans=[1]2
        set bridge br0 flood_vlans=1]
        set bridge br0 flood_vlans=1=2
        set bridge br0 flood_vlans=1,1
        set bridge br0 flood_vlans=1-5
        get bridge br0 flood_vlans
        set bridge br0 flood_vlans=5-1
        set bridge br0 flood_vlans=1-
        set bridge br0 flood_vlans=1-5000
        set bridge br0 flood_vlans=0-4097
        set bridge br0 "flood_vlans=[ 7 , 8 9 ]"
        get bridge br0 flood_vlans
        set bridge br0 flood_vlans=[]
        set bridge br0 other_config={a=b
        set bridge br0 other_config=a
        set bridge br0 other_config=a=
        set bridge br0 other_config=a=b=c
        set bridge br0 other_config=a=b,a=c
        set bridge br0 other_config:x
        set bridge br0 other_config:x=
        set bridge br0 'other_config:x=""'
        set bridge br0 'other_config:x="a'
        set bridge br0 'other_config:x=a"b'
        set bridge br0 'other_config:x="a\q"'
        set bridge br0 'datapath_type=a"="b'
        set bridge br0 datapath_type=' '
        set bridge br0 flood_vlans=' '
        set bridge br0 other_config=' '
        add bridge br0 flood_vlans ''
        add bridge br0 other_config ''
        remove bridge br0 other_config ''
        set bridge br0 'datapath_type="a"b'
        set bridge br0 'datapath_type="a'
        set bridge br0 'datapath_type=a"b'
        set bridge br0 datapath_type=a=b
        set bridge br0 datapath_type=a:b
        set bridge br0 'datapath_type=[ a ]'
        set bridge br0 'other_config:x="a\nb\u00e9"'
        get bridge br0 other_config:x
        set bridge br0 'other_config:x=1 2'
        set bridge br0 'other_config:"k 1"=true' other_config:t=true other_config:y=yes
        get bridge br0 other_config
        get bridge br0 other_config:x
        get bridge br0 other_config:"\"k 1\""
        set bridge br0 stp_enable=
        set bridge br0 stp_enable=yes
        set bridge br0 stp_enable=true,false
        set bridge br0 stp_enable=[]
        set bridge br0 stp_enable=maybe
        set bridge br0 fail_mode=x
        set bridge br0 fail_mode=secure,standalone
        set bridge br0 fail_mode:x=y
        set bridge br0 =x
        set bridge br0 fail_mode+x
        set bridge br0 name=foo
        set bridge br0 _uuid=foo
        set bridge br9 x=1
        set bridge br9 stp_enable=true
        --if-exists set bridge br9 stp_enable=true
        set nope br0 x=1
        set p br0 tag=5
        set bridge br0 external-ids:a-b=c EXTERNAL_IDS:q=r
        get bridge br0 external_ids
        clear bridge br0 name
        clear bridge br0 stp_enable
        clear bridge br0 fail_mode:x
        clear bridge br0 external_ids fail_mode
        clear bridge br9 external_ids
        add bridge br0 fail_mode secure
        add bridge br0 other_config x
        add bridge br0 other_config a=c q=r a=z
        get bridge br0 other_config
        remove bridge br0 other_config a=zzz q
        get bridge br0 other_config
        remove bridge br0 stp_enable false
        remove bridge br0 stp_enable true
        remove bridge br0 other_config x=1 nope nope=2
        add bridge br0 flood_vlans 1 2-4 7,9
        remove bridge br0 flood_vlans 2-3 9
        get bridge br0 flood_vlans
        add bridge br0 flood_vlans x
        add bridge br0 name x
        add bridge br0 ports br0
        get bridge br0 nosuch
        get bridge br0 external_ids:x
        get bridge br0 name:x
        get bridge br0 st
        get bridge br0 m
        get bridge br9 name
        --if-exists get bridge br9 name
        --if-exists get bridge br0 other_config:zz name
        get bridge
        get bridge br0 name flood_vlans stp_enable fail_mode datapath_id _uuid ports
        get bridge br0 name=x
        list bridge abcd
        list QoS 11
        list X
        list P
        list P br0 br1
        list P zz
        --if-exists list port zz
        --columns=name,tag list port
        --columns=name,nope list port
        --columns= list port
        --columns=name,name list port br0
        list open
        list open .
        list ssl .
        list interface br0
        -f table --columns=name,other_config list bridge
        -f csv --columns=name,other_config list bridge
        -f html --columns=name,other_config list bridge
        -f json --columns=name,other_config list bridge br0
        -f json --pretty --columns=name,other_config list bridge br0
        -f table -d json --columns=name,other_config,flood_vlans list bridge
        -f table -d bare --columns=name,other_config,flood_vlans list bridge
        --bare --columns=name,other_config,flood_vlans list bridge
        -f table --no-headings --columns=name,other_config list bridge
        -f table --max-column-width=3 --columns=name,other_config list bridge
        -f table --no-headings --max-column-width=3 --columns=name,other_config list bridge
        -f csv -d bare --columns=name,fail_mode list bridge
        --oneline list-br -- get bridge br0 other_config name -- comment a b
        --oneline --columns=name list bridge br0
        -f xx list-br
        -d xx list-br
        -f table list-br
        --max-column-width=x list-br
        """,
    "find": r"""
        add-br br0 -- add-br br1 -- set bridge br0 flood_vlans=1,2,3 other_config:x=5 other_config:y=a -- set bridge br1 other_config:x=7
        --columns=name find bridge
        --columns=name find bridge name=br0
        --columns=name find bridge name!=br0
        --columns=name find bridge name>br0
        --columns=name find bridge name<br1
        --columns=name find bridge name>=br0 name<=br1
        --columns=name find bridge flood_vlans=1,2,3
        --columns=name find bridge flood_vlans!=1,2,3
        --columns=name find bridge flood_vlans<2
        --columns=name find bridge flood_vlans>1,2,2
        --columns=name find bridge flood_vlans{>}1
        --columns=name find bridge flood_vlans{>=}1,2,3
        --columns=name find bridge flood_vlans{<}1,2,3,4
        --columns=name find bridge flood_vlans{<=}1,2
        --columns=name find bridge flood_vlans{=}[]
        --columns=name find bridge flood_vlans{!=}[]
        --columns=name find bridge flood_vlans{in}1,2,3,4
        --columns=name find bridge flood_vlans{not-in}4,5
        --columns=name find bridge other_config:x=5
        --columns=name find bridge other_config:x!=5
        --columns=name find bridge other_config:y!=5
        --columns=name find bridge other_config:y{!=}5
        --columns=name find bridge other_config:y{=}[]
        --columns=name find bridge other_config:y{in}a,b
        --columns=name find bridge other_config{>=}x=5
        --columns=name find bridge other_config=x=7
        --columns=name find bridge other_config{>=}{}
        --columns=name find bridge stp_enable=false
        --columns=name find bridge stp_enable=nope
        --columns=name find bridge name:x=y
        --columns=name find bridge flood_vlans=
        --columns=name find bridge flood_vlans
        --columns=name find bridge flood_vlans~1
        --columns=name find bridge nope=1
        --columns=name find bridge controller=[]
        --columns=name find interface type=internal
        --columns=name find port tag=[]
        wait-until bridge br0
        wait-until bridge br0 name=br0 -- get bridge br0 name
        wait-until bridge br0 name=br0 flood_vlans{>=}1
        wait-until bridge br0 ports=x
        """,
    "names": r"""
        create QoS
        create QoS type=y other_config:max-rate=5
        create QoS typ=y
        create QoS type
        create Nope type=x
        --id=foo create QoS type=y
        --id=@a create QoS type=z
        --id=@a create QoS type=z -- --id=@a create QoS type=w
        create QoS type=x -- list QoS
        --columns=type list QoS
        add-br br0
        set bridge br0 controller=@c
        --id=@c get bridge br0
        -- set bridge br0 mirrors=@m -- --id=@p get port br0 -- --id=@m create mirror name=m0 output-port=@p select-all=true
        list mirror
        --columns=name,select_all list mirror m0
        clear bridge br0 mirrors
        list mirror
        -- set port br0 qos=@newqos -- --id=@newqos create qos type=linux-htb other-config:max-rate=1000000 queues:0=@newqueue -- --id=@newqueue create queue other-config:min-rate=1000000 other-config:max-rate=1000000
        list qos br0
        --columns=type list qos br0
        list queue
        -- set bridge br0 mirrors=@c -- --id=@c get bridge br0
        --id=@c --if-exists get bridge br9
        --id=c get bridge br0
        --id get bridge br0
        --id=11111111-2222-3333-4444-555555555555 create QoS type=y
        get QoS 11111111-2222-3333-4444-555555555555 type
        get QoS 1111 type
        get QoS 11111111-2 type
        destroy QoS 1111
        destroy QoS zzz
        --if-exists destroy QoS zzz
        clear port br0 qos
        --all destroy QoS
        --all destroy QoS abc
        --all --if-exists destroy QoS
        --all destroy Queue
        destroy bridge br0 -- list-br
        list-br
        create bridge name=x
        -- --id=@f create Flow_Table name=t flow_limit=5 -- set bridge br0 flow_tables:3=@f
        list flow_table t
        --columns=flow_limit list flow_table t
        get bridge br0 flow_tables
        -- --id=@b create bridge name=made -- add open . bridges @b
        show
        -- --id=@s create sflow 'targets="1.2.3.4:5"' -- set bridge br0 sflow=@s
        get sflow br0 targets
        get netflow br0 targets
        --dry-run add-br zz
        --dry-run create QoS type=q
        list-br
        """,
    "control": r"""
        add-br br0 -- add-br fb br0 5
        get-controller br0
        set-controller br0 tcp:1.2.3.4 ptcp:66
        get-controller br0
        get-controller fb
        set-controller fb tcp:1.2.3.4
        del-controller fb
        --inactivity-probe=77 set-controller br0 tcp:1.1.1.1
        list controller br0
        set-controller br0 foo
        set-controller nope tcp:1.2.3.4
        set-controller br0
        del-controller br0
        del-controller br0
        get-controller br0
        set-fail-mode br0 x
        set-fail-mode br0 secure
        set-fail-mode fb secure
        get-fail-mode br0
        get-fail-mode fb
        del-fail-mode fb
        del-fail-mode br0
        get-fail-mode br0
        get-manager
        set-manager ptcp:6640 ssl:1.2.3.4
        get-manager
        --inactivity-probe=5000 set-manager ptcp:1
        list manager
        --columns=target list manager ptcp:1
        set-manager a a
        del-manager
        get-ssl
        --bootstrap set-ssl a b c
        get-ssl
        set-ssl a b c
        get-ssl
        get ssl . ca_cert
        del-ssl
        get-ssl
        set-ssl a b
        get-aa-mapping br0
        add-aa-mapping br0 5 6
        add-aa-mapping br0 3 7
        add-aa-mapping fb 1 2
        get-aa-mapping br0
        get-aa-mapping fb
        list autoattach br0
        del-aa-mapping br0 5 7
        del-aa-mapping br0 5 6
        del-aa-mapping br0 x 6
        del-aa-mapping br0 5 x
        get-aa-mapping br0
        add-aa-mapping br0 x 6
        add-aa-mapping br0 5 9999
        add-aa-mapping nope 5 6
        list-zone-tp netdev
        list-dp-cap netdev
        add-zone-tp netdev zone=1 icmp_first=1
        -- --id=@d create Datapath datapath_version=1 capabilities=a=true,b=2 -- set Open_vSwitch . datapaths:netdev=@d
        list-dp-cap netdev
        list-zone-tp netdev
        add-zone-tp netdev zone=1 icmp_first=1 icmp_reply=2
        add-zone-tp netdev zone=1 icmp_first=1
        list-zone-tp netdev
        --may-exist add-zone-tp netdev zone=1 icmp_first=7
        add-zone-tp netdev zone=2 foo=1
        add-zone-tp netdev zone=2
        add-zone-tp netdev zone=2 udp_first=9
        list-zone-tp netdev
        del-zone-tp netdev zone=7
        --if-exists del-zone-tp netdev zone=7
        del-zone-tp netdev zone=1
        list-zone-tp netdev
        add-zone-tp netdev zone=99999 icmp_first=1
        add-zone-tp nope zone=1 icmp_first=1
        show
        """,
    "reset": r"""
        add-br br0 -- add-port br0 eth1
        set bridge br0 other_config:hwaddr=00:11:22:33:44:55 other_config:x=y flood_vlans=3 external_ids:a=b fail_mode=secure
        set port eth1 other_config:a=b tag=5 external_ids:p=q -- set interface eth1 other_config:a=b ingress_policing_rate=6 ingress_policing_burst=7 external_ids:p=q
        set open . other_config:z=y external_ids:p=q -- set-manager ptcp:1 -- set-ssl a b c -- set-controller br0 tcp:1.2.3.4
        -- --id=@m create mirror name=mm -- --id=@n create netflow 'targets="1.2.3.4:5"' -- set bridge br0 mirrors=@m netflow=@n
        emer-reset
        emer-reset
        get-controller br0
        """,
    "options": r"""
        foo
        add-br
        add-br a b c d
        list-br x
        list-br --foo
        --foo list-br
        -- --may-exist list-br
        --may-exist list-br
        --columns=a,b list-br
        --columns list-br
        --if-exists=1 del-br nope
        -- --if-exists=1 del-br nope
        -- --columns list bridge
        --if-e del-br nope
        --no list-br
        --no-wait=1 list-br
        -t
        --timeout=x list-br
        --timeout=0 list-br
        --timeout=-1 list-br
        -t5 list-br
        --time=5 list-br
        -x
        -tx list-br
        --
        -- --
        --may-exist
        --may-exist --
        --may-exist --may-exist add-br br0
        -- --may-exist --may-exist add-br br0
        add-br br1 -- foo
        add-br br1 -- --may-exist
        list-br -- -- list-br
        comment
        comment a -- comment
        --verbose=foo list-br
        -vfoo:dbg list-br
        -vconsole:off list-br
        --db=foo list-br
        --db= list-br
        --db=unix:/nope/x list-br
        --db=tcp:127.0.0.1:1 list-br
        --db=unix:/nope/x,tcp:127.0.0.1:1 list-br
        """,
}


def test_two_tools_at_the_same_time_lose_nothing(pair: Pair) -> None:
    """Each decides on what it has read, which the other changes all the time."""
    pair.check("add-br br0")
    words = ["set", "bridge", "br0"]
    ours: list[str | Path] = [OUR_BIN / "ovs-vsctl", f"--db={pair.ours.remote}", "--no-wait"]
    runs = [
        subprocess.Popen([*ours, *words, f"other_config:key{n}=1", "--", "add-port", "br0", f"p{n}"])
        for n in range(6)
    ]
    assert [run.wait(60) for run in runs] == [0] * 6
    assert pair.run_ours("list-ports", "br0").stdout == ["", *(f"p{n}" for n in range(6))]
    assert pair.run_ours("--bare", "get", "bridge", "br0", "other_config").stdout == [
        "",
        "{" + ", ".join(f'key{n}="1"' for n in range(6)) + "}",
    ]


def test_the_switch_is_waited_for_and_its_complaint_shown() -> None:
    with c_ovsdb_server() as server, c_vswitchd(server, "--enable-dummy=override", "--disable-system") as _:
        ours, theirs = OUR_BIN / "ovs-vsctl", C_BIN / "ovs-vsctl"
        assert server.run(ours, "-t20", "add-br", "br0").stderr == ""
        assert server.run(ours, "get", "open", ".", "next_cfg", "cur_cfg").stdout == "1\n1\n"
        line = [
            "-t20",
            "--if-exists",
            "del-port",
            "p0",
            "--",
            "add-port",
            "br0",
            "p0",
            "--",
            "set",
            "interface",
            "p0",
            "type=nope",
        ]
        said = [server.run(tool, *line, check=False) for tool in (ours, theirs)]
        assert said[0].stderr == said[1].stderr
        assert said[0].stderr.startswith("ovs-vsctl: Error detected while setting up 'p0': ")
        assert said[0].returncode == PEER_FAILED


def test_time_out_ends_the_program_with_the_alarm_signal(pair: Pair) -> None:
    line = ["-t1", "wait-until", "bridge", "nope"]
    ours = pair.ours.run(OUR_BIN / "ovs-vsctl", f"--db={pair.ours.remote}", *line, check=False)
    theirs = pair.theirs.run(C_BIN / "ovs-vsctl", f"--db={pair.theirs.remote}", *line, check=False)
    assert ours.returncode == theirs.returncode == -signal.SIGALRM


def test_wait_until_goes_on_when_the_row_comes(pair: Pair) -> None:
    tool: list[str | Path] = [OUR_BIN / "ovs-vsctl", f"--db={pair.ours.remote}", "--no-wait"]
    line = ["wait-until", "bridge", "br0", "stp_enable=true", "--", "get", "bridge", "br0", "name"]
    with subprocess.Popen([*tool, *line], stdout=subprocess.PIPE, text=True) as waiting:
        pair.run_ours("add-br", "br0")
        pair.run_ours("set", "bridge", "br0", "stp_enable=true")
        assert waiting.communicate(timeout=30)[0] == "br0\n"


def test_lists_of_commands_and_options_are_the_same(pair: Pair) -> None:
    for option in ("--commands", "--options"):
        assert pair.run_ours(option) == pair.run_theirs(option)


BRIDGES, PORTS = ("br0", "br1", "fb"), ("p0", "p1", "p2", "br0", "fb")
VALUES = ("", "5", "[]", "1,2", "a=b", "{a=b,c=5}", "true", '""', '"x y"', "1-3", "secure", "@x", "x,")
COLUMNS = ("flood_vlans", "other_config", "stp_enable", "fail_mode", "name", "ports")
BAD_COLUMNS = (
    *COLUMNS,
    "other_config:a",
    "no",
)  # the C tool looks at them in all commands before it executes any
TEMPLATES = (
    "{may} add-br {bridge}",
    "{may} add-br fb {bridge} {tag}",
    "{if_} del-br {bridge}",
    "{may} add-port {bridge} {port}",
    "{may} add-port {bridge} {port} tag={tag}",
    "{may} add-bond {bridge} bond0 {port} {port}",
    "{may} add-bond-iface bond0 {port}",
    "{if_} del-bond-iface {port}",
    "{if_} del-port {port}",
    "{if_} --with-iface del-port {bridge} {port}",
    "{if_} set bridge {bridge} {column}={value}",
    "{if_} add bridge {bridge} {column} {value}",
    "{if_} remove bridge {bridge} {column} {value}",
    "{if_} clear bridge {bridge} {column}",
    "{if_} get bridge {bridge} {column}",
    "--columns=name find bridge {column}{operator}{value}",
    "list-ports {bridge}",
    "list-ifaces {bridge}",
    "port-to-br {port}",
    "iface-to-br {port}",
    "br-to-vlan {bridge}",
    "br-set-external-id {bridge} k v",
    "br-get-external-id {bridge}",
    "set-controller {bridge} tcp:1.2.3.4",
    "list-br",
    "show",
)
OPERATORS = ("=", "!=", "<", ">", "<=", ">=", "{=}", "{!=}", "{<}", "{>}", "{<=}", "{>=}", "{in}", "{not-in}")


def command_line(random: Random) -> str:
    """One to three commands, many of which make no sense."""
    commands = []
    count = random.choice((1, 1, 1, 2, 3))
    for _ in range(count):
        commands.append(
            random.choice(TEMPLATES).format(
                may=random.choice(("", "--may-exist")),
                if_=random.choice(("", "--if-exists")),
                bridge=random.choice(BRIDGES),
                port=random.choice(PORTS),
                tag=random.choice((0, 5, 4096)),
                column=random.choice(BAD_COLUMNS if count == 1 else COLUMNS),
                value=shlex.quote(random.choice(VALUES)),
                operator=shlex.quote(random.choice(OPERATORS)),
            )
        )
    return " -- ".join(["", *commands])


@pytest.mark.parametrize("seed", range(4))
def test_both_tools_do_and_say_the_same_to_random_commands(pair: Pair, seed: int) -> None:
    random = Random(seed)
    for _ in range(60):
        pair.check(command_line(random))


@pytest.mark.parametrize("name", SCENARIOS)
def test_both_tools_do_and_say_the_same(pair: Pair, name: str) -> None:
    for line in SCENARIOS[name].strip().splitlines():
        pair.check(line.strip())
