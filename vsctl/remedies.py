"""What to do about complaints, by their text: the server's, the switch's and our own.

Rule: a table; the first row that matches holds. A remedy is one line, and says what the text leaves open.
"""

from __future__ import annotations

import re

NO_SERVER = "start ovsdb-server, or name the one that is meant with --db or OVS_DB"
AS_ROOT = "run this command as root, or as the user that runs the daemon"

REMEDIES: tuple[tuple[str, str], ...] = (  # part of the text (a regular expression), remedy
    (r"database connection failed \((No such file or directory|Connection refused)\)", NO_SERVER),
    (r"database connection failed \(Permission denied\)", AS_ROOT),
    (
        r"database connection failed \(Protocol (error|not available)",
        "is it an OVSDB server that listens there?",
    ),
    (
        r"could not open network device (\S+) \(No such device\)",
        r'"ip link" lists what there is; "ovs-vsctl set Interface \1 type=internal" has the switch make it',
    ),
    (
        r"could not open network device (\S+) \(Address family not supported by protocol\)",
        r'its type is not known: "ovs-vsctl get Open_vSwitch . iface_types" lists those that are',
    ),
    (
        r"(\S+): (\S+) type requires valid 'remote_ip' argument",
        r'name the other end: "ovs-vsctl set Interface \1 options:remote_ip=ADDRESS" (or =flow)',
    ),
    (
        r"\((Operation not permitted|Permission denied)\)",
        "the daemon may not do that: run ovs-vswitchd as root",
    ),
    (
        r"could not add network device (\S+) to ofproto \((File exists|Device or resource busy)\)",
        r'it is in use, by another bridge or master: "ip -d link show \1" tells which',
    ),
    (
        r"\((Address family not supported by protocol|Protocol not supported|Operation not supported)\)",
        'a kernel module is missing: "modprobe openvswitch", or set datapath_type=netdev on the bridge',
    ),
    (
        r"could not create bridge \S+: unknown datapath type",
        '"ovs-vsctl get Open_vSwitch . datapath_types" lists those that are known',
    ),
    (
        r"because an? (port|interface|bridge) named (\S+) already exists",
        r"--may-exist accepts one that is there; else delete it first: del-port, del-bond-iface or del-br \2",
    ),
    (
        r"no bridge named ",
        '"ovs-vsctl list-br" names those that there are; --if-exists accepts that there is none',
    ),
    (r"no port named ", '"ovs-vsctl list-ports BRIDGE" names those that there are'),
    (
        r"\bduplicate value|same value for index",
        "another row has the same name: delete it first, or take another",
    ),
)


def remedy(text: str) -> str:
    """What to do about a complaint; "" where nothing is known."""
    for pattern, what in REMEDIES:
        found = re.search(pattern, text)
        if found:
            return found.expand(what)
    return ""


def did_you_mean(wrong: str, known: list[str]) -> str:
    """A line that names what is spelt nearly like this; "" where there is nothing."""
    from difflib import get_close_matches  # most runs need it not

    found = get_close_matches(wrong, known, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(found)}?" if found else ""
