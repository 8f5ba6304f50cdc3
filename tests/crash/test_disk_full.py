"""A disk that is full: what cannot be written is refused and told, the rest is served, and room ends it."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ovsdb.storage.fsck import check
from tests.kit import peers
from tests.kit.peers import C_BIN, OUR_BIN, Daemon, Home, wait_until
from tests.kit.transcripts import VECTORS, SocketClient

pytestmark = [pytest.mark.crash, pytest.mark.peer]
INSERT = {"op": "insert", "table": "Note", "row": {"text": "x" * 3000}}
SMALL = {"op": "insert", "table": "Note", "row": {"text": "y"}}
READ = {"op": "select", "table": "Note", "where": [], "columns": ["text"]}
SHOP = VECTORS / "shop.ovsschema"


@contextmanager
def small_disk(place: Home) -> Iterator[Path]:
    """A file system of 256 kB."""
    mounted = place.path / "disk"
    mounted.mkdir()
    options = ["-t", "tmpfs", "-o", "size=256k", "tmpfs", str(mounted)]
    if os.geteuid() or subprocess.run(["mount", *options], capture_output=True, timeout=30).returncode:
        pytest.skip("mounting a tmpfs is not permitted")
    try:
        yield mounted
    finally:
        subprocess.run(["umount", str(mounted)], check=True, timeout=30)


def transact(client: SocketClient, *operations: dict[str, Any]) -> Any:
    client.send({"method": "transact", "params": ["shop", *operations], "id": 1})
    return client.receive()["result"]


def fill(client: SocketClient) -> tuple[int, dict[str, Any]]:
    """Insert until it is refused: how many were taken, and the error."""
    for taken in range(1000):
        answer = transact(client, INSERT)
        if "error" in answer[-1]:
            return taken, answer[-1]
    pytest.fail("the disk is never full")


def is_logged(server: Daemon, text: str) -> bool:
    return text in server.output()


def test_a_full_disk_refuses_commits_until_there_is_room() -> None:
    with peers.home() as place, small_disk(place) as disk:
        filler = disk / "filler"
        filler.write_bytes(b"x" * 150_000)
        path = peers.create_database(place, "disk/shop.db", SHOP)
        with (
            peers.our_ovsdb_server(place, databases=[path]) as server,
            closing(SocketClient(place.socket)) as client,
        ):
            taken, error = fill(client)
            reason = f"{path}: write failed (No space left on device)"
            assert (error["error"], reason in error["details"]) == ("I/O error", True)
            assert len(transact(client, READ)[0]["rows"]) == 1  # equal ones are shown once
            assert reason in server.appctl("ovsdb-server/get-db-storage-status", "shop")
            assert "error" in transact(client, INSERT)[-1]
            wait_until(lambda: is_logged(server, "shop can only be read until"), "the log has the reason")
            assert server.output().count("can only be read until") == 1
            compacted = server.run(
                C_BIN / "ovs-appctl", "-t", server.control, "ovsdb-server/compact", check=False
            )
            assert compacted.returncode in (0, 2)  # what is left may be room enough, or not
            filler.unlink()
            assert "error" not in transact(client, SMALL)[-1]
            wait_until(lambda: is_logged(server, "shop is written again"), "the log has the end of it")
            assert server.appctl("ovsdb-server/get-db-storage-status", "shop") == "status: ok\n"
        report = check(path)
        assert report.damage == ""
        with peers.c_ovsdb_server(place, databases=[path]), closing(SocketClient(place.socket)) as client:
            counted = transact(client, {**READ, "columns": ["_uuid"]})
            assert len(counted[0]["rows"]) == taken + 1
        assert sorted(p.name for p in disk.iterdir()) == [".shop.db.~lock~", "shop.db"]


def test_a_limit_of_the_files_size_is_told_alike() -> None:
    """RLIMIT_FSIZE, as a service manager sets it."""
    with peers.home() as place:
        path = peers.create_database(place, "shop.db", SHOP)
        with (
            peers.our_ovsdb_server(place, databases=[path]) as server,
            closing(SocketClient(place.socket)) as client,
        ):
            _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (100_000, hard))
            taken, error = fill(client)
            assert taken > 10
            assert "write failed (File too large)" in error["details"]
            assert "File too large" in server.appctl("ovsdb-server/get-db-storage-status", "shop")
            nothing = {"op": "delete", "table": "Note", "where": [["text", "==", "y"]]}
            assert transact(client, nothing)[0] == {"count": 0}  # there is nothing to write
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (110_000, hard))
            assert "error" not in transact(client, SMALL)[-1]
            assert server.appctl("ovsdb-server/get-db-storage-status", "shop") == "status: ok\n"
        assert check(path).damage == ""


def test_tools_on_a_full_disk_say_so_and_leave_the_file() -> None:
    with peers.home() as place, small_disk(place) as disk:
        path = peers.create_database(place, "disk/shop.db", SHOP)
        place.run(
            C_BIN / "ovsdb-tool",
            "transact",
            path,
            f'["shop",{{"op":"insert","table":"Note","row":{{"text":"{"x" * 50000}"}}}}]',
        )
        (disk / "filler").write_bytes(b"x" * 180_000)
        before = path.read_bytes()
        for words in (["compact", str(path)], ["compact", str(path), str(disk / "copy.db")]):
            done = place.run(OUR_BIN / "ovsdb-tool", *words, check=False)
            assert (done.returncode, done.stderr.count("\n")) == (1, 1)
            assert "(No space left on device)" in done.stderr
        assert path.read_bytes() == before
        assert sorted(p.name for p in disk.iterdir() if not p.name.startswith(".")) == ["filler", "shop.db"]
