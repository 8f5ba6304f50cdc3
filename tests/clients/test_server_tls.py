"""ovsdb-server over TLS: who gets in, who does not, and that nobody waits for another."""

import contextlib
import re
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from ovsdb import tls_config
from ovsdb.tls_config import format_expiry
from rpc.tls_settings import TlsSettings
from tests.kit import peers
from tests.kit.certificates import Authority, Identity
from tests.kit.peers import C_BIN, OUR_BIN, Daemon, Home
from tests.kit.transcripts import CLOSED, SocketClient

pytestmark = pytest.mark.peer
LISTEN = "--remote=pssl:0:127.0.0.1"
ECHO = b'{"method":"echo","params":["x"],"id":1}'


@pytest.fixture
def place() -> Iterator[Home]:
    with peers.home() as made:
        yield made


@pytest.fixture
def ca(place: Home) -> Authority:
    return Authority(place.path)


def port_of(server: Daemon) -> int:
    found: list[str] = []

    def look() -> bool:
        found[:] = re.findall(r"listening on port (\d+)", server.output())
        return bool(found)

    peers.wait_until(look, "it listens on a port")
    return int(found[-1])


def logged(server: Daemon, text: str, times: int = 1) -> None:
    peers.wait_until(lambda: server.output().count(text) >= times, f"the log tells {text}")


def context(identity: Identity) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=str(identity.ca))
    made.check_hostname = False
    made.load_cert_chain(identity.certificate, identity.key)
    return made


def connect(port: int, identity: Identity) -> ssl.SSLSocket:
    raw = socket.create_connection(("127.0.0.1", port), timeout=20)
    return context(identity).wrap_socket(raw)


def echo(sock: ssl.SSLSocket) -> None:
    """Ask for an answer and wait for it; there may be a probe before."""
    sock.sendall(ECHO)
    received = b""
    while b'"x"' not in received:
        data = sock.recv(1000)
        assert data
        received += data


def list_dbs(server: Daemon, port: int, identity: Identity) -> "subprocess.CompletedProcess[str]":
    remote = f"ssl:127.0.0.1:{port}"
    return server.run(C_BIN / "ovsdb-client", *identity.options(), "list-dbs", remote, check=False)


def test_nobody_without_a_right_certificate_gets_in_and_each_is_one_line_in_the_log(
    place: Home, ca: Authority
) -> None:
    other = Authority(place.path, "other")
    with peers.our_ovsdb_server(place, LISTEN, *ca.issue("server").options()) as server:
        port = port_of(server)
        for identity in (other.issue("x", ca=ca), ca.issue("late", expired=True)):
            assert list_dbs(server, port, identity).returncode == 1
        with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
            plain.sendall(ECHO)
            with contextlib.suppress(ConnectionResetError):
                assert b"echo" not in plain.recv(1000)  # an alert, or nothing
        bare = ssl.create_default_context(cafile=str(ca.certificate))
        bare.check_hostname = False
        raw = socket.create_connection(("127.0.0.1", port), timeout=20)
        with raw, pytest.raises(OSError, match=r"."), bare.wrap_socket(raw) as sock:
            sock.recv(1)
        gone = socket.create_connection(("127.0.0.1", port), timeout=20)
        gone.close()
        logged(server, "TLS handshake failed", 5)
        assert list_dbs(server, port, ca.issue("client")).stdout == "Open_vSwitch\n_Server\n"
        lines = [line for line in server.output().splitlines() if "|stream_ssl|" in line]
        assert len(lines) == 5
        for line, reason in zip(
            lines,
            (
                "certificate verify failed",
                "certificate has expired",
                "",
                "peer did not return a certificate",
                "",
            ),
            strict=True,
        ):
            assert "|WARN|ssl:127.0.0.1:" in line
            assert reason in line
        assert "|jsonrpc|" not in server.output()


def test_handshakes_by_the_hundred_that_go_no_further_block_nobody(place: Home, ca: Authority) -> None:
    with peers.our_ovsdb_server(place, LISTEN, *ca.issue("server").options()) as server:
        port = port_of(server)
        silent = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(400)]
        try:
            silent[0].sendall(b"\x16\x03\x01\x02\x00")  # the beginning of a hello
            for name in ("a", "b"):
                assert list_dbs(server, port, ca.issue(name)).stdout == "Open_vSwitch\n_Server\n"
            logged(server, "too many are under way", 100)
            assert server.run(C_BIN / "ovs-vsctl", "--no-wait", "list-br").returncode == 0
        finally:
            for sock in silent:
                sock.close()


def test_a_client_that_does_not_read_over_tls_is_not_read_from_and_misses_nothing(
    place: Home, ca: Authority
) -> None:
    source = "--remote=db:Open_vSwitch,Open_vSwitch,manager_options"
    with peers.our_ovsdb_server(place, source, *ca.issue("server").options()) as server:
        # Without probes, which it would not answer.
        listen = ("set-manager", "pssl:0:127.0.0.1", "--", "set", "Manager", ".", "inactivity_probe=0")
        server.run(C_BIN / "ovs-vsctl", "--no-wait", *listen)
        port = port_of(server)
        slow = SocketClient(place.socket)
        slow._sock.close()
        slow._sock = connect(port, ca.issue("slow"))
        fast = SocketClient(place.socket)
        insert = {"op": "insert", "table": "QoS", "row": {"type": "q"}}
        call(fast, "transact", "Open_vSwitch", insert)
        call(slow, "monitor", "Open_vSwitch", "m", {"QoS": {"columns": ["external_ids"]}})
        before = server.resident_kb()
        for n in range(1500):
            row = {"external_ids": ["map", [["n", str(n) * 3000]]]}
            call(fast, "transact", "Open_vSwitch", {"op": "update", "table": "QoS", "where": [], "row": row})
        assert server.resident_kb() - before < 14_000
        last = str(1499) * 3000
        while True:
            update = slow.receive()
            if update["method"] == "echo":
                continue
            [change] = update["params"][1]["QoS"].values()
            if change["new"]["external_ids"][1][0][1] == last:
                break
        slow.close()
        fast.close()


def call(client: SocketClient, method: str, *params: object) -> object:
    client.send({"method": method, "params": list(params), "id": 1})
    return client.receive()


def test_settings_are_read_from_the_database_and_again_when_they_change(place: Home, ca: Authority) -> None:
    names = ("private-key", "private_key"), ("certificate", "certificate"), ("ca-cert", "ca_cert")
    options = [f"--{option}=db:Open_vSwitch,SSL,{column}" for option, column in names]
    other = Authority(place.path, "other")
    with peers.our_ovsdb_server(place, LISTEN, *options) as server:
        port = port_of(server)
        client, stranger = ca.issue("client"), other.issue("stranger")
        assert list_dbs(server, port, client).returncode == 1
        logged(server, "pssl:0:127.0.0.1: Protocol not available: Private key must be configured")
        for authority, good, bad in ((ca, client, stranger), (other, stranger, client)):
            identity = authority.issue("server", file=f"server-{authority.certificate.stem}")
            files = [str(identity.key), str(identity.certificate), str(identity.ca)]
            server.run(C_BIN / "ovs-vsctl", "--no-wait", "--", "set-ssl", *files)
            peers.wait_until(
                lambda good=good: list_dbs(server, port, good).stdout == "Open_vSwitch\n_Server\n",  # type: ignore[misc]
                "the new settings are in use",
            )
            assert list_dbs(server, port, bad).returncode == 1


@pytest.mark.parametrize("which", list(peers.OVSDB_SERVERS))
@pytest.mark.parametrize(
    "value", ["db:nope,a,b", "db:nope", "db:Open_vSwitch,SSL,x", "db:_Server,Database,leader"]
)
def test_a_setting_that_names_no_column_of_strings_ends_the_start(
    place: Home, which: str, value: str
) -> None:
    peers.create_database(place)
    program = {"c": peers.C_SBIN, "ours": OUR_BIN}[which] / "ovsdb-server"
    done = place.run(
        program, "conf.db", f"--certificate={value}", "--run=true", "--unixctl=x.ctl", check=False
    )
    assert done.returncode == 1
    expected = {
        "db:nope,a,b": "no database named nope",
        "db:nope": "invalid syntax",
        "db:Open_vSwitch,SSL,x": 'table "SSL" has no column "x"',
        "db:_Server,Database,leader": 'table "Database" column "leader" is not string or set of strings',
    }
    assert (
        done.stderr.splitlines()[-1 if which == "ours" else 0]
        == f'ovsdb-server: "{value}": {expected[value]}'
    )


def test_certificates_are_read_again_when_their_files_change(place: Home, ca: Authority) -> None:
    server_identity, client = ca.issue("server"), ca.issue("client")
    with peers.our_ovsdb_server(place, LISTEN, *server_identity.options()) as server:
        port = port_of(server)

        def shown() -> bytes:
            with connect(port, client) as sock:
                return sock.getpeercert(binary_form=True) or b""

        first = shown()
        server_identity.certificate.write_text("half")
        assert shown() == first
        logged(server, "the old files' contents stay in use")
        ca.issue("renewed", file="server")
        assert shown() != first
        with connect(port, client) as kept:
            other = Authority(place.path, "other")
            Path(ca.certificate).write_bytes(other.certificate.read_bytes())
            assert list_dbs(server, port, client).returncode == 1
            echo(kept)  # who is in stays in


def test_the_end_of_the_servers_certificate_is_told(place: Home, ca: Authority) -> None:
    soon = ca.issue("soon", days=3.5)
    with peers.our_ovsdb_server(place, LISTEN, *soon.options()) as server:
        logged(server, f"|stream_ssl|WARN|{soon.certificate}: the certificate expires in 3 days")
        logged(server, "ovsdb-server (Open vSwitch)")  # the old files have been read
        ca.issue("soon", expired=True)
        server.run(C_BIN / "ovs-appctl", "-t", server.control, "ovsdb-server/add-remote", "punix:other")
        logged(server, f"|stream_ssl|ERR|{soon.certificate}: the certificate has expired")
        assert server.output().count("|stream_ssl|") == 2


def test_the_end_of_a_certificate_that_could_not_be_read_at_first_is_told_once_it_can(
    ca: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = ca.issue("soon", days=3.5)
    said: list[str] = []
    log = SimpleNamespace(log=lambda _level, _form, text: said.append(text))
    monkeypatch.setattr(tls_config, "log", log)
    monkeypatch.setattr(tls_config, "_read_end", lambda _path: None)  # root can read whatever the mode says
    soon.certificate.chmod(0)
    config = tls_config.ServerTls(TlsSettings(certificate=str(soon.certificate)))
    config.configure({})
    config.watch_expiry()
    assert said == []
    monkeypatch.undo()
    monkeypatch.setattr(tls_config, "log", log)
    soon.certificate.chmod(0o644)
    config.watch_expiry()
    assert len(said) == 1
    assert "expires in 3 days" in said[0]


@pytest.mark.parametrize(
    ("left", "text"),
    [
        (timedelta(days=400), None),
        (timedelta(days=30), "expires in 30 days"),
        (timedelta(days=1, hours=1), "expires in 1 day ("),
        (timedelta(hours=1), "expires within a day"),
        (timedelta(0), "has expired"),
        (timedelta(days=-9), "has expired"),
    ],
)
def test_what_is_said_of_an_end_depends_on_the_time_left(left: timedelta, text: str | None) -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    said = format_expiry("x.pem", now + left, now)
    assert (said is None) == (text is None)
    assert said is None or (text or "") in said[1]


def test_it_connects_to_a_manager_over_tls_and_comes_back(place: Home, ca: Authority) -> None:
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(ca.certificate))
    identity = ca.issue("manager")
    server_context.load_cert_chain(identity.certificate, identity.key)
    server_context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        port = listener.getsockname()[1]
        with peers.our_ovsdb_server(place, f"--remote=ssl:127.0.0.1:{port}", *ca.issue("server").options()):
            for _ in range(2):
                with server_context.wrap_socket(listener.accept()[0], server_side=True) as manager:
                    manager.settimeout(20)
                    echo(manager)


def test_the_server_bootstraps_the_ca_certificate_of_its_manager(place: Home, ca: Authority) -> None:
    manager, identity, made = ca.issue("manager"), ca.issue("server"), place.path / "made.pem"
    chain = place.path / "chain.pem"
    chain.write_bytes(manager.certificate.read_bytes() + ca.certificate.read_bytes())
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(ca.certificate))
    server_context.load_cert_chain(chain, manager.key)
    server_context.verify_mode = ssl.CERT_REQUIRED
    options = ["-p", str(identity.key), "-c", str(identity.certificate), f"--bootstrap-ca-cert={made}"]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        remote = f"--remote=ssl:127.0.0.1:{listener.getsockname()[1]}"
        with peers.our_ovsdb_server(place, remote, *options) as server:
            with server_context.wrap_socket(listener.accept()[0], server_side=True) as first:
                assert first.recv(1000) == b""
            with server_context.wrap_socket(listener.accept()[0], server_side=True) as second:
                second.settimeout(20)
                echo(second)
            logged(server, f"|stream_ssl|INFO|successfully bootstrapped CA cert to {made}")
    assert made.read_text().split() == ca.certificate.read_text().split()


def test_clients_that_do_nothing_do_not_hold_up_the_end(place: Home, ca: Authority) -> None:
    with peers.our_ovsdb_server(place, LISTEN, *ca.issue("server").options()) as server:
        port = port_of(server)
        with (
            socket.create_connection(("127.0.0.1", port), timeout=20),
            connect(port, ca.issue("client")) as idle,
        ):
            echo(idle)
            assert server.terminate() == -signal.SIGTERM


def test_without_verification_anybody_gets_in_and_the_log_warns(place: Home, ca: Authority) -> None:
    identity = ca.issue("server")
    options = ["-p", str(identity.key), "-c", str(identity.certificate), "-C", "none"]
    with peers.our_ovsdb_server(place, LISTEN, *options) as server:
        assert list_dbs(server, port_of(server), ca.issue("late", expired=True)).returncode == 0
        logged(server, "Peer certificate validation disabled (this is a security risk)")


def test_garbage_over_tls_ends_that_client_alone(place: Home, ca: Authority) -> None:
    with peers.our_ovsdb_server(place, LISTEN, *ca.issue("server").options()) as server:
        port = port_of(server)
        bad = SocketClient(place.socket)
        bad._sock.close()
        bad._sock = connect(port, ca.issue("bad"))
        bad._sock.sendall(b"]")
        assert bad.receive() == CLOSED
        bad.close()
        assert list_dbs(server, port, ca.issue("client")).returncode == 0
