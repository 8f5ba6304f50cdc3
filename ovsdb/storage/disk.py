"""What the stores ask of the file system beyond os: writing everything, and names that last."""

import os
from pathlib import Path
from typing import NamedTuple


class Identity(NamedTuple):
    """Which file it is, whatever its name."""

    device: int
    inode: int


def identity_of(status: os.stat_result) -> Identity:
    """Of what os.stat or os.fstat says."""
    return Identity(status.st_dev, status.st_ino)


def write_all(fd: int, data: bytes) -> None:
    """Write all of it, however often it takes; OSError."""
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, memoryview(data)[written:])


def sync_directory(path: Path) -> None:
    """Make the name of a file last."""
    fd = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
