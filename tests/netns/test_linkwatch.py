"""What the watch says of devices that change under its eyes."""

import contextlib
import os

import pytest

from tests.kit import namespace as ns
from tests.kit import netns
from vswitchd.linkwatch import LinkWatch

pytestmark = pytest.mark.netns


def test_a_renamed_device_is_told_by_both_names() -> None:
    here = f"t-watch-{os.getpid()}"
    with ns.namespace(here), ns.namespace(f"{here}-far"):
        ns.join(here, "old", f"{here}-far", "eth0", 0x0200_0000_0001)
        with netns.inside(here), contextlib.closing(LinkWatch()) as watch:
            ns.set_up(here, "old", up=False)  # else that is told too, by the old name
            watch.refresh()
            ns.rename(here, "old", "new")
            assert watch.refresh() == {"old", "new"}
            assert "old" not in watch.links
