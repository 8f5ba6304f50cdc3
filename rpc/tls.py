"""TLS as Open vSwitch uses it: both sides show a certificate that the other's CA has signed; names do not
matter.

Rule: files are read and contexts made here, and nowhere else. What is wrong is a TlsError that says what and
where. A program keeps one Tls: it makes its contexts anew when one of their files has changed, and goes on
with those that it has where the new files are no good.
Source: ovsdb-server(1), "Public Key Infrastructure Options"; ovsdb-client(1) for the bootstrap.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import tempfile
import warnings
from collections.abc import Callable
from typing import Any

from rpc.errors import MustWait
from rpc.tls_settings import NO_VERIFICATION, TlsSettings

DEFAULT_CIPHERS = "HIGH:!aNULL:!MD5"  # as the C programs have it
MAX_SEND = 1 << 18  # bytes in one go, so that others get their turn
HANDSHAKE_SECONDS = 15.0  # more is not given to a peer
_VERSIONS = {
    "TLSv1": (ssl.TLSVersion.TLSv1, ssl.OP_NO_TLSv1),
    "TLSv1.1": (ssl.TLSVersion.TLSv1_1, ssl.OP_NO_TLSv1_1),
    "TLSv1.2": (ssl.TLSVersion.TLSv1_2, ssl.OP_NO_TLSv1_2),
    "TLSv1.3": (ssl.TLSVersion.TLSv1_3, ssl.OP_NO_TLSv1_3),
}
_NAMES = list(_VERSIONS)
_DER = 2  # _ssl.ENCODING_DER


class TlsError(OSError):
    """No TLS connection: the settings are no good, or peer and we do not come together. The text says why."""


def make_context(settings: TlsSettings, *, server: bool) -> ssl.SSLContext:
    """For one side of connections; TlsError."""
    for value, what in (
        (settings.private_key, "Private key"),
        (settings.certificate, "Certificate"),
        (settings.ca_cert or settings.bootstrap_ca_cert, "CA certificate"),
    ):
        if not value:
            raise TlsError(f"Protocol not available: {what} must be configured to use SSL")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    if server:
        context.num_tickets = 0  # nobody resumes; and a ticket that is never read resets the connection
    _limit(context, settings)
    _load_identity(context, settings)
    _load_ca(context, settings, server)
    return context


def parse_protocols(text: str) -> list[str]:
    """The protocols that --ssl-protocols names, the oldest first; TlsError."""
    words = text.replace(",", " ").split()
    chosen: set[str] = set()
    for word in words:
        first, dash, last = word.partition("-")
        if not dash and word.endswith("+"):
            first, last = word[:-1], _NAMES[-1]
        for name in (first, last or first):
            if name not in _VERSIONS:
                raise TlsError(f"{name}: SSL protocol not recognized")
        chosen.update(_NAMES[_NAMES.index(first) : _NAMES.index(last or first) + 1])
    if not chosen:
        raise TlsError("SSL protocol settings invalid")
    return [name for name in _NAMES if name in chosen]


def _limit(context: ssl.SSLContext, settings: TlsSettings) -> None:
    if settings.protocols:
        chosen = parse_protocols(settings.protocols)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the user asks for old ones, if any
            context.minimum_version = _VERSIONS[chosen[0]][0]
            context.maximum_version = _VERSIONS[chosen[-1]][0]
            for name in _NAMES:
                if name not in chosen:
                    context.options |= _VERSIONS[name][1]
    try:
        context.set_ciphers(settings.ciphers or DEFAULT_CIPHERS)
    except ssl.SSLError:
        raise TlsError(f"{settings.ciphers}: no such cipher can be used") from None
    if settings.ciphersuites:
        choose: Any = getattr(context, "set_ciphersuites", None)
        if choose is None:
            raise TlsError("--ssl-ciphersuites: this version of Python cannot choose the ciphers of TLS 1.3")
        try:
            choose(settings.ciphersuites)
        except ssl.SSLError:
            raise TlsError(f"{settings.ciphersuites}: no such ciphersuite can be used") from None


def _load_identity(context: ssl.SSLContext, settings: TlsSettings) -> None:
    for path in filter(None, (settings.private_key, settings.certificate, settings.peer_ca_cert)):
        _require_readable(path)
    try:
        if not settings.peer_ca_cert:
            context.load_cert_chain(settings.certificate, settings.private_key, _no_password)
            return
        with tempfile.NamedTemporaryFile() as chain:  # ssl takes the certificates to be sent from one file
            for path in (settings.certificate, settings.peer_ca_cert):
                with open(path, "rb") as file:
                    chain.write(file.read() + b"\n")
            chain.flush()
            context.load_cert_chain(chain.name, settings.private_key, _no_password)
    except OSError as error:  # ssl.SSLError is one
        raise TlsError(
            f"private key {settings.private_key} and certificate {settings.certificate} cannot be used: "
            f"{describe(error)}"
        ) from None


def _no_password() -> str:
    raise TlsError("the private key is encrypted")


def _load_ca(context: ssl.SSLContext, settings: TlsSettings, server: bool) -> None:
    path = settings.ca_cert or settings.bootstrap_ca_cert
    if settings.ca_cert == NO_VERIFICATION:
        context.verify_mode = ssl.CERT_NONE
        return
    if not settings.ca_cert and not os.path.exists(path):
        if not server:
            context.verify_mode = (
                ssl.CERT_NONE
            )  # this once: the connection is dropped for one that is verified
        return
    _require_readable(path)
    try:
        context.load_verify_locations(path)
    except OSError as error:
        raise TlsError(f"CA certificate {path} cannot be used: {describe(error)}") from None


def _require_readable(path: str) -> None:
    try:
        with open(path, "rb"):
            pass
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no file name"
        raise TlsError(f"{path}: {reason}") from None


def describe(error: OSError) -> str:
    """What went wrong, in OpenSSL's or the system's words."""
    if isinstance(error, TlsError):
        return str(error)
    if isinstance(error, ssl.SSLEOFError):
        return "the peer closed the connection"
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or str(error)).replace("_", " ").lower()
        verify = getattr(error, "verify_message", "")
        return f"{reason}: {verify}" if verify else reason
    return os.strerror(error.errno) if error.errno else str(error)


class Tls:
    """The contexts of one program."""

    def __init__(
        self,
        settings: TlsSettings,
        warn: Callable[[str], None] = lambda text: None,
        inform: Callable[[str], None] = lambda text: None,
    ) -> None:
        """`warn` is told what is wrong with files that were changed, `inform` what became of a bootstrap."""
        self.settings = settings
        self._warn = warn
        self._inform = inform
        self._contexts: dict[bool, ssl.SSLContext] = {}
        self._seen: dict[bool, object] = {}  # what the files looked like when the context was made
        self._refused: dict[bool, object] = {}  # the same of files that were no good

    def context(self, *, server: bool) -> ssl.SSLContext:
        """For the next connection; TlsError where there is none and none can be made."""
        looks = [_look(path) for path in self.settings.files()]
        if looks != self._seen.get(server) or server not in self._contexts:
            try:
                self._contexts[server] = make_context(self.settings, server=server)
            except TlsError as error:
                if server not in self._contexts:
                    raise
                if looks != self._refused.get(server):  # said once, but tried again: a mode may be set right
                    self._warn(f"{error}; the old files' contents stay in use")
                self._refused[server] = looks
            else:
                self._seen[server] = looks
        return self._contexts[server]

    def wrap(self, sock: socket.socket, *, host: str | None = None) -> TlsSocket:
        """TLS over a connected socket, which is made non-blocking and is the result's; TlsError.

        `host` is what we connected to; None where we are the server.
        """
        try:
            sock.setblocking(False)
            context = self.context(server=host is None)
            wrapped = context.wrap_socket(
                sock,
                server_side=host is None,
                server_hostname=host if host and _is_name(host) else None,
                do_handshake_on_connect=False,
            )
        except TlsError:
            sock.close()
            raise
        except (OSError, ValueError) as error:
            sock.close()
            raise TlsError(describe(error) if isinstance(error, OSError) else str(error)) from None
        return TlsSocket(wrapped)

    def wants_bootstrap(self, sock: TlsSocket) -> bool:
        """Whether this connection to a server serves to get its CA certificate, and for nothing else."""
        return bool(self.settings.bootstrap_ca_cert) and not self.settings.ca_cert and not sock.verified

    def bootstrap(self, sock: TlsSocket) -> None:
        """Save the CA certificate that a server has sent, unless the file is there by now. TlsError."""
        path = self.settings.bootstrap_ca_cert
        if not os.path.exists(path) and self._save_ca(sock, path):
            self._inform(f"successfully bootstrapped CA cert to {path}")
        else:
            self._inform(f"reading CA cert {path} created by another process")

    def _save_ca(self, sock: TlsSocket, path: str) -> bool:
        """False where somebody else was faster."""
        chain = sock.chain()
        if not chain or not _is_self_signed(chain[-1]):
            raise TlsError("could not bootstrap CA cert: the server does not send a CA certificate")
        try:
            with tempfile.NamedTemporaryFile("w", dir=os.path.dirname(path) or ".") as file:
                file.write(ssl.DER_cert_to_PEM_cert(chain[-1]))
                file.flush()
                os.chmod(file.name, 0o444)
                os.link(file.name, path)  # whoever finds it finds all of it, and what is there stays
        except FileExistsError:
            return False
        except OSError as error:
            raise TlsError(f"could not bootstrap CA cert: {path}: {describe(error)}") from None
        return True


def _look(path: str) -> object:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _is_name(host: str) -> bool:
    """Whether it is sent as the server's name: a name, but no address."""
    if ":" in host:
        return False
    try:
        socket.inet_aton(host)
    except OSError:
        return True
    return False


def _is_self_signed(der: bytes) -> bool:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature

    try:
        certificate = x509.load_der_x509_certificate(der)
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


class TlsSocket:
    """A non-blocking socket with TLS.

    Where a call would have to wait it raises MustWait; what is wrong with the connection is a TlsError or
    another OSError.
    """

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self._socket = sock
        # As it was when the connection began.
        self.verified = sock.context.verify_mode == ssl.CERT_REQUIRED
        self._heard = False  # of the peer, since the handshake

    def fileno(self) -> int:
        """For select(), after MustWait."""
        return self._socket.fileno()

    def handshake(self) -> None:
        """Come to an agreement with the peer; to be called until it raises no MustWait."""
        try:
            self._socket.do_handshake()
        except ssl.SSLWantReadError:
            raise MustWait from None
        except ssl.SSLWantWriteError:
            raise MustWait(to_write=True) from None
        except OSError as error:
            raise TlsError(describe(error)) from None

    def recv(self, size: int) -> bytes:
        """Up to `size` bytes; none of them at the end. Afterwards the socket shows whether there is more."""
        try:
            data = self._socket.recv(size)
            self._heard = True
            # A record that was begun must not be left inside: select() does not see it.
            while data and len(data) < size and (rest := self._socket.pending()):
                data += self._socket.recv(min(rest, size - len(data)))
        except ssl.SSLWantReadError:
            raise MustWait from None
        except ssl.SSLWantWriteError:
            raise MustWait(to_write=True) from None
        except OSError as error:
            raise self._failure(error) from None
        return data

    def send(self, data: bytes | memoryview) -> int:
        """Send; how much. After MustWait the next call must begin with the same bytes."""
        try:
            return self._socket.send(memoryview(data)[:MAX_SEND])
        except ssl.SSLWantWriteError:
            raise MustWait(to_write=True) from None
        except OSError as error:  # one that wants to read among them: that is a renegotiation
            with contextlib.suppress(MustWait):
                self.recv(1)  # the peer may have said why; if so this raises what it said
            raise self._failure(error) from None

    def _failure(self, error: OSError) -> TlsError:
        """TLS 1.3 has a client believe that all is well before the server has looked at its certificate."""
        early = isinstance(error, ssl.SSLEOFError | ConnectionError) and not self._heard
        return TlsError(describe(error) + " (it may not accept our certificate)" * early)

    def pending(self) -> bool:
        """Whether recv() has bytes that the socket does not show."""
        return self._socket.pending() > 0

    def getpeername(self) -> Any:
        """The peer's address."""
        return self._socket.getpeername()

    def setsockopt(self, level: int, option: int, value: int) -> None:
        """As a socket's."""
        self._socket.setsockopt(level, option, value)

    def peer_name(self) -> str | None:
        """The first CN of the peer's certificate, where it was verified."""
        certificate: dict[str, Any] = self._socket.getpeercert() or {}
        for part in certificate.get("subject", ()):
            for name, value in part:
                if name == "commonName":
                    return str(value)
        return None

    def chain(self) -> list[bytes]:
        """The certificates that the peer has sent, as DER."""
        public: Any = getattr(self._socket, "get_unverified_chain", None)  # since Python 3.13
        if public is not None:
            return list(public())
        inner: Any = self._socket._sslobj  # type: ignore[attr-defined]
        return [certificate.public_bytes(_DER) for certificate in inner.get_unverified_chain() or ()]

    def close(self) -> None:
        """Tell the peer, as far as it can be told at once, and close."""
        with contextlib.suppress(OSError, ValueError):
            self._socket.unwrap()
        self._socket.close()
