"""Messages that a kernel sent, damaged at random, against every reader of netlink."""

import contextlib
import random

import pytest

from datapath.link import parse_link
from datapath.netlink import genl, message
from datapath.netlink import openvswitch as ovs
from datapath.netlink.attrs import NetlinkFormatError, attr
from datapath.netlink.conversation import Conversation, Interrupted, KernelRefusal

pytestmark = pytest.mark.fuzz
ROUNDS = 40_000
KEY = bytes.fromhex(
    "0800140000000000 0800130000000000 0800020000000000 0800030002000000 08000f0000000000"
    "0800160000000000 0600170000000000 0800180000000000 1400190000000000000000000000000000000000"
    "10000400aa8a384f9cb932616b04070c 0600060008000000 100007000a0000010a00000201004000 06000b0008000000"
)
PACKET = bytes.fromhex("32616b04070caa8a384f9cb9080045000054f2224000400134840a0000010a0000020800bcef0133")
BODY = attr(2, KEY) + attr(11, bytes(8)) + attr(1, PACKET)
UPCALL = (
    (24 + len(BODY)).to_bytes(4, "little")
    + bytes.fromhex("23000000 0000000000000000 01010000 03000000")
    + BODY
)
READERS = (
    lambda data: ovs.parse_upcall(data, 0x23),
    lambda data: ovs.parse_flow(data[16:]),
    lambda data: ovs.parse_vport(data[16:]),
    lambda data: ovs.parse_datapath(data[16:]),
    lambda data: parse_link(data[16:]),
    lambda data: genl.parse_family(data[16:]),
    lambda data: list(message.messages(data)),
    lambda data: Conversation(0, 1, 0, b"").feed(data),
)


def damaged(data: bytes, dice: random.Random) -> bytes:
    """Change, cut, double or insert at a few places."""
    out = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(out))
        match dice.randrange(4):
            case 0:
                out[at] = dice.choice((0, 1, 3, 4, 0x7F, 0xFF, dice.randrange(256)))
            case 1:
                del out[at : at + dice.randint(1, 8)]
            case 2:
                out[at:at] = out[at : at + dice.randint(1, 40)]
            case 3:
                out[at:at] = dice.randbytes(dice.randint(1, 8))
        out = out or bytearray(b"\0")
    return bytes(out)


def test_the_seed_is_a_whole_upcall() -> None:
    found = ovs.parse_upcall(UPCALL, 0x23)
    assert found
    assert found.key.ip_src == 0x0A000001


@pytest.mark.parametrize("seed", range(4))
def test_damaged_messages_are_read_or_refused(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(ROUNDS // 4):
        data = damaged(UPCALL, dice)
        for read in READERS:
            with contextlib.suppress(NetlinkFormatError, KernelRefusal, Interrupted):
                read(data)
