"""The text of actions beside Open vSwitch's ovs-dpctl: what ours writes, it reads and writes the same."""

from __future__ import annotations

import re
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapath.actions import Action
from datapath.odp_actions import format_actions
from tests.kit.actions import actions
from tests.kit.peers import C_BIN

pytestmark = pytest.mark.peer
# What ovs-dpctl 3.1 prints alone, does not know, or reads with a quirk: userspace(pid=N) gets empty userdata of
# 48 bytes, an OAM flag is lost, and the fields of ERSPAN get masks that a kernel's have not.
UNREADABLE = re.compile(
    r"hash\(|recirc\(|push_mpls|pop_mpls|push_eth|pop_eth|dec_ttl|action\d|flags=1\)|erspan|oam|"
    r"userspace\(pid=\d+(?:\)|,[at])|clone\(drop|actions\(drop|mdtype=2,np=\d+,spi=\w+,si=\d+\)"
)


def reads_all(given_actions: list[Action]) -> list[str]:
    texts = [format_actions((action,)) for action in given_actions]
    return [text for text in texts if not UNREADABLE.search(text)]


@settings(max_examples=15)
@given(st.lists(actions(), max_size=20))
def test_actions_are_read_and_written_alike(lists: list[tuple[Action, ...]]) -> None:
    texts = reads_all([action for listed in lists for action in listed])
    if texts:
        command = [str(C_BIN / "ovs-dpctl"), "parse-actions", *texts]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        assert (done.stdout.splitlines(), done.stderr) == (texts, "")
