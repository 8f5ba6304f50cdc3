"""What the kernel refuses, as the DatapathError that users of a datapath know.

Rule: whoever asks the kernel for something that has a name asks within asking().
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from datapath.netlink.attrs import NetlinkFormatError
from datapath.netlink.conversation import KernelRefusal
from datapath.provider import DatapathError


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Name the request in the DatapathError where the kernel refuses it, or its answer cannot be read."""
    try:
        yield
    except KernelRefusal as refusal:
        raise DatapathError(refusal.errno, what, refusal.text) from None
    except NetlinkFormatError as error:
        raise DatapathError(errno.EPROTO, what, str(error)) from None
    except OSError as error:
        raise DatapathError(error.errno or errno.EIO, what) from None
