"""Configuration files: what they may say, and how a running server takes them on."""

import contextlib
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovsdb.config_file import Config, ConfigError, DatabaseConfig, parse_config
from ovsdb.configure import Configured, load_config
from ovsdb.relay import Relay
from ovsdb.remotes import RemoteOptions
from ovsdb.server import Server
from ovsdb.storage import file
from rpc.reconnect import Timing
from tests.kit.linked import Client, new_hub
from tests.unit.ovsdb_server.test_hub import INSERT, SCHEMA

REMOTES = {
    "punix:db.sock": None,
    "pssl:6641": {"inactivity-probe": 16000, "max-backoff": 2000, "read-only": True, "role": "r", "dscp": 4},
}
DATABASES: dict[str, Any] = {
    "conf.db": {},
    "other.db": None,
    "backup.db": {
        "service-model": "active-backup",
        "backup": True,
        "source": {"tcp:127.0.0.1:6644": {"inactivity-probe": 180000}},
        "exclude-tables": ["T", "U"],
    },
    "active.db": {"service-model": "active-backup", "backup": False},
    "OVN": {"service-model": "relay", "source": {"ssl:[::1]:1,ssl:[::1]:2": {"max-backoff": 4000}}},
}


def parse(config: Any) -> Config:
    return parse_config(json.dumps(config).encode())


def test_a_file_says_which_remotes_and_databases_there_are() -> None:
    config = parse({"remotes": REMOTES, "databases": DATABASES})
    assert config.remotes == {
        "punix:db.sock": RemoteOptions(),
        "pssl:6641": RemoteOptions(16.0, 2.0, True, "r", 4),
    }
    assert config.databases == {
        "conf.db": DatabaseConfig(),
        "other.db": DatabaseConfig(),
        "backup.db": DatabaseConfig(
            "active-backup",
            "tcp:127.0.0.1:6644",
            Timing(probe_interval=180.0),
            True,
            frozenset({"T", "U"}),
        ),
        "active.db": DatabaseConfig("active-backup", timing=Timing(probe_interval=60.0)),
        "OVN": DatabaseConfig(
            "relay", "ssl:[::1]:1,ssl:[::1]:2", Timing(max_backoff=4.0, probe_interval=120.0)
        ),
    } | {name: config.databases[name] for name in ("conf.db", "other.db")}
    assert parse({}) == parse({"remotes": None, "databases": None}) == Config({}, {})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ([], "[] is not of type 'object'"),
        ({"remotes": {"ptcp:": {"dscp": 99}}}, "remotes/ptcp:/dscp: 99 is greater than the maximum of 63"),
        ({"remotes": []}, "remotes: [] is not of type 'object', 'null'"),
        ({"databases": {"a": {"backup": 1}}}, "databases/a/backup: 1 is not of type 'boolean'"),
        ({"databases": {"a": {"service-model": "x"}}}, "databases/a/service-model: 'x' is not one of"),
        ({"databases": {"a": {"service-model": "clustered"}}}, "databases/a/service-model: clustered"),
        (
            {"databases": {"a": {"service-model": "relay"}}},
            "databases/a: Required 'source' member is missing",
        ),
        ({"databases": {"a": {"backup": True}}}, "databases/a/backup: only for service model active-backup"),
        ({"databases": {"a": {"service-model": "active-backup"}}}, "databases/a: Required 'backup' member"),
        (
            {"databases": {"a": {"service-model": "active-backup", "backup": True}}},
            "databases/a: Required 'source' member is missing",
        ),
        (
            {"databases": {"a.b": {"service-model": "relay", "source": {"tcp:1": None}}}},
            "databases/a.b: the name of a relay must be that of its database",
        ),
    ],
)
def test_an_error_names_its_place(config: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(config)
    assert str(caught.value).startswith(message)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
keys = st.sampled_from(["service-model", "source", "backup", "exclude-tables", "x"])
models = st.sampled_from(["relay", "active-backup", "standalone", "clustered"])


@given(st.dictionaries(st.text(max_size=5), st.dictionaries(keys, models | json_values)))
def test_any_json_is_a_configuration_or_an_error(databases: Any) -> None:
    with contextlib.suppress(ConfigError):
        assert isinstance(parse_config(json.dumps({"databases": databases}).encode()), Config)


@given(st.binary(max_size=50))
def test_any_bytes_are_a_configuration_or_an_error(text: bytes) -> None:
    with contextlib.suppress(ConfigError):
        parse_config(text)


# --- a server that takes them on


class Served:
    """A server without sockets, and its file."""

    def __init__(self, tmp_path: Path) -> None:
        self.configured = Configured(tmp_path / "config", tmp_path)
        self.server = Server(new_hub(), ())
        self.hub = self.server.hub

    def load(self, remotes: Any = None, databases: Any = None) -> None:
        self.configured.path.write_bytes(orjson.dumps({"remotes": remotes, "databases": databases}))
        load_config(self.server, self.configured)

    def names(self) -> list[str]:
        return sorted(hosted.name for hosted in self.hub.served())


@pytest.fixture
def served(tmp_path: Path) -> Any:
    for name in ("a", "b", "copy"):
        file.create(tmp_path / f"{name}.db", {**SCHEMA, "name": "a" if name == "copy" else name})
    served = Served(tmp_path)
    yield served
    served.hub.close()


def test_databases_come_go_and_stay(served: Served) -> None:
    served.load({"punix:x": {"read-only": True}}, {"a.db": {}})
    assert (served.names(), list(served.server.configured)) == (["a"], ["punix:x"])
    assert served.server.options["punix:x"].read_only
    client = Client(served.hub)
    client.call("transact", "a", INSERT)
    client.call("monitor", "a", "m", {"T": [{}]})
    hosted = served.hub.databases["a"]
    served.load(None, {"a.db": {}, "b.db": {}})
    assert (served.names(), served.server.configured) == (["a", "b"], {})
    assert served.hub.databases["a"] is hosted
    served.load(None, {"b.db": {}})
    assert served.names() == ["b"]
    assert [m["method"] for m in client.received()] == ["monitor_canceled"]
    served.load(None, {"a.db": {}})  # its lock is free again
    assert served.names() == ["a"]


def test_a_file_can_take_the_place_of_another_with_the_same_database(served: Served) -> None:
    served.load(None, {"a.db": {}})
    served.load(None, {"copy.db": {}})
    assert served.names() == ["a"]
    assert served.hub.databases["a"].storage.name.endswith("copy.db")


@pytest.mark.parametrize(
    ("databases", "message"),
    [
        ({"a.db": {}, "none.db": {}}, "databases/none.db: I/O error: .*open failed"),
        ({"a.db": {}, "b.db": {}, "copy.db": {}}, "databases/copy.db: a: duplicate database name"),
        ({"b.db": {}, "config": {}}, "databases/config: ovsdb error: .*unexpected file format"),
    ],
)
def test_what_cannot_be_had_changes_nothing(served: Served, databases: Any, message: str) -> None:
    served.load({"punix:x": None}, {"a.db": {}})
    with pytest.raises(ConfigError, match=message):
        served.load(None, databases)
    assert (served.names(), list(served.server.configured)) == (["a"], ["punix:x"])
    served.load(None, {"a.db": {}, "b.db": {}})  # nothing was left locked
    assert served.names() == ["a", "b"]


def test_a_remote_in_a_database_must_be_there(served: Served) -> None:
    with pytest.raises(ConfigError, match=r'remotes/db:a,T,s2: "db:a,T,s2": table "T" has no column "s2"'):
        served.load({"db:a,T,s2": None}, {"a.db": {}})
    assert served.names() == []
    served.load({"db:a,T,s": None, "db:r,T,s": None}, {"a.db": {}, "r": relay("tcp:h:1")})
    assert served.names() == ["a", "r"]


def relay(source: str) -> dict[str, Any]:
    return {"service-model": "relay", "source": {source: None}}


def test_service_models_change_without_a_restart(served: Served) -> None:
    backup = {"service-model": "active-backup", "backup": True, "source": {"tcp:h:1": None}}
    served.load(None, {"a.db": {}, "r": relay("tcp:h:1")})
    hosted, link = served.hub.databases["a"], served.hub.links["r"]
    client = Client(served.hub)
    client.call("monitor", "a", "m", {"T": [{}]})
    served.load(None, {"a.db": {**backup, "exclude-tables": ["T"]}, "r": relay("tcp:h:1")})
    assert served.hub.databases["a"] is hosted
    assert (hosted.read_only, served.hub.links["r"]) == (True, link)
    assert served.hub.backups()["a"].exclude == {"T"}
    served.load(None, {"a.db": {**backup, "backup": False}, "r": relay("tcp:h:2,tcp:h:3")})
    assert (hosted.read_only, served.hub.backups()) == (False, {})
    moved = served.hub.links["r"]
    assert isinstance(moved, Relay)
    assert (moved.sources, served.hub.databases["r"].source) == ("tcp:h:2,tcp:h:3", moved)
    assert client.received() == []


def test_a_missing_file_is_an_error(served: Served) -> None:
    with pytest.raises(ConfigError, match=r"failed to open configuration file .*No such file"):
        load_config(served.server, served.configured)


def test_a_name_with_a_null_byte_is_a_mistake_in_the_file() -> None:
    with pytest.raises(ConfigError, match="databases: the name of a file must not hold a null byte"):
        parse({"databases": {"a\0b": {}}})
