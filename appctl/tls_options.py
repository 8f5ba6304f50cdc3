"""The TLS options that every program with connections has.

Rule: nothing is read and nothing opened here: a file that is no good is told when a connection needs it. Of
--ca-cert and --bootstrap-ca-cert the last one counts.
"""

from __future__ import annotations

from collections.abc import Sequence

from appctl.getopt import VALUE, Given, Option
from rpc.tls_settings import NO_SETTINGS, TlsSettings

CA = ("ca_cert", "bootstrap_ca_cert")

TLS_OPTIONS = (
    Option("-p", "--private-key", takes=VALUE, metavar="FILE", text="TLS: file with the private key."),
    Option("-c", "--certificate", takes=VALUE, metavar="FILE", text="TLS: file with the certificate."),
    Option("-C", "--ca-cert", takes=VALUE, metavar="FILE", text="TLS: file with the peer's CA certificate."),
    Option("--bootstrap-ca-cert", takes=VALUE, metavar="FILE", text="TLS: CA certificate to read or make."),
    Option("--peer-ca-cert", takes=VALUE, metavar="FILE", text="TLS: CA certificate to send to the peer."),
    Option("--ssl-protocols", takes=VALUE, metavar="LIST", text="TLS: protocols to accept."),
    Option("--ssl-ciphers", takes=VALUE, metavar="LIST", text="TLS: ciphers up to TLS 1.2 to accept."),
    Option("--ssl-ciphersuites", takes=VALUE, metavar="LIST", text="TLS: ciphers of TLS 1.3 to accept."),
)


def tls_settings(given: Sequence[Given]) -> TlsSettings:
    """What the options on a command line say."""
    found: dict[str, str] = {}
    for option, _, value in given:
        if option in TLS_OPTIONS:
            if option.name in CA:
                found.pop(CA[0], None)
                found.pop(CA[1], None)
            found[option.name.removeprefix("ssl_")] = value
    return TlsSettings(**found) if found else NO_SETTINGS
