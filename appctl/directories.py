"""Where files are: the OVS_* environment variables, or else where Debian puts them.

Rule: the environment is read at each call, so that a program may be told at any time before it opens a file.
"""

from __future__ import annotations

import os

from rpc.unixsocket import rundir

__all__ = ["dbdir", "logdir", "pkgdatadir", "rundir", "sysconfdir"]


def logdir() -> str:
    """Of log files."""
    return os.environ.get("OVS_LOGDIR") or "/var/log/openvswitch"


def sysconfdir() -> str:
    """Above the directory `openvswitch` of configuration."""
    return os.environ.get("OVS_SYSCONFDIR") or "/etc"


def dbdir() -> str:
    """Of databases: OVS_DBDIR, else `openvswitch` below sysconfdir()."""
    return os.environ.get("OVS_DBDIR") or f"{sysconfdir()}/openvswitch"


def pkgdatadir() -> str:
    """Of files that come with the program, such as schemas."""
    return os.environ.get("OVS_PKGDATADIR") or "/usr/share/openvswitch"
