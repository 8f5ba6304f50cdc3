"""What the TLS options of a program say, as its command line has them.

Rule: plain values that cost nothing to import. rpc.tls reads the files and needs ssl, which takes 15 ms to
load and which most runs of a tool do not need.
"""

from __future__ import annotations

from rpc.structs import Struct

NO_VERIFICATION = "none"  # in place of a CA certificate


class TlsSettings(Struct):
    """The files and limits of TLS connections (ovsdb-server(1), "SSL"); "" where none is given."""

    private_key: str = ""
    certificate: str = ""
    ca_cert: str = ""  # whose certificates peers must have; "none": they are not verified
    bootstrap_ca_cert: str = ""  # the same, but made from what the first server sends where it does not exist
    peer_ca_cert: str = ""  # certificates to send to peers beside our own
    protocols: str = ""  # "TLSv1.2,TLSv1.3", "TLSv1.2+" or "TLSv1-TLSv1.2"; "": TLS 1.2 and newer
    ciphers: str = ""  # up to TLS 1.2, as ciphers(1) has them
    ciphersuites: str = ""  # of TLS 1.3

    def files(self) -> tuple[str, ...]:
        """The files that connections depend on."""
        named = (
            self.private_key,
            self.certificate,
            self.ca_cert,
            self.bootstrap_ca_cert,
            self.peer_ca_cert,
        )
        return tuple(name for name in named if name and name != NO_VERIFICATION)


NO_SETTINGS = TlsSettings()
