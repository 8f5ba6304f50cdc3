"""ERSPAN headers; the octets are those of the draft's figures, and of what Linux sends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapath.packet.erspan import (
    ETH_P_ERSPAN,
    ETH_P_ERSPAN2,
    PROTOCOL,
    Erspan,
    format_erspan,
    from_attribute,
    parse_erspan,
    to_attribute,
)

HEADERS = st.integers(0, 0xFFFFF).map(lambda idx: Erspan(1, idx)) | st.builds(
    Erspan, st.just(2), st.just(0), st.integers(0, 1), st.integers(0, 0x3F)
)


@given(HEADERS)
def test_an_option_of_the_kernel_holds_all(erspan: Erspan) -> None:
    assert from_attribute(to_attribute(erspan)) == erspan


@given(HEADERS, st.integers(0, 0x3FF))
def test_a_header_is_parsed_as_it_was_formatted(erspan: Erspan, session: int) -> None:
    header = format_erspan(erspan, session, 12345)
    assert parse_erspan(PROTOCOL[erspan.version], header + b"frame") == (len(header), session)
    for cut in range(len(header)):
        assert parse_erspan(PROTOCOL[erspan.version], header[:cut]) is None


def test_headers_on_the_wire() -> None:
    assert format_erspan(Erspan(1, idx=0x12345), 0x2A, 0).hex() == "1000002a00012345"
    assert format_erspan(Erspan(2, direction=1, hwid=0x21), 5, 0x01020304).hex() == "200000050102030400000218"


@pytest.mark.parametrize(
    ("proto", "packet"), [(ETH_P_ERSPAN, "2000000100000000"), (ETH_P_ERSPAN2, "1000000100000000")]
)
def test_a_version_that_is_not_its_protocols_is_malformed(proto: int, packet: str) -> None:
    assert parse_erspan(proto, bytes.fromhex(packet) + bytes(8)) is None


def test_a_subheader_is_passed_over() -> None:
    header = bytearray(format_erspan(Erspan(2), 5, 0))
    header[11] |= 1
    assert parse_erspan(ETH_P_ERSPAN2, bytes(header) + bytes(8)) == (20, 5)
