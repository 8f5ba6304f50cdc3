"""Messages about groups: what was built is read, and no bytes break the reader."""

from hypothesis import given
from hypothesis import strategies as st

from switching.membership import V4_MAPPED, Change, Kind, parse_message
from tests.kit.group_messages import (
    MLD2_REPORT,
    V3_REPORT,
    frame4,
    frame6,
    igmp,
    mld,
    query4,
    query6,
    report4,
    report6,
)

GROUPS4 = st.ip_addresses(v=4, network="224.0.0.0/4").map(str)
GROUPS6 = st.ip_addresses(v=6, network="ff00::/8").map(str)


def records(
    groups: st.SearchStrategy[str], sources: st.SearchStrategy[str]
) -> st.SearchStrategy[list[tuple[int, str, list[str]]]]:
    return st.lists(st.tuples(st.integers(0, 8), groups, st.lists(sources, max_size=3)), max_size=4)


def joins(found: list[tuple[int, str, list[str]]]) -> list[bool]:
    return [not (kind in (1, 3) and not sources) for kind, _, sources in found if 1 <= kind <= 6]


@given(records(GROUPS4, st.ip_addresses(v=4).map(str)))
def test_igmp_records_are_read(found: list[tuple[int, str, list[str]]]) -> None:
    message = parse_message(frame4(2, "224.0.0.22", igmp(V3_REPORT, records=found)))
    assert message.kind is Kind.REPORT
    assert [change.joins for change in message.changes] == joins(found)
    assert all(change.group >> 32 == 0xFFFF for change in message.changes)


@given(records(GROUPS6, st.ip_addresses(v=6).map(str)))
def test_mld_records_are_read(found: list[tuple[int, str, list[str]]]) -> None:
    message = parse_message(frame6(2, "ff02::16", mld(MLD2_REPORT, "fe80::1", "ff02::16", records=found)))
    assert message.kind is Kind.REPORT
    assert [change.joins for change in message.changes] == joins(found)


@given(st.binary(max_size=80))
def test_any_bytes_have_an_answer(data: bytes) -> None:
    parse_message(data)
    parse_message(bytes(12) + b"\x08\x00\x46" + data)
    parse_message(bytes(12) + b"\x86\xdd\x60" + data)


@given(
    st.sampled_from([report4(2, "239.1.2.3"), report6(2, "ff05::3"), query4(2), query6(2)]),
    st.integers(0, 90),
)
def test_a_message_that_is_cut_short_changes_nothing(frame: bytes, length: int) -> None:
    if length < len(frame):
        message = parse_message(frame[:length])
        assert (message.changes, message.has_source) == ((), False)


@given(st.integers(0, 4095))
def test_tags_in_front_do_not_matter(vid: int) -> None:
    frame = report4(2, "239.1.2.3")
    tagged = frame[:12] + b"\x81\x00" + vid.to_bytes(2, "big") + frame[12:]
    assert parse_message(tagged + bytes(20)).changes == (Change(V4_MAPPED | 0xEF010203, True),)
