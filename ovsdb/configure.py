"""From a configuration file to what is served: at the start, and with ovsdb-server/reload.

Rule: everything that can fail is tried before anything is changed, so that a configuration that cannot be
had leaves the running one as it is. Databases, clients and connections that stay in the configuration stay
as they are.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from appctl import vlog
from ovsdb.config_file import RELAY, Config, ConfigError, DatabaseConfig, parse_config
from ovsdb.errors import OvsdbError
from ovsdb.hosted import HostedDatabase
from ovsdb.hub import Hub
from ovsdb.remotes import RemoteError, RemoteOptions, parse_source
from ovsdb.server import Server, view
from ovsdb.storage.base import StorageError
from ovsdb.storage.file import FileStorage

log = vlog.module("ovsdb_server")


@dataclass
class Configured:
    """The file, and what of it is served."""

    path: Path
    directory: Path  # where relative names of databases are
    served: dict[str, DatabaseConfig] = field(default_factory=dict)  # by key
    hosted: dict[str, HostedDatabase] = field(default_factory=dict)  # by key


def load_config(server: Server, configured: Configured) -> None:
    """Read the file and serve what it says; ConfigError, and nothing has changed."""
    log.info("loading configuration from '%s'", configured.path)
    try:
        text = configured.path.read_bytes()
    except OSError as e:
        raise ConfigError(
            "", f"failed to open configuration file '{configured.path}': {e.strerror}"
        ) from None
    config = parse_config(text)
    kept = {key: c for key, c in config.databases.items() if _stays(configured, key, c)}
    fresh: dict[str, HostedDatabase] = {}
    try:
        for key, database in config.databases.items():
            if key not in kept:
                fresh[key] = _open(server.hub, configured, key, database)
        final = {key: fresh.get(key) or configured.hosted[key] for key in config.databases}
        _check_names(final)
        _check_remotes(server, config, final)
    except BaseException:
        for hosted in fresh.values():
            hosted.close()
        raise
    _apply(server, configured, config, final)


def _stays(configured: Configured, key: str, database: DatabaseConfig) -> bool:
    before = configured.served.get(key)
    return before is not None and (before.model == RELAY) == (database.model == RELAY)


def _open(hub: Hub, configured: Configured, key: str, database: DatabaseConfig) -> HostedDatabase:
    if database.model == RELAY:
        return hub.make_relay(key, database.source, database.timing)
    try:
        storage = FileStorage(configured.directory / key, time.monotonic())
        try:
            hosted = hub.load_database(storage)
        except BaseException:
            storage.close()
            raise
    except (StorageError, OvsdbError) as e:
        raise ConfigError(f"databases/{key}", str(e)) from e
    if storage.damage is not None:
        log.err("%s", storage.damage)
    return hosted


def _check_names(final: dict[str, HostedDatabase]) -> None:
    owners: dict[str, str] = {"_Server": ""}
    for key, hosted in final.items():
        if hosted.name in owners:
            raise ConfigError(f"databases/{key}", f"{hosted.name}: duplicate database name")
        owners[hosted.name] = key


def _check_remotes(server: Server, config: Config, final: dict[str, HostedDatabase]) -> None:
    views = {hosted.name: view(hosted) for hosted in final.values()}
    for text in config.remotes:
        if text.startswith("db:"):
            try:
                parse_source(text, views | {"_Server": server.views()["_Server"]})
            except RemoteError as e:
                name = text.removeprefix("db:").partition(",")[0]
                if any(hosted.name == name and not hosted.available for hosted in final.values()):
                    continue  # a relay, whose schema is still to come
                raise ConfigError(f"remotes/{text}", str(e)) from None


def _apply(server: Server, configured: Configured, config: Config, final: dict[str, HostedDatabase]) -> None:
    hub = server.hub
    for key, hosted in configured.hosted.items():
        if final.get(key) is not hosted:
            hub.remove_database(hosted.name, f"database {hosted.name} removed from configuration")
    for key, hosted in final.items():
        before = configured.served.get(key)
        is_new = configured.hosted.get(key) is not hosted
        if is_new:
            hub.admit(hosted)
        if is_new or before != config.databases[key]:
            _follow(hub, hosted, config.databases[key], is_new)
    configured.served, configured.hosted = dict(config.databases), final
    server.configured = dict.fromkeys(config.remotes)
    server.options = dict[str, RemoteOptions](config.remotes)
    server.reconfigure()
    server.settle()


def _follow(hub: Hub, hosted: HostedDatabase, database: DatabaseConfig, is_new: bool) -> None:
    if database.model != RELAY:
        backup = None
        if database.is_backup:
            backup = hub.make_backup(hosted, database.source, database.excluded, database.timing)
        hub.follow(hosted, backup)
    elif not is_new:
        hub.move_relay(hosted, database.source, database.timing)
