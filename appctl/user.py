"""--user: to run as somebody else.

Rule: all identities change, for good. Capabilities are not kept: a daemon that needs them must be root.
"""

from __future__ import annotations

import grp
import os
import pwd


class UserError(Exception):
    """The identity cannot be had; the text says why."""


def become(text: str) -> None:
    """USER, USER:GROUP or :GROUP; a missing part stays what it is. UserError."""
    name, _, group = text.partition(":")
    try:
        user = pwd.getpwnam(name) if name else pwd.getpwuid(os.getuid())
    except KeyError:
        raise UserError(f"user {name} not found, aborting.") from None
    try:
        gid = grp.getgrnam(group).gr_gid if group else (user.pw_gid if name else os.getgid())
    except KeyError:
        raise UserError(f"group {group} not found, aborting.") from None
    if (user.pw_uid, gid) == (os.getuid(), os.getgid()):
        return
    try:
        os.setgid(gid)
        os.initgroups(user.pw_name, gid)
        os.setuid(user.pw_uid)
    except OSError as error:
        raise UserError(f"cannot run as {text}: {error.strerror}") from error
