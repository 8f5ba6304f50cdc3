"""--user: to run as somebody else, with the few capabilities that a daemon of this kind needs.

Rule: all identities change, for good, and with them the capabilities, also where the user is root. Nothing
can be had back: the bounding set is empty.
"""

from __future__ import annotations

import ctypes
import grp
import os
import pwd
from collections.abc import Iterable

from appctl import vlog

CAP_NET_BIND_SERVICE, CAP_NET_BROADCAST, CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK = range(10, 15)
EVERY_DAEMON = (CAP_IPC_LOCK, CAP_NET_BIND_SERVICE)
OF_DATAPATHS = (CAP_NET_ADMIN, CAP_NET_BROADCAST, CAP_NET_RAW)
_PR_SET_KEEPCAPS, _PR_CAPBSET_DROP = 8, 24  # linux/prctl.h
_CAPABILITY_VERSION_3 = 0x20080522  # linux/capability.h


class UserError(Exception):
    """The identity cannot be had; the text says why."""


def become(text: str, *, datapath: bool = False) -> None:
    """USER, USER:GROUP or :GROUP; a missing part stays what it is. UserError.

    With `datapath`, the capabilities for working on network devices are kept as well.
    """
    if os.geteuid() != 0:
        raise UserError("only root can use --user option")
    name, _, group = text.partition(":")
    user, gid = _find(text, name, group)
    wanted = EVERY_DAEMON + (OF_DATAPATHS if datapath else ())
    try:
        vlog.give_file_to(user.pw_uid, gid)
        _drop_bounding_set()
        _prctl(_PR_SET_KEEPCAPS, 1)
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
        _prctl(_PR_SET_KEEPCAPS, 0)
        _set_capabilities(wanted)
    except OSError as error:
        raise UserError(f"cannot run as {text}: {error.strerror}") from error


def _find(text: str, name: str, group: str) -> tuple[pwd.struct_passwd, int]:
    """The user, and the number of the group. UserError."""
    try:
        user = pwd.getpwnam(name) if name else pwd.getpwuid(os.getuid())
    except KeyError:
        raise UserError(f"user {name or os.getuid()} not found, aborting.") from None
    if not group:
        return user, user.pw_gid if name else os.getgid()
    try:
        found = grp.getgrnam(group)
    except KeyError:
        raise UserError(f"group {group} not found, aborting.") from None
    if found.gr_gid != user.pw_gid and user.pw_name not in found.gr_mem:
        why = f"user {user.pw_name} is not in group {group}"
        raise UserError(f"Invalid --user option {text} ({why}), aborting.")
    return user, found.gr_gid


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(status: int) -> None:
    if status:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _prctl(option: int, value: int) -> None:
    _check(_libc().prctl(option, value, 0, 0, 0))


def _drop_bounding_set() -> None:
    with open("/proc/sys/kernel/cap_last_cap") as file:
        last = int(file.read())
    for capability in range(last + 1):
        _prctl(_PR_CAPBSET_DROP, capability)


def _set_capabilities(wanted: Iterable[int]) -> None:
    """Effective and permitted are these, as far as the process has them; inheritable is none."""
    with open("/proc/self/status") as file:
        had = next(int(line.split()[1], 16) for line in file if line.startswith("CapPrm:"))
    mask = had & sum(1 << capability for capability in wanted)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    data = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    _check(_libc().capset(header, data))
