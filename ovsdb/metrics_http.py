"""`GET /metrics` over HTTP/1.1, and nothing else.

Rule: a shell around h11 that cannot hurt the server: few connections at once, each with a deadline, one
request each.
"""

from __future__ import annotations

from collections.abc import Callable

import h11
import trio

from appctl import vlog
from rpc.address import TcpListenAddress
from rpc.trio_io import Listening

CONNECTIONS = 16  # at once; further ones wait to be accepted
SECONDS = 10.0  # for a connection, from the first byte to the last
HEADER_BYTES = 16 << 10
RETRY_SECONDS = 1.0  # until it is tried again to accept where no descriptor was left
log = vlog.module("ovsdb_metrics")


async def serve(listening: Listening, content_type: str, make_body: Callable[[], bytes]) -> None:
    """Serve until cancelled; `make_body` makes what is answered to GET /metrics."""
    assert isinstance(listening.bound, TcpListenAddress)
    log.info("metrics on port %d", listening.bound.port)
    free = trio.Semaphore(CONNECTIONS)

    async def serve_one(stream: trio.SocketStream) -> None:
        try:
            with trio.move_on_after(SECONDS):
                await _answer(stream, content_type, make_body)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError, h11.ProtocolError):
            pass  # it has gone, or does not speak HTTP: nobody is to be told
        finally:
            await trio.aclose_forcefully(stream)
            free.release()

    try:
        async with trio.open_nursery() as nursery:
            while True:
                await free.acquire()
                try:
                    stream = await listening.listener.accept()
                except OSError as e:
                    free.release()
                    log.warn("metrics: accept failed: %s", e.strerror or e)
                    await trio.sleep(RETRY_SECONDS)
                else:
                    nursery.start_soon(serve_one, stream)
    finally:
        listening.close()


async def _answer(stream: trio.SocketStream, content_type: str, make_body: Callable[[], bytes]) -> None:
    http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEADER_BYTES)
    request: h11.Request | None = None
    try:
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await stream.receive_some(HEADER_BYTES))
            elif isinstance(event, h11.Request):
                request = event
                break  # a body is of no interest
            else:
                return
    except h11.RemoteProtocolError as e:
        await _send(stream, http, e.error_status_hint, "text/plain", b"bad request\n")
        return
    is_head = request.method == b"HEAD"
    path = request.target.partition(b"?")[0]
    if path != b"/metrics":
        await _send(stream, http, 404, "text/plain", b"see /metrics\n", is_head=is_head)
    elif request.method not in (b"GET", b"HEAD"):
        await _send(stream, http, 405, "text/plain", b"GET only\n")
    else:
        await _send(stream, http, 200, content_type, make_body(), is_head=is_head)


async def _send(
    stream: trio.SocketStream,
    http: h11.Connection,
    status: int,
    content_type: str,
    body: bytes,
    *,
    is_head: bool = False,
) -> None:
    headers = [("Content-Type", content_type), ("Content-Length", str(len(body))), ("Connection", "close")]
    data = http.send(h11.Response(status_code=status, headers=headers)) or b""
    if not is_head:  # which is told how long it would be
        data += http.send(h11.Data(data=body)) or b""
    data += http.send(h11.EndOfMessage()) or b""
    await stream.send_all(data)
