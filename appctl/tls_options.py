"""The TLS options that every program with connections has, as a click decorator.

Rule: nothing is read and nothing opened here: a file that is no good is told when a connection needs it. Of
--ca-cert and --bootstrap-ca-cert the last one counts.
"""

from __future__ import annotations

import functools

import click

from appctl.log_options import Command
from rpc.tls_settings import TlsSettings

_CA = "appctl.tls_options.ca"  # where the context keeps which of the two was given last


def tls_options(command: Command) -> Command:
    """The options; they reach the function as its keyword argument `tls: TlsSettings`."""

    @functools.wraps(command)
    def with_options(
        *args: object,
        private_key: str | None,
        certificate: str | None,
        peer_ca_cert: str | None,
        ssl_protocols: str | None,
        ssl_ciphers: str | None,
        ssl_ciphersuites: str | None,
        **others: object,
    ) -> object:
        ca = click.get_current_context().meta.get(_CA, {})
        settings = TlsSettings(
            private_key or "",
            certificate or "",
            ca.get("ca_cert", ""),
            ca.get("bootstrap_ca_cert", ""),
            peer_ca_cert or "",
            ssl_protocols or "",
            ssl_ciphers or "",
            ssl_ciphersuites or "",
        )
        return command(*args, tls=settings, **others)

    def choose_ca(ctx: click.Context, option: click.Parameter, value: str | None) -> None:
        if value is not None:
            ctx.meta[_CA] = {option.name: value}

    wrapped: Command = with_options
    for option in (
        click.option("--ssl-ciphersuites", metavar="LIST", help="TLS: ciphers of TLS 1.3 to accept."),
        click.option("--ssl-ciphers", metavar="LIST", help="TLS: ciphers up to TLS 1.2 to accept."),
        click.option("--ssl-protocols", metavar="LIST", help="TLS: protocols to accept."),
        click.option("--peer-ca-cert", metavar="FILE", help="TLS: CA certificate to send to the peer."),
        click.option(
            "--bootstrap-ca-cert",
            metavar="FILE",
            expose_value=False,
            callback=choose_ca,
            help="TLS: CA certificate to read or make.",
        ),
        click.option(
            "-C",
            "--ca-cert",
            metavar="FILE",
            expose_value=False,
            callback=choose_ca,
            help="TLS: file with the peer's CA certificate.",
        ),
        click.option("-c", "--certificate", metavar="FILE", help="TLS: file with the certificate."),
        click.option("-p", "--private-key", metavar="FILE", help="TLS: file with the private key."),
    ):
        wrapped = option(wrapped)
    return wrapped
