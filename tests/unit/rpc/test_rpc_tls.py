"""TLS: contexts from settings, and both sides of a connection over a pair of sockets."""

import os
import resource
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from rpc.blocking import Connection
from rpc.errors import ConnectionLost, MustWait
from rpc.message import Notification, encode_notification
from rpc.tls import Tls, TlsError, TlsSocket, make_context, parse_protocols
from rpc.tls_settings import TlsSettings
from rpc.trio_io import MessageStream
from rpc.trio_tls import TlsStream
from tests.kit.certificates import Authority, Identity


def settings(identity: Identity) -> TlsSettings:
    return TlsSettings(str(identity.key), str(identity.certificate), str(identity.ca))


def shake(ours: TlsSocket, theirs: TlsSocket) -> None:
    """Both handshakes, to their ends; TlsError."""
    waiting = [ours, theirs]
    while waiting:
        for sock in list(waiting):
            try:
                sock.handshake()
                waiting.remove(sock)
            except MustWait:
                time.sleep(0.001)


def pair(client: Tls, server: Tls) -> tuple[TlsSocket, TlsSocket]:
    one, two = socket.socketpair()
    return client.wrap(one, host="localhost"), server.wrap(two)


def test_each_side_knows_the_name_of_the_other(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    ours, theirs = pair(Tls(settings(ca.issue("client"))), Tls(settings(ca.issue("server"))))
    shake(ours, theirs)
    assert (ours.peer_name(), theirs.peer_name()) == ("server", "client")
    ours.close()
    assert theirs.recv(10) == b""
    theirs.close()


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_much_is_sent_through_a_socket_that_is_full(tmp_path: Path, version: str) -> None:
    ca = Authority(tmp_path)
    ours, theirs = pair(
        Tls(settings(ca.issue("client"))._replace(protocols=version)), Tls(settings(ca.issue("server")))
    )
    shake(ours, theirs)
    big = "x" * 3_000_000
    got: list[object] = []

    def read() -> None:
        with Connection(theirs) as connection:
            got.append(connection.receive(time.monotonic() + 60))

    thread = threading.Thread(target=read)
    thread.start()
    with Connection(ours) as connection:
        connection.notify("n", [big], time.monotonic() + 60)
        thread.join()
        with pytest.raises(ConnectionLost, match="End of file"):
            connection.receive(time.monotonic() + 60)
    assert got == [Notification("n", [big])]


def test_a_trio_stream_carries_messages(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    ours, theirs = pair(Tls(settings(ca.issue("client"))), Tls(settings(ca.issue("server"))))
    shake(ours, theirs)

    async def main() -> None:
        one, two = MessageStream(TlsStream(ours)), MessageStream(TlsStream(theirs))
        big = "x" * 1_000_000
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.send, encode_notification("n", [big]))
            assert await two.receive() == Notification("n", [big])
        await one.aclose()
        with pytest.raises(ConnectionLost, match="End of file"):
            await two.receive()
        await two.aclose()

    trio.run(main)


def fails(client: Tls, server: Tls) -> str:
    ours, theirs = pair(client, server)
    with pytest.raises(TlsError) as caught:
        shake(ours, theirs)
    ours.close()
    theirs.close()
    return str(caught.value)


def test_who_has_no_certificate_of_the_ca_does_not_get_in(tmp_path: Path) -> None:
    ca, other = Authority(tmp_path), Authority(tmp_path, "other")
    server = Tls(settings(ca.issue("server")))
    assert "certificate verify failed" in fails(Tls(settings(other.issue("a", ca=ca))), server)
    assert "certificate verify failed" in fails(Tls(settings(other.issue("b"))), server)
    assert "certificate has expired" in fails(Tls(settings(ca.issue("c", expired=True))), server)


def test_who_sends_something_else_than_tls_is_told_from_a_failure(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    one, two = socket.socketpair()
    one.sendall(b'{"method":"echo","params":[],"id":1}')
    server = Tls(settings(ca.issue("server"))).wrap(two)
    with one, pytest.raises(TlsError, match=r"wrong version number|packet length too long"):
        server.handshake()
    server.close()


def test_files_that_have_changed_are_read_again_and_bad_ones_passed_over(tmp_path: Path) -> None:
    ca, told = Authority(tmp_path), list[str]()
    identity = ca.issue("server")
    tls = Tls(settings(identity), told.append)
    first = tls.context(server=True)
    assert tls.context(server=True) is first
    ca.issue("renewed", file="server")
    second = tls.context(server=True)
    assert second is not first
    identity.certificate.write_text("nonsense")
    assert tls.context(server=True) is second
    assert tls.context(server=True) is second
    assert len(told) == 1
    assert str(identity.certificate) in told[0]


def test_files_that_could_not_be_opened_for_a_moment_are_read_after_all(tmp_path: Path) -> None:
    ca, told = Authority(tmp_path), list[str]()
    tls = Tls(settings(ca.issue("server")), told.append)
    first = tls.context(server=True)
    ca.issue("renewed", file="server")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
    try:
        found = [tls.context(server=True) for _ in range(3)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert all(context is first for context in found)
    assert len(told) == 1
    assert tls.context(server=True) is not first


BREAKS: list[tuple[Callable[[TlsSettings], TlsSettings], str]] = [
    (lambda s: s._replace(private_key=""), "Private key must be configured"),
    (lambda s: s._replace(certificate=""), "Certificate must be configured"),
    (lambda s: s._replace(ca_cert=""), "CA certificate must be configured"),
    (lambda s: s._replace(certificate="/nope"), "/nope: No such file or directory"),
    (lambda s: s._replace(ca_cert="/nope"), "/nope: No such file or directory"),
    (lambda s: s._replace(ca_cert=s.private_key), "cannot be used"),
    (lambda s: s._replace(certificate=s.ca_cert), "cannot be used: key values mismatch"),
    (lambda s: s._replace(peer_ca_cert="a\0b"), "no file name"),
    (lambda s: s._replace(ciphers="nonsense"), "nonsense: no such cipher"),
    (lambda s: s._replace(protocols="SSLv3"), "SSLv3: SSL protocol not recognized"),
    (lambda s: s._replace(protocols=","), "SSL protocol settings invalid"),
]


@pytest.mark.parametrize(("change", "message"), BREAKS, ids=[m for _, m in BREAKS])
def test_settings_that_are_no_good_are_named(
    tmp_path: Path, change: Callable[[TlsSettings], TlsSettings], message: str
) -> None:
    good = settings(Authority(tmp_path).issue("x"))
    with pytest.raises(TlsError, match=message):
        make_context(change(good), server=True)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("TLSv1.2", ["TLSv1.2"]),
        ("TLSv1.3 TLSv1.1", ["TLSv1.1", "TLSv1.3"]),
        ("TLSv1,TLSv1.2", ["TLSv1", "TLSv1.2"]),
        ("TLSv1.2+", ["TLSv1.2", "TLSv1.3"]),
        ("TLSv1-TLSv1.2", ["TLSv1", "TLSv1.1", "TLSv1.2"]),
    ],
)
def test_protocols_are_a_list_or_a_range(tmp_path: Path, text: str, names: list[str]) -> None:
    assert parse_protocols(text) == names
    context = make_context(settings(Authority(tmp_path).issue("x"))._replace(protocols=text), server=False)
    assert isinstance(context, ssl.SSLContext)


def test_a_ca_certificate_that_is_there_is_not_bootstrapped_over(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    identity = ca.issue("x")
    boot = tmp_path / "boot.pem"
    client = TlsSettings(str(identity.key), str(identity.certificate), bootstrap_ca_cert=str(boot))
    server = settings(identity)._replace(peer_ca_cert=str(ca.certificate))
    told: list[str] = []
    tls = Tls(client, inform=told.append)
    ours, theirs = pair(tls, Tls(server))
    shake(ours, theirs)
    assert tls.wants_bootstrap(ours)
    boot.write_text("somebody else's")
    tls.bootstrap(ours)
    assert "created by another process" in told[-1]
    assert boot.read_text() == "somebody else's"
    os.unlink(boot)
    tls.bootstrap(ours)
    assert "successfully bootstrapped" in told[-1]
    ours.close()
    theirs.close()
    again, other = pair(tls, Tls(server))
    shake(again, other)
    assert not tls.wants_bootstrap(again)
    again.close()
    other.close()
