"""Prometheus figures: what they say, and who can ask for them."""

from __future__ import annotations

import contextlib

import h11
import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from ovsdb import metrics, metrics_http
from ovsdb.figures import BOUNDS
from ovsdb.hub import Hub
from ovsdb.server import Server
from ovsdb.storage.memory import MemoryStorage
from rpc.address import TcpListenAddress
from rpc.trio_io import listen
from tests.unit.ovsdb_server.test_hub import INSERT, SCHEMA, Client
from tests.unit.ovsdb_server.test_hub import hub as hub  # a fixture


def figures(server: Server) -> dict[tuple[str, ...], float]:
    text = metrics.format_metrics(metrics.make_registry(server)).decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_figures_follow_the_server(hub: Hub) -> None:
    server = Server(hub, [])
    hub.add_database(MemoryStorage(SCHEMA))
    client = Client(hub)
    client.call("monitor", "db", "m", {"T": {}})
    for _ in range(3):
        client.call("transact", "db", INSERT)
    client.call("transact", "db", {"op": "select", "table": "T", "where": []})
    wait = {"op": "wait", "table": "T", "where": [], "columns": ["n"], "rows": [], "until": "=="}
    client.send("transact", "db", wait)
    found = figures(server)
    assert found["ovsdb_sessions",] == 1
    assert found["ovsdb_commits_total", "db"] == 3
    assert found["ovsdb_transaction_seconds_count", "db"] == 4
    assert found["ovsdb_transaction_seconds_bucket", "db", "+Inf"] == 4
    assert found["ovsdb_monitors", "db"] == 1
    assert found["ovsdb_waiting_transactions", "db"] == 1
    assert found["ovsdb_rows", "db", "T"] == 3
    assert found["ovsdb_history_rows", "db"] == 3
    client.session.close()
    assert figures(server)["ovsdb_sessions",] == 0


async def exchange(port: int, data: bytes) -> tuple[int, bytes]:
    """The status and the body of an answer."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        await stream.send_all(data)
        http = h11.Connection(h11.CLIENT)
        method = "HEAD" if data.startswith(b"HEAD ") else "GET"  # of the first no body is expected
        http.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        http.send(h11.EndOfMessage())
        status, body = 0, b""
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await stream.receive_some(4096))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                return status, body


REQUESTS = [
    (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", (200, b"figures")),
    (b"GET /metrics?x=1 HTTP/1.0\r\n\r\n", (200, b"figures")),
    (b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n", (200, b"")),
    (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", (404, b"see /metrics\n")),
    (b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", (405, b"GET only\n")),
    (b"\x16\x03\x01\x00\xa5\x01\x00\r\n\r\n", (400, b"bad request\n")),
]


def test_only_get_of_metrics_is_answered() -> None:
    async def check() -> None:
        listening = listen(TcpListenAddress(0, "127.0.0.1"))
        assert isinstance(listening.bound, TcpListenAddress)
        port = listening.bound.port
        async with trio.open_nursery() as nursery:
            nursery.start_soon(metrics_http.serve, listening, metrics.CONTENT_TYPE, lambda: b"figures")
            for request, expected in REQUESTS:
                assert await exchange(port, request) == expected
            # Headers without end are not read without end.
            endless = await trio.open_tcp_stream("127.0.0.1", port)
            with contextlib.suppress(trio.BrokenResourceError):
                await endless.send_all(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 10_000_000)
                while await endless.receive_some(4096):
                    pass
            await endless.aclose()
            # Those who connect and say nothing use places up, but do not keep others out for ever.
            silent = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(metrics_http.CONNECTIONS)]
            for stream in silent[:1]:
                await stream.aclose()
            assert (await exchange(port, REQUESTS[0][0]))[0] == 200
            for stream in silent:
                await stream.aclose()
            nursery.cancel_scope.cancel()

    trio.run(check)


def test_classes_are_cumulative() -> None:
    buckets = metrics._buckets([1] * (len(BOUNDS) + 1))
    assert buckets[0] == ("0.0001", 1.0)
    assert buckets[-1] == ("+Inf", len(BOUNDS) + 1)


@pytest.mark.parametrize("seconds", [0.00001, 0.003, 100.0])
def test_a_transaction_is_in_one_class(hub: Hub, seconds: float) -> None:
    counted = hub.add_database(MemoryStorage(SCHEMA)).figures
    counted.answered(seconds)
    assert sum(counted.classes) == 1
    assert counted.seconds == seconds
