"""The server's TLS settings: from the command line, or from a column of the database (ovsdb-server(1)).

Rule: `db:DB,TABLE,COLUMN` stands for the first nonempty string there and is looked up again when the table
changes. What is wrong is logged once; connections that stand are not touched.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from appctl import vlog
from ovsdb.remotes import DatabaseView, RemoteError, members, parse_source, split_source
from rpc.tls import Tls
from rpc.tls_settings import NO_VERIFICATION, TlsSettings

EXPIRY_WARNING = timedelta(days=30)
log = vlog.module("stream_ssl")


def resolve(settings: TlsSettings, databases: Mapping[str, DatabaseView]) -> tuple[TlsSettings, list[str]]:
    """The settings with names of files in place of "db:...", and what is wrong with them."""
    found, errors = settings, []
    for name, text in settings._asdict().items():
        if text.startswith("db:"):
            try:
                found = found._replace(**{name: _first_string(text, databases)})
            except RemoteError as e:
                errors.append(str(e))
                found = found._replace(**{name: ""})
    return found, errors


def _first_string(text: str, databases: Mapping[str, DatabaseView]) -> str:
    source, column = parse_source(text, databases)
    if column.type.value is not None or column.type.key.type != "string":
        raise RemoteError(
            f'"{text}": table "{source.table}" column "{source.column}" is not string or set of strings'
        )
    for row in databases[source.database].rows(source.table).values():
        for atom in members(row[source.column]):
            if atom:
                return str(atom)
    return ""


def format_expiry(path: str, end: datetime, now: datetime) -> tuple[vlog.Level, str] | None:
    """What is to be said of a certificate's end, if anything."""
    if now >= end:
        return vlog.Level.ERR, f"{path}: the certificate has expired ({end:%Y-%m-%d %H:%M} UTC)"
    if end - now <= EXPIRY_WARNING:
        days = (end - now).days
        when = f"in {days} day{'s' * (days != 1)}" if days else "within a day"
        return vlog.Level.WARN, f"{path}: the certificate expires {when} ({end:%Y-%m-%d %H:%M} UTC)"
    return None


class ServerTls:
    """What TLS connections are made with at present: `tls`."""

    def __init__(self, configured: TlsSettings) -> None:
        """`configured` is as the command line has it."""
        self.configured = configured
        self.tls = self._make(TlsSettings())
        self._said: list[str] = []
        self._certificate: tuple[object, datetime | None] = (None, None)  # how the file looked, its end
        self._warned = ""

    def check(self, databases: Mapping[str, DatabaseView]) -> None:
        """RemoteError where a db: setting names something that is not there."""
        _, errors = resolve(self.configured, databases)
        if errors:
            raise RemoteError("\n".join(errors))

    def sources(self) -> set[tuple[str, str]]:
        """The tables that settings are read from, as (database, table)."""
        found = [split_source(text) for text in self.configured if text.startswith("db:")]
        return {(source.database, source.table) for source in found if source is not None}

    def configure(self, databases: Mapping[str, DatabaseView]) -> None:
        """Take over what the database says now."""
        settings, errors = resolve(self.configured, databases)
        for error in errors:
            if error not in self._said:
                log.warn("%s", error)
        self._said = errors
        if settings != self.tls.settings:
            self.tls = self._make(settings)
            if settings.ca_cert == NO_VERIFICATION:
                log.warn("Peer certificate validation disabled (this is a security risk)")

    def _make(self, settings: TlsSettings) -> Tls:
        return Tls(settings, lambda text: log.err("%s", text), lambda text: log.info("%s", text))

    def watch_expiry(self, now: datetime | None = None) -> None:
        """Log, once a day, that the server's own certificate is about to expire or has expired."""
        path = self.tls.settings.certificate
        if not path:
            return
        now = now or datetime.now(UTC)
        try:
            found = os.stat(path)
        except (OSError, ValueError):
            return  # who connects hears of it
        looks = (path, found.st_ctime_ns, found.st_size, found.st_ino)  # ctime: also another mode or owner
        if looks != self._certificate[0]:
            self._certificate = (looks, _read_end(path))
        end = self._certificate[1]
        note = None if end is None else format_expiry(path, end, now)
        text = f"{now.date()} {note[1]}" if note else ""
        if note and text != self._warned:
            log.log(note[0], "%s", note[1])
        self._warned = text


def _read_end(path: str) -> datetime | None:
    """When a certificate expires; None where the file holds none, which connections will tell."""
    from cryptography import x509  # 50 ms, for servers with TLS only

    try:
        with open(path, "rb") as file:
            certificate = x509.load_pem_x509_certificate(file.read())
    except (OSError, ValueError):
        return None
    end = getattr(certificate, "not_valid_after_utc", None)  # since cryptography 42
    return end if isinstance(end, datetime) else certificate.not_valid_after.replace(tzinfo=UTC)
