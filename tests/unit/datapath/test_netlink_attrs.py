"""Attributes, messages and conversations of netlink."""

import errno

import pytest

from datapath.netlink import attrs, message
from datapath.netlink.conversation import Conversation, Interrupted, KernelRefusal
from datapath.netlink.genl import parse_family


def reply(seq: int, kind: int, flags: int, payload: bytes) -> bytes:
    return message.HEADER.pack(16 + len(payload), kind, flags, seq, 0) + payload


def error(seq: int, number: int, text: str = "") -> bytes:
    request = message.HEADER.pack(16, 99, 5, seq, 0)
    flags = message.NLM_F_CAPPED | (message.NLM_F_ACK_TLVS if text else 0)
    explanation = attrs.attr_text(1, text) if text else b""
    return reply(
        seq, message.NLMSG_ERROR, flags, (-number).to_bytes(4, "little", signed=True) + request + explanation
    )


def test_an_attribute_is_padded_to_four_bytes_but_its_length_is_not() -> None:
    assert attrs.attr(3, b"abcde") == bytes.fromhex("0900 0300 6162636465 000000")


def test_a_policy_names_attributes_and_skips_unknown_ones() -> None:
    data = attrs.attr_u32(1, 7) + attrs.attr(99, b"new") + attrs.attr_text(2, "eth0")
    values = attrs.parse(data, {1: attrs.u32("index"), 2: attrs.text("name")}, "link")
    assert (values.integer("index"), values.string("name")) == (7, "eth0")


def test_flags_in_the_type_are_not_part_of_it() -> None:
    assert list(attrs.attributes(attrs.attr(5 | 0x8000, b"x"))) == [(5, 4, 5)]


def test_a_missing_attribute_is_named_in_the_error() -> None:
    with pytest.raises(attrs.NetlinkFormatError, match="vport: attribute port_no is missing"):
        attrs.parse(b"", {1: attrs.u32("port_no")}, "vport").integer("port_no")


@pytest.mark.parametrize("data", [b"\x03\0\1\0", b"\x09\0\1\0aaaa", b"\xff\xff\1\0"])
def test_lengths_that_do_not_fit_are_refused(data: bytes) -> None:
    with pytest.raises(attrs.NetlinkFormatError):
        list(attrs.attributes(data))


def test_an_attribute_of_more_than_64_kilobytes_cannot_be_sent() -> None:
    with pytest.raises(attrs.NetlinkFormatError, match="do not fit"):
        attrs.attr(1, bytes(65536))


def test_a_request_is_done_when_it_is_acknowledged() -> None:
    talk = Conversation(7, 33, 0, b"body")
    assert message.HEADER.unpack_from(talk.request())[2] == message.NLM_F_REQUEST | message.NLM_F_ACK
    talk.feed(reply(7, 33, 0, b"an answer..!") + error(7, 0))
    assert (talk.finished, talk.answers) == (True, [b"an answer..!"])


def test_a_dump_ends_with_done() -> None:
    talk = Conversation(7, 33, message.NLM_F_DUMP, b"")
    talk.feed(reply(7, 33, message.NLM_F_MULTI, b"one!") + reply(7, 33, message.NLM_F_MULTI, b"two!"))
    assert not talk.finished
    talk.feed(reply(7, message.NLMSG_DONE, message.NLM_F_MULTI, bytes(4)))
    assert (talk.finished, talk.answers) == (True, [b"one!", b"two!"])


def test_late_answers_to_another_request_are_passed_over() -> None:
    talk = Conversation(7, 33, 0, b"")
    talk.feed(error(6, errno.EPERM))
    assert not talk.finished


def test_a_refusal_carries_the_kernels_own_words() -> None:
    talk = Conversation(7, 33, 0, b"")
    with pytest.raises(KernelRefusal) as caught:
        talk.feed(error(7, errno.EOPNOTSUPP, "Unknown device type"))
    assert (caught.value.errno, caught.value.text) == (errno.EOPNOTSUPP, "Unknown device type")


def test_a_table_that_changed_while_it_was_dumped_is_asked_for_again() -> None:
    talk = Conversation(7, 33, message.NLM_F_DUMP, b"")
    talk.feed(reply(7, 33, message.NLM_F_MULTI | message.NLM_F_DUMP_INTR, b"half"))
    with pytest.raises(Interrupted):
        talk.feed(reply(7, message.NLMSG_DONE, message.NLM_F_MULTI, bytes(4)))


def test_lost_answers_end_a_conversation_for_another_attempt() -> None:
    with pytest.raises(Interrupted):
        Conversation(7, 33, message.NLM_F_DUMP, b"").overrun()


def test_bytes_behind_the_last_message_are_refused() -> None:
    with pytest.raises(attrs.NetlinkFormatError, match="left over"):
        list(message.messages(error(1, 0) + b"\0"))


def test_a_family_is_read_with_its_groups() -> None:
    group = attrs.nested(1, attrs.attr_u32(2, 9), attrs.attr_text(1, "ovs_datapath"))
    body = bytes(4) + attrs.attr_u16(1, 32) + attrs.attr_text(2, "ovs_datapath") + attrs.attr_u32(3, 2)
    family = parse_family(body + attrs.nested(7, group))
    assert (family.id, family.name, family.version) == (32, "ovs_datapath", 2)
    assert family.group("ovs_datapath") == 9
    with pytest.raises(KernelRefusal):
        family.group("other")
