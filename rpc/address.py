"""Connection methods as users write them: unix:FILE tcp:HOST:PORT ssl:HOST:PORT, and punix: ptcp: pssl: to
listen.

Rule: text becomes a frozen address here, with every mistake an AddressError that names the text; nothing is
resolved or opened. A relative FILE stays relative (to the directory of the daemon's sockets; see
appctl.directories).
"""

from __future__ import annotations

from rpc.structs import Struct

DEFAULT_PORT = 6640  # IANA's for OVSDB


class AddressError(ValueError):
    """`text` is no connection method, because of `why`."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(text, why)
        self.text = text
        self.why = why

    def __str__(self) -> str:
        return f"{self.text}: {self.why}"


class UnixAddress(Struct):
    """A Unix domain socket; `passive` listens."""

    path: str
    passive: bool = False

    def text(self) -> str:
        """As parse_active() and parse_passive() read it."""
        return f"{'p' if self.passive else ''}unix:{self.path}"


class TcpAddress(Struct):
    """A TCP connection to make, with TLS where `tls`."""

    host: str  # a name, an IPv4 address, or an IPv6 address without brackets (with %zone where given)
    port: int
    tls: bool = False

    def text(self) -> str:
        """As parse_active() reads it."""
        return f"{'ssl' if self.tls else 'tcp'}:{_format_host(self.host)}:{self.port}"


class TcpListenAddress(Struct):
    """A TCP port to listen on."""

    port: int  # 0: the kernel chooses
    host: str = ""  # an address; empty: all of them
    tls: bool = False

    def text(self) -> str:
        """As parse_passive() reads it."""
        return (
            f"{'pssl' if self.tls else 'ptcp'}:{self.port}{':' if self.host else ''}{_format_host(self.host)}"
        )


ActiveAddress = UnixAddress | TcpAddress
PassiveAddress = UnixAddress | TcpListenAddress


def parse_active(text: str) -> ActiveAddress:
    """unix:FILE, tcp:HOST[:PORT] or ssl:HOST[:PORT]; AddressError."""
    kind, _, rest = text.partition(":")
    if kind == "unix":
        return UnixAddress(_parse_path(text, rest))
    if kind not in ("tcp", "ssl"):
        raise AddressError(text, "unknown connection method")
    host, port = _split_host_port(text, rest)
    if not host:
        raise AddressError(text, "host must be specified")
    return TcpAddress(host, _parse_port(text, port), kind == "ssl")


def parse_passive(text: str) -> PassiveAddress:
    """punix:FILE, ptcp:[PORT][:HOST] or pssl:[PORT][:HOST]; AddressError."""
    kind, _, rest = text.partition(":")
    if kind == "punix":
        return UnixAddress(_parse_path(text, rest), passive=True)
    if kind not in ("ptcp", "pssl"):
        raise AddressError(text, "unknown connection method")
    port, _, host = rest.partition(":")
    return TcpListenAddress(_parse_port(text, port), _parse_listen_host(text, host), kind == "pssl")


def parse(text: str) -> ActiveAddress | PassiveAddress:
    """Either direction; AddressError."""
    return parse_passive(text) if text.partition(":")[0] in ("punix", "ptcp", "pssl") else parse_active(text)


def _parse_path(text: str, path: str) -> str:
    if not path:
        raise AddressError(text, "file name must be specified")
    if "\0" in path:
        raise AddressError(text.replace("\0", "\\0"), "file name must not hold a null byte")
    return path


def _split_host_port(text: str, rest: str) -> tuple[str, str]:
    if rest.startswith("["):
        host, bracket, after = rest[1:].partition("]")
        if not bracket or (after and not after.startswith(":")):
            raise AddressError(
                text, "missing ']' after IPv6 address" if not bracket else f'bad port number "{after}"'
            )
        return _parse_ipv6(text, host), after[1:]
    host, _, port = rest.partition(":")
    if ":" in port:
        raise AddressError(text, "an IPv6 address must be in square brackets, and a port number follow")
    return host, port


def _parse_port(text: str, port: str) -> int:
    if not port:
        return DEFAULT_PORT
    if not (port.isascii() and port.isdigit() and int(port[:6]) <= 65535 and len(port) <= 6):
        raise AddressError(text, f'bad port number "{port}"')
    return int(port)


def _parse_ipv6(text: str, host: str) -> str:
    import ipaddress  # 3 ms to load, and most addresses are Unix sockets

    address, percent, zone = host.partition("%")
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        raise AddressError(text, f'bad IPv6 address "{host}"') from None
    if percent and not zone:
        raise AddressError(text, f'bad IPv6 address "{host}"')
    return host


def _parse_listen_host(text: str, host: str) -> str:
    """An address, not a name: with several addresses behind a name it would not be clear where to listen."""
    if not host:
        return ""
    if host.startswith("["):
        if not host.endswith("]"):
            raise AddressError(text, "missing ']' after IPv6 address")
        return _parse_ipv6(text, host[1:-1])
    if ":" in host:
        return _parse_ipv6(text, host)
    import ipaddress

    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError:
        raise AddressError(text, f'bad IP address "{host}"') from None


def _format_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host
