"""What goes wrong in asking the kernel is a DatapathError that names the request."""

import errno

import pytest

from datapath.netlink.asking import asking
from datapath.netlink.attrs import NetlinkFormatError
from datapath.netlink.conversation import KernelRefusal
from datapath.netlink.message import Refusal
from datapath.provider import DatapathError


@pytest.mark.parametrize(
    ("failure", "number", "detail"),
    [
        (KernelRefusal(Refusal(errno.EPERM, "no rights")), errno.EPERM, "no rights"),
        (NetlinkFormatError("3 bytes"), errno.EPROTO, "3 bytes"),
        (OSError(errno.ENOBUFS, "full"), errno.ENOBUFS, ""),
        (OSError("nothing is known"), errno.EIO, ""),
    ],
)
def test_failures_are_told_with_what_was_asked_for(failure: Exception, number: int, detail: str) -> None:
    with pytest.raises(DatapathError) as caught, asking("list devices"):
        raise failure
    assert (caught.value.errno, caught.value.what, caught.value.detail) == (number, "list devices", detail)


def test_what_is_named_already_stays_as_it_is() -> None:
    with pytest.raises(DatapathError, match="within"), asking("list devices"):
        raise DatapathError(errno.ENODEV, "within")
