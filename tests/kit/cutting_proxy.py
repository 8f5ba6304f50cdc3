"""A proxy between a client and a server that cuts connections, when told or after so many bytes.

async with cutting_proxy(server.home.socket, path, budgets) as proxy:
    ... connect(f"unix:{path}") ...
    proxy.cut()
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
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
        self.connections = 0

    def cut(self) -> None:
        """End every connection now."""
        for scope in self._scopes:
            scope.cancel()

    async def serve(self, client: trio.SocketStream) -> None:
        budget = next(self._budgets, None)
        self.connections += 1
        server = await trio.open_unix_socket(str(self._target))
        async with client, server:
            with trio.CancelScope() as scope:
                self._scopes.add(scope)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._copy, client, server, None, scope)
                    nursery.start_soon(self._copy, server, client, budget, scope)
            self._scopes.discard(scope)

    async def _copy(
        self, source: trio.SocketStream, sink: trio.SocketStream, budget: int | None, scope: trio.CancelScope
    ) -> None:
        try:
            async for data in source:
                if budget is not None and len(data) >= budget:
                    await sink.send_all(data[:budget])
                    break
                budget = None if budget is None else budget - len(data)
                await sink.send_all(data)
        except trio.BrokenResourceError:
            pass
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
