"""Unix domain sockets by name: where relative names lie, and names of any length.

Rule: the kernel takes at most 107 bytes; a longer name is reached through a descriptor of its directory, as
/proc/self/fd/N/NAME. Blocking and asynchronous code use the same function, since opening a directory does
not wait.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

DEFAULT_RUNDIR = "/var/run/openvswitch"
MAX_NAME = 107  # sizeof sun_path less the null byte at its end


def rundir() -> str:
    """The directory of pidfiles and sockets: OVS_RUNDIR or the distribution's."""
    return os.environ.get("OVS_RUNDIR") or DEFAULT_RUNDIR


def absolute(path: str) -> str:
    """Where the socket `path` is: a relative one lies below rundir(), wherever the program was started."""
    return os.path.join(rundir(), path)


@contextlib.contextmanager
def short_name(path: str) -> Iterator[str]:
    """A name for the socket `path` that fits into an address while the context lasts; OSError."""
    path = absolute(path)
    if len(os.fsencode(path)) <= MAX_NAME:
        yield path
        return
    directory, name = os.path.split(path)
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        short = f"/proc/self/fd/{descriptor}/{name}"
        if len(os.fsencode(short)) > MAX_NAME:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path)
        yield short
    finally:
        os.close(descriptor)
