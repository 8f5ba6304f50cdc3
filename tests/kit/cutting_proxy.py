"""A proxy between a client and a server that cuts connections, when told or after so many bytes.

async with cutting_proxy(server.home.socket, path, budgets) as proxy:
    ... connect(f"unix:{path}") ...
    proxy.cut()
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio

from rpc.address import UnixAddress
from rpc.trio_io import listen

CHUNK = 1 << 16


class Proxy:
    """Connections are cut when as many bytes have come from the server as the next of `budgets` says."""

    def __init__(self, target: Path, budgets: Iterator[int]) -> None:
        self._target = target
        self._budgets = budgets
        self._scopes: set[trio.CancelScope] = set()
        self._left: int | None = None  # bytes until the connection that speaks next is cut

    def cut_after(self, size: int) -> None:
        """End the connection when this many bytes more have come from the server."""
        self._left = size

    def cut(self) -> None:
        """End every connection now."""
        for scope in self._scopes:
            scope.cancel()

    async def serve(self, client: trio.SocketStream) -> None:
        budget = next(self._budgets, None)
        server = await trio.open_unix_socket(str(self._target))
        async with client, server:
            with trio.CancelScope() as scope:
                self._scopes.add(scope)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._forward, client, server, scope)
                    nursery.start_soon(self._answer, server, client, budget, scope)
            self._scopes.discard(scope)

    async def _forward(
        self, client: trio.SocketStream, server: trio.SocketStream, scope: trio.CancelScope
    ) -> None:
        with suppress(trio.BrokenResourceError):
            async for data in client:
                await server.send_all(data)
        scope.cancel()

    async def _answer(
        self,
        server: trio.SocketStream,
        client: trio.SocketStream,
        budget: int | None,
        scope: trio.CancelScope,
    ) -> None:
        with suppress(trio.BrokenResourceError):
            async for data in server:
                if self._left is not None:
                    budget, self._left = self._left, None
                if budget is not None and len(data) >= budget:
                    await client.send_all(data[:budget])
                    break
                budget = None if budget is None else budget - len(data)
                await client.send_all(data)
        scope.cancel()


@asynccontextmanager
async def cutting_proxy(target: Path, path: Path, budgets: Iterator[int]) -> AsyncIterator[Proxy]:
    """Listen at `path` for connections to the server at `target`."""
    proxy = Proxy(target, budgets)
    listening = listen(UnixAddress(str(path), passive=True))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, proxy.serve, [listening.listener])
        yield proxy
        nursery.cancel_scope.cancel()
    listening.close()
