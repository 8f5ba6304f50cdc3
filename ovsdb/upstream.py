"""The connection to the server that is followed: made, watched, and made again.

Rule: a thin shell under trio; what is said over it is decided by `ovsdb.follower`, when to try again by
`rpc.reconnect`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol

import trio

from appctl import vlog
from ovsdb.follower import FAILURES, Follower, SelfError
from rpc.address import AddressError, parse_active
from rpc.errors import ConnectError, ConnectionLost
from rpc.reconnect import Action, Event, Reconnect, Timing
from rpc.trio_io import MessageStream, connect

if TYPE_CHECKING:
    from rpc.tls import Tls

log = vlog.module("reconnect")
log_follow = vlog.module("ovsdb_cs")


class Link(Protocol):
    """What is to be kept connected."""

    follower: Follower
    sources: str  # connection methods, with commas between them
    timing: Timing

    def disconnected(self, error: Exception) -> None:
        """The connection is gone, or could not be made."""
        ...


async def keep_connected(link: Link, settle: Callable[[], None], tls: Callable[[], Tls | None]) -> None:
    """Follow until cancelled, or until it turns out that the server is this very one.

    `settle` sends what clients have to hear.
    """
    machine = Reconnect(trio.current_time(), link.timing)
    machine.handle(Event.ENABLE, trio.current_time())
    targets = deque(link.sources.split(","))
    while True:
        deadline = machine.deadline()
        await trio.sleep_until(math.inf if deadline is None else deadline)
        machine.handle(Event.CONNECT, trio.current_time())
        stream = await _connect_any(targets, machine, tls())
        if stream is None:
            link.disconnected(ConnectionLost("no server is there"))
        else:
            machine.handle(Event.CONNECTED, trio.current_time())
            error = await _follow(link, stream, machine, settle)
            log.warn("%s: connection dropped (%s)", targets[-1], error)
            if isinstance(error, SelfError):
                return
        machine.handle(Event.DISCONNECTED, trio.current_time())
        settle()


async def _connect_any(targets: deque[str], machine: Reconnect, tls: Tls | None) -> MessageStream | None:
    """Try each once, beginning with the one after that which was tried last; that is then the last."""
    for target in list(targets):
        targets.rotate(-1)
        log.info("%s: connecting...", target)
        try:
            stream = await _connect(target, machine, tls)
        except ConnectError as e:
            log.info("%s: connection attempt failed (%s)", target, e.reason)
        else:
            log.info("%s: connected", target)
            return stream
    return None


async def _connect(target: str, machine: Reconnect, tls: Tls | None) -> MessageStream:
    try:
        address = parse_active(target)
    except AddressError as e:
        raise ConnectError(target, str(e)) from None
    with trio.move_on_after(max(1.0, machine.backoff)):
        return MessageStream(await connect(address, tls))
    raise ConnectError(target, "Connection timed out")


async def _follow(
    link: Link, stream: MessageStream, machine: Reconnect, settle: Callable[[], None]
) -> Exception:
    """Use one connection to its end; why it ended."""
    follower = link.follower
    wake = trio.Event()
    error: Exception = ConnectionLost("closed")

    def awake() -> None:
        wake.set()

    async def read() -> None:
        while True:
            message = await stream.receive()
            machine.handle(Event.ACTIVITY, trio.current_time())
            follower.receive(message)
            awake()
            settle()

    async def write() -> None:
        nonlocal wake
        while True:
            while follower.outgoing:
                data, follower.outgoing = b"".join(follower.outgoing), []
                await stream.send(data)
            await wake.wait()
            wake = trio.Event()

    async def run(task: Callable[[], object]) -> None:
        nonlocal error
        try:
            await task()  # type: ignore[misc]
        except (ConnectionLost, *FAILURES) as e:
            error = e
            nursery.cancel_scope.cancel()
        except Exception as e:  # a bug must not end the server, which has others to serve
            log.exception("%s: internal error, giving up the connection", follower.database)
            error = e
            nursery.cancel_scope.cancel()

    follower.wake = awake
    follower.connected()
    try:
        async with trio.open_nursery() as nursery:
            for task in (read, write, partial(_probe, follower, machine)):
                nursery.start_soon(run, task)
    finally:
        follower.wake = lambda: None
        link.disconnected(error)
        with trio.CancelScope() as scope:
            scope.cancel()
            await stream.aclose()
    return error


async def _probe(follower: Follower, machine: Reconnect) -> None:
    """Ask a silent server for a sign of life; ConnectionLost when it gives none."""
    while (deadline := machine.deadline()) is not None:
        await trio.sleep_until(deadline)
        action = machine.run(trio.current_time())
        if action is Action.PROBE:
            follower.probe()
            follower.wake()
            machine.handle(Event.PROBE, trio.current_time())
        elif action is Action.DISCONNECT:
            seconds = machine.timing.probe_interval
            raise ConnectionLost(f"no response to inactivity probe after {seconds:g} seconds")
    await trio.sleep_forever()
