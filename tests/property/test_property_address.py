"""Addresses: their text is read back, and any text is an address or refused."""

from hypothesis import given
from hypothesis import strategies as st

from rpc.address import (
    ActiveAddress,
    AddressError,
    PassiveAddress,
    TcpAddress,
    TcpListenAddress,
    UnixAddress,
    parse,
    parse_active,
    parse_passive,
)

hosts = st.from_regex(r"[a-z][a-z0-9.-]{0,20}", fullmatch=True) | st.ip_addresses().map(str)
ports = st.integers(0, 65535)
active = st.builds(
    UnixAddress, st.text(st.characters(exclude_characters="\0"), min_size=1), st.just(False)
) | st.builds(TcpAddress, hosts, ports, st.booleans())
passive = st.builds(
    TcpListenAddress, ports, st.just("") | st.ip_addresses().map(str), st.booleans()
) | st.builds(UnixAddress, st.text(st.characters(exclude_characters="\0"), min_size=1), st.just(True))


@given(active)
def test_the_text_of_an_active_address_is_read_back(address: ActiveAddress) -> None:
    assert parse_active(address.text()) == address


@given(passive)
def test_the_text_of_a_passive_address_is_read_back(address: PassiveAddress) -> None:
    assert parse_passive(address.text()) == address


@given(
    st.text() | st.text("tcpunixsl:[]0159.%-").map("tcp:".__add__) | st.text(":[]019.f%").map("ptcp:".__add__)
)
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address = parse(text)
    except AddressError:
        return
    assert parse(address.text()) == address
