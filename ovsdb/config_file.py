"""What --config-file says: remotes and databases with their service models (ovsdb-server(1) since 3.3).

Rule: pure; from text to a Config, or a ConfigError that names the place in the JSON. What a file can be
beside that (locked, damaged, of another name) is for who opens it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jsonschema
import orjson
from jsonschema.exceptions import best_match

from ovsdb.relay import TIMING as RELAY_TIMING
from ovsdb.remotes import DEFAULT_DSCP, RemoteOptions
from ovsdb.replication import PROBE_INTERVAL
from ovsdb.words import is_identifier
from rpc.reconnect import DEFAULT_MAX_BACKOFF, Timing

RELAY, BACKUP, CLUSTERED = "relay", "active-backup", "clustered"


class ConfigError(Exception):
    """The configuration cannot be used: `path` in the JSON, and why."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}" if path else why)


@dataclass(frozen=True)
class DatabaseConfig:
    """One database."""

    model: str = ""  # as in the file; empty: what the file on disk is
    source: str = ""  # of a relay or a backup
    timing: Timing = field(default_factory=Timing)  # of the connection to the source
    is_backup: bool = False
    excluded: frozenset[str] = frozenset()  # tables that a backup leaves alone


@dataclass(frozen=True)
class Config:
    """A whole file."""

    remotes: Mapping[str, RemoteOptions]
    databases: Mapping[str, DatabaseConfig]  # by file name; a relay by its own name


@functools.cache
def _validator() -> Any:
    from schemas.files import read_json

    return jsonschema.Draft202012Validator(read_json("server-config.json"))


def parse_config(text: bytes) -> Config:
    """Read a configuration; ConfigError."""
    try:
        json = orjson.loads(text)
    except orjson.JSONDecodeError as e:
        raise ConfigError("", f"line {e.lineno}, column {e.colno}: {e.msg}") from None
    fault = best_match(_validator().iter_errors(json))
    if fault is not None:
        raise ConfigError("/".join(map(str, fault.absolute_path)), fault.message)
    remotes = {target: _remote(options or {}) for target, options in (json.get("remotes") or {}).items()}
    databases = {name: _database(name, found or {}) for name, found in (json.get("databases") or {}).items()}
    return Config(remotes, databases)


def _remote(options: Mapping[str, Any]) -> RemoteOptions:
    probe = options.get("inactivity-probe")
    return RemoteOptions(
        probe_interval=None if probe is None else probe / 1000,
        max_backoff=_backoff(options),
        read_only=options.get("read-only", False),
        role=options.get("role", ""),
        dscp=options.get("dscp", DEFAULT_DSCP),
    )


def _backoff(options: Mapping[str, Any]) -> float:
    milliseconds: float = options.get("max-backoff", DEFAULT_MAX_BACKOFF * 1000)
    return max(milliseconds, 1000) / 1000


def _database(name: str, found: Mapping[str, Any]) -> DatabaseConfig:
    path = f"databases/{name}"
    if "\0" in name:
        raise ConfigError("databases", "the name of a file must not hold a null byte")
    model = found.get("service-model", "")
    is_backup = found.get("backup", False)
    if model == CLUSTERED:
        raise ConfigError(f"{path}/service-model", "clustered databases are not supported")
    for member, models in (("source", (RELAY, BACKUP)), ("backup", (BACKUP,)), ("exclude-tables", (BACKUP,))):
        if member in found and model not in models:
            raise ConfigError(f"{path}/{member}", f"only for service model {' and '.join(models)}")
    if model == BACKUP and "backup" not in found:
        raise ConfigError(path, "Required 'backup' member is missing.")
    if (model == RELAY or is_backup) and "source" not in found:
        raise ConfigError(path, "Required 'source' member is missing.")
    if model == RELAY and not is_identifier(name):
        raise ConfigError(path, "the name of a relay must be that of its database")
    [(source, options)] = found.get("source", {"": None}).items()
    options = options or {}
    probe = RELAY_TIMING.probe_interval if model == RELAY else PROBE_INTERVAL
    timing = Timing(
        max_backoff=_backoff(options),
        probe_interval=options.get("inactivity-probe", probe * 1000) / 1000,
    )
    excluded = frozenset(found.get("exclude-tables", ()))
    return DatabaseConfig(model, source, timing, is_backup, excluded)
