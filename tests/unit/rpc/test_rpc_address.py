import pytest

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


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:/run/db.sock", UnixAddress("/run/db.sock")),
        ("unix:db:sock", UnixAddress("db:sock")),
        ("tcp:10.0.0.1:6641", TcpAddress("10.0.0.1", 6641)),
        ("tcp:db.example", TcpAddress("db.example", 6640)),
        ("tcp:db.example:", TcpAddress("db.example", 6640)),
        ("ssl:[::1]:1", TcpAddress("::1", 1, tls=True)),
        ("tcp:[fe80::1%eth0]", TcpAddress("fe80::1%eth0", 6640)),
    ],
)
def test_active_addresses(text: str, address: ActiveAddress) -> None:
    assert parse_active(text) == address == parse(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("punix:/run/db.sock", UnixAddress("/run/db.sock", passive=True)),
        ("ptcp:", TcpListenAddress(6640)),
        ("ptcp:0:127.0.0.1", TcpListenAddress(0, "127.0.0.1")),
        ("ptcp::127.0.0.1", TcpListenAddress(6640, "127.0.0.1")),
        ("ptcp:1:[::]", TcpListenAddress(1, "::")),
        ("pssl:1:::1", TcpListenAddress(1, "::1", tls=True)),
    ],
)
def test_passive_addresses(text: str, address: PassiveAddress) -> None:
    assert parse_passive(text) == address == parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "foo", "foo:bar", "unix", "unix:", "unix:a\0b", "tcp", "tcp:", "tcp::1", "tcp:h:x", "tcp:h:-1", "tcp:h:65536",
        "tcp:h:٣", "tcp:[::1", "tcp:[::1]x", "tcp:[h]:1", "tcp:[::1%]:1", "tcp:::1:1", "tcp:1:2:3", "punix:/a", "ptcp:1",
    ],
)  # fmt: skip
def test_a_bad_active_address_is_named(text: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_active(text)
    assert text.replace("\0", "\\0") in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "unix:/a", "tcp:h:1", "punix:", "ptcp:x", "ptcp:70000", "ptcp:1:h", "ptcp:1:[::1", "ptcp:1:1.2.3", "pssl:-1"]
)  # fmt: skip
def test_a_bad_passive_address_is_named(text: str) -> None:
    with pytest.raises(AddressError, match=r".*"):
        parse_passive(text)
