"""ovsdb-server --config-file as a program: start, reload, refuse."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.kit.peers import C_BIN, OUR_BIN, Daemon, Home, create_database, daemon, home, is_listening

pytestmark = pytest.mark.peer


@contextmanager
def configured_server(place: Home, config: Any) -> Iterator[Daemon]:
    write(place, config)
    control, path = place.path / "ctl", place.path / "config.json"
    argv = [str(OUR_BIN / "ovsdb-server"), f"--config-file={path}", f"--unixctl={control}"]
    remote = f"unix:{place.socket}"
    with daemon(
        "ovsdb-server",
        argv,
        place,
        control=control,
        remote=remote,
        ready=lambda: is_listening(control) and is_listening(place.socket),
    ) as server:
        yield server


def write(place: Home, config: Any) -> None:
    (place.path / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))


def appctl(server: Daemon, command: str, *args: str) -> tuple[int, str]:
    name = f"ovsdb-server/{command}"
    done = server.run(C_BIN / "ovs-appctl", "-t", server.control, name, *args, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_server_is_what_its_file_says() -> None:
    with home() as place:
        first, second = create_database(place, "one.db"), place.path / "local.db"
        schema = "/usr/share/openvswitch/local-config.ovsschema"
        place.run(C_BIN / "ovsdb-tool", "create", second, schema)
        remotes: dict[str, Any] = {f"punix:{place.socket}": {"inactivity-probe": 0}}
        with configured_server(place, {"remotes": remotes, "databases": {str(first): {}}}) as server:
            assert appctl(server, "list-dbs") == (0, "Open_vSwitch\n_Server\n")
            code, text = appctl(server, "add-db", str(second))
            assert (code, text.splitlines()[0]) == (
                2,
                f"Update the {place.path}/config.json and use ovsdb-server/reload instead",
            )
            remotes |= {"db:Local_Config,Config,connections": {}}
            write(place, {"remotes": remotes, "databases": {str(first): {}, str(second): {}}})
            assert appctl(server, "reload") == (0, "")
            assert appctl(server, "list-dbs") == (0, "Local_Config\nOpen_vSwitch\n_Server\n")
            for broken in ('{"databases"', {"databases": {str(first): {"backup": 3}}}):
                write(place, broken)
                code, text = appctl(server, "reload")
                assert code == 2
                assert text.startswith("Configuration failed.  See the log file for details.\n")
            assert f"databases/{first}/backup: 3 is not of type 'boolean'" in text
            assert appctl(server, "list-dbs") == (0, "Local_Config\nOpen_vSwitch\n_Server\n")
            server.run(C_BIN / "ovs-vsctl", "--no-wait", "add-br", "br0")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--remote=punix:x"], "--config-file is mutually exclusive with --remote"),
        (["--sync-from=tcp:h:1"], "mutually exclusive with --sync-from, --sync-exclude and --active"),
        (["conf.db"], "Databases should be specified in a config file"),
        ([], "databases: 3 is not of type 'object', 'null'"),
    ],
)
def test_a_mistake_is_one_line(args: list[str], message: str) -> None:
    with home() as place:
        write(place, {"databases": 3})
        argv = [str(OUR_BIN / "ovsdb-server"), "--config-file=config.json", "--unixctl=none", *args]
        done = place.run(*argv, check=False)
        assert done.returncode == 1
        assert message in done.stderr.splitlines()[-1]
