"""Changes that are taken back unless they are confirmed: real processes, terminals that go, servers that stop."""

import contextlib
import os
import pty
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.peers import OUR_BIN, OVSDB_SERVERS, Daemon, Home, home, our_ovsdb_server, wait_until

pytestmark = pytest.mark.peer

BEFORE = "bridges: {br0: {fail_mode: secure, ports: {eth1: {tag: 5}, eth2: {qos: {queues: {0: {dscp: 1}}}}}}}"
AFTER = "name: x\nbridges: {br0: {fail_mode: , ports: {eth1: {tag: 7}, eth2: {qos: }, eth3: {qos: {type: q}}}}, br1: }"
LONG = "3600"  # seconds that no test waits for


def guardians(place: Home) -> list[int]:
    """The processes that watch over changes in this home."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if b"vsctl.guardian" in (line := path.read_bytes()) and os.fsencode(place.path) in line:
                found.append(int(path.parent.name))
    return found


@contextlib.contextmanager
def watched(kind: str = "ours", place: Home | None = None) -> Iterator[Daemon]:
    """A server with a switch, and no guardian left at the end."""
    with home() as fresh, OVSDB_SERVERS[kind](place or fresh) as server:
        vsctl(server, "init")
        vsctl(server, "apply", "-", stdin=BEFORE)
        (server.home.path / "after").write_text(AFTER)
        try:
            yield server
        finally:
            for pid in guardians(server.home):
                os.kill(pid, signal.SIGKILL)


def vsctl(server: Daemon, *argv: str, stdin: str = "", status: int = 0) -> str:
    done = server.run(OUR_BIN / "ovs-vsctl", "--no-wait", "--no-syslog", *argv, check=False, stdin=stdin)
    assert done.returncode == status, (argv, done.returncode, done.stderr)
    return done.stdout + done.stderr


def export(server: Daemon) -> str:
    return vsctl(server, "export")


def waits(server: Daemon) -> bool:
    return "unconfirmed-change" in vsctl(server, "get", "Open_vSwitch", ".", "external_ids")


def ended(server: Daemon) -> bool:
    return not guardians(server.home) and not [*server.home.path.glob("*.unconfirmed")]


@pytest.mark.parametrize("kind", OVSDB_SERVERS)
def test_a_change_that_is_not_confirmed_is_taken_back(kind: str) -> None:
    with watched(kind) as server:
        before = export(server)
        said = vsctl(server, "apply", "--confirm", "1", "after")
        assert "taken back in 1 s unless ovs-vsctl confirm is run" in said
        wait_until(lambda: not waits(server), "the change is taken back")
        assert export(server) == before
        assert vsctl(server, "--columns=dscp", "--bare", "list", "queue") == "1\n"
        wait_until(lambda: ended(server), "the guardian has ended")


@pytest.mark.parametrize("kind", OVSDB_SERVERS)
def test_a_change_that_is_confirmed_stays(kind: str) -> None:
    with watched(kind) as server:
        vsctl(server, "apply", "--confirm", LONG, "after")
        after = export(server)
        assert "br1" in after
        assert waits(server)
        vsctl(server, "confirm")
        assert not waits(server)
        wait_until(lambda: ended(server), "the guardian has ended")
        assert export(server) == after
        assert "no change waits to be confirmed" in vsctl(server, "confirm", status=1)


def test_a_change_can_be_taken_back_at_once() -> None:
    with watched() as server:
        before = export(server)
        for option in ("--revert", "--cancel"):
            vsctl(server, "apply", "--confirm", LONG, "after")
            assert export(server) != before
            vsctl(server, "confirm", option)
            assert export(server) == before
        wait_until(lambda: ended(server), "the guardians have ended")


def test_only_one_change_can_wait() -> None:
    with watched() as server:
        vsctl(server, "apply", "--confirm", LONG, "after")
        after = export(server)
        said = vsctl(server, "apply", "--confirm", LONG, "-", stdin="bridges: {br9: }", status=1)
        assert "an earlier change waits to be confirmed" in said
        assert export(server) == after


def test_where_nothing_changes_nothing_waits() -> None:
    with watched() as server:
        assert vsctl(server, "apply", "--confirm", LONG, "-", stdin=BEFORE) == ""
        assert not waits(server)
        assert "needs a number of seconds" in vsctl(server, "apply", "--confirm", "0", "after", status=1)
        vsctl(server, "--dry-run", "apply", "--confirm", LONG, "after")
        assert ended(server)


def test_what_others_add_meanwhile_stays() -> None:
    with watched() as server:
        vsctl(server, "apply", "--confirm", LONG, "after")
        vsctl(server, "add-port", "br0", "eth9", "--", "set", "bridge", "br0", "other_config:x=y")
        vsctl(server, "confirm", "--revert")
        assert vsctl(server, "list-ports", "br0") == "eth1\neth2\neth9\n"
        assert vsctl(server, "get", "bridge", "br0", "other_config") == "{x=y}\n"


def test_the_guardian_takes_the_change_back_when_it_is_told_to_end() -> None:
    with watched() as server:
        before = export(server)
        vsctl(server, "apply", "--confirm", LONG, "after")
        [pid] = guardians(server.home)
        os.kill(pid, signal.SIGHUP)
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: ended(server), "the guardian has ended")
        assert export(server) == before


def test_the_change_is_taken_back_when_the_terminal_is_gone() -> None:
    with watched() as server:
        before = export(server)
        master, slave = pty.openpty()
        line = f"{OUR_BIN}/ovs-vsctl --no-wait --no-syslog apply --confirm 4 after && echo changed; exec sleep 1000"
        shell = subprocess.Popen(
            # The end of a terminal is to be heeded, however the test run was started.
            ["env", "--default-signal=HUP", "setsid", "--ctty", "/bin/sh", "-c", line],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=server.home.path,
            env=server.home.env,
        )
        os.close(slave)
        try:
            said = b""
            while b"changed\r" not in said and select.select([master], [], [], 60)[0]:
                said += os.read(master, 1000)
            os.close(master)
            assert b"changed\r" in said
            assert shell.wait(60) == -signal.SIGHUP
        finally:
            shell.kill()
            shell.wait()
        wait_until(lambda: not waits(server), "the change is taken back")
        assert export(server) == before
        wait_until(lambda: ended(server), "the guardian has ended")


def test_the_guardian_tries_until_the_server_is_there_again() -> None:
    with home() as place, watched(place=place) as server:
        before = export(server)
        vsctl(server, "apply", "--confirm", LONG, "after")
        [pid] = guardians(place)
        server.terminate()
        os.kill(pid, signal.SIGTERM)
        with our_ovsdb_server(place, name="again") as again:
            wait_until(lambda: not waits(again), "the change is taken back")
            assert export(again) == before
            wait_until(lambda: ended(again), "the guardian has ended")


def test_without_a_place_for_its_file_nothing_is_changed() -> None:
    with watched() as server:
        before = export(server)
        argv = ("env", "OVS_RUNDIR=/nowhere", OUR_BIN / "ovs-vsctl", f"--db={server.remote}", "--no-wait")
        done = server.run(*argv, "apply", "--confirm", "9", "after", check=False)
        assert done.returncode == 1
        assert "nothing was changed, as it could not be taken back: /nowhere/" in done.stderr
        assert export(server) == before
