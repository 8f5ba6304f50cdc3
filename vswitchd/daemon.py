"""The trio shell: waits for the database, for devices and for packets, and lets the reconciler act.

Rule: tasks meet in one Event ("something is different"), whose cause is forgotten; only the reconciling task
calls reconcile(). Work on datapaths is synchronous and short, so that packets wait for nothing long.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from importlib import import_module

import trio

from appctl import vlog
from appctl.version import OVS_COMPAT_VERSION
from datapath.provider import Datapath, DatapathError, Provider
from ovsdb.client.replica import Change
from ovsdb.client.transaction import Transaction, TransactionError, by_uuid, check_results, format_row
from ovsdb.client.trio_client import Database, Lock
from rpc.errors import ConnectionLost, RemoteError
from vswitchd import rows
from vswitchd.config.qos import wants_qos
from vswitchd.linkwatch import LinkWatch
from vswitchd.plan import DATAPATH_NAMES
from vswitchd.reconciler import Reconciler
from vswitchd.status.describe import Agreed, changes
from vswitchd.status.observation import Writes, error_text
from vswitchd.status.switch import system_columns
from vswitchd.system_statistics import gather
from vswitchd.upcall import handle_upcalls

_TC_CODEC = "datapath.tc.codec"
LOCK = "ovs_vswitchd"  # the C daemon takes the same, so that two never drive one switch
PAUSE = 1.0  # seconds until a datapath is looked at again that could not be
REVALIDATE_EVERY = 0.5  # seconds, or REVALIDATE_SHARE of the time where a pass takes longer
REVALIDATE_SHARE = 0.2
LOCK_PATIENCE = 1.0  # seconds after which another daemon has the lock, and not just the server the request
LINK_SETTLING = 0.02  # seconds in which several reports of changed devices are taken together
UPCALL_PAUSE = 0.1  # seconds until packets are looked at again that could not be decided
BATCH = 64  # upcalls decided between two looks at the rest of the program
log = vlog.module("bridge")


class Daemon:
    """The tasks of ovs-vswitchd."""

    def __init__(self, providers: Mapping[str, Provider], db: Database, lock: Lock) -> None:
        self._watch = LinkWatch()
        self.reconciler = Reconciler(providers, self._watch)
        self.stopping = trio.Event()
        self.cleanup = False  # remove the datapaths at the end
        self._db = db
        self._lock = lock
        self._dirty = trio.Event()
        self._bonds_changed = trio.Event()  # links, or what the bonds are
        self._status_changed = trio.Event()
        self.reconciler.tell_changed = lambda: self._status_changed.set()
        self._agreed: Agreed = {}
        self._wants_qos = False  # has been asked for at some time
        self._listeners: dict[str, tuple[Datapath, trio.CancelScope]] = {}

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until `stopping` is set. `ready` is called when the configuration was applied once."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow_database)
            nursery.start_soon(self._report_other_daemon)
            nursery.start_soon(self._follow_links)
            nursery.start_soon(self._run_bonds)
            nursery.start_soon(self._revalidate)
            nursery.start_soon(self._write_statistics)
            nursery.start_soon(self._write_status)
            nursery.start_soon(self._reconcile, nursery, ready)
            await self.stopping.wait()
            nursery.cancel_scope.cancel()

    def close(self) -> None:
        """Let go of the datapaths, or remove them after `exit --cleanup`."""
        try:
            self.reconciler.datapaths.close(delete=self.cleanup)
        except DatapathError as error:
            log.err("%s", error_text(error))
        self.reconciler.qos.close()
        self._watch.close()

    async def _follow_database(self) -> None:
        served = False
        while True:
            found = await self._db.wait_changed()
            self._wants_qos = self._wants_qos or any(c.new and wants_qos(c.table, c.new) for c in found)
            if self._is_serving() and (not served or any(map(is_configuration, found))):
                self._dirty.set()
            served = self._is_serving()

    async def _report_other_daemon(self) -> None:
        """Tell the user why nothing happens where another process has the lock at the start."""
        await self._db.wait_connected()
        with trio.move_on_after(LOCK_PATIENCE) as waited:
            await self._lock.wait_held()
        if waited.cancelled_caught:
            others = "another ovs-vswitchd process is running, disabling this process (pid %d)"
            log.err(f"{others} until it goes away", os.getpid())

    def _is_serving(self) -> bool:
        return self._db.connected and self._lock.held

    async def _follow_links(self) -> None:
        """Wake the reconciler when a device changed; what it did itself, it has seen already."""
        while True:
            await trio.lowlevel.wait_readable(self._watch.fileno())
            try:
                names = self._watch.refresh()
                self.reconciler.follow_links(time.monotonic())  # a bond must not wait for what comes below
                self._bonds_changed.set()
                await trio.sleep(LINK_SETTLING)
                names |= self._watch.refresh()
            except DatapathError as error:
                log.warn("%s", error_text(error))
                self._dirty.set()
            else:
                if not self._names().isdisjoint(names) or self.reconciler.is_cured():
                    self._dirty.set()

    async def _run_bonds(self) -> None:
        """Let delays of bonds end in time."""
        while True:
            deadline = self.reconciler.bonds_deadline()
            patience = float("inf") if deadline is None else max(0.0, deadline - time.monotonic())
            with trio.move_on_after(patience):
                await self._bonds_changed.wait()
            self._bonds_changed = trio.Event()
            self.reconciler.run_bonds(time.monotonic())

    def _names(self) -> set[str]:
        return {i.name for bridge in self.reconciler.desired.bridges for i in bridge.interfaces()}

    async def _reconcile(self, nursery: trio.Nursery, ready: Callable[[], None]) -> None:
        is_ready = False
        while True:
            deadline = self.reconciler.retries.deadline() if self._is_serving() else None
            patience = float("inf") if deadline is None else max(0.0, deadline - time.monotonic())
            with trio.move_on_after(patience) as waited:
                await self._dirty.wait()
            if waited.cancelled_caught and not self.reconciler.retry(time.monotonic()):
                continue
            self._dirty = trio.Event()
            await self._load_traffic_control()
            if not self._is_serving():
                continue
            try:
                self.reconciler.reconcile(self._db.replica.tables, time.monotonic())
                self._listen(nursery)
                self._bonds_changed.set()
            except DatapathError as error:
                log.err("%s", error_text(error))
                await trio.sleep(PAUSE)
                self._dirty.set()
                continue
            await self._write(self.reconciler.writes(first=not is_ready))
            if not is_ready:
                is_ready = True
                ready()
                log.info("ovs-vswitchd (Open vSwitch) %s", OVS_COMPAT_VERSION)

    async def _load_traffic_control(self) -> None:
        """Load what the first QoS needs, 0.2 s, in a thread: packets and commands do not wait for it."""
        if self._wants_qos and _TC_CODEC not in sys.modules:
            await trio.to_thread.run_sync(import_module, _TC_CODEC)

    async def _write(self, writes: Writes) -> None:
        """Bring the database up to date. What fails is written after the next change or reconnection."""
        schema = self._db.replica.schema
        writes, self._agreed = changes(writes, self._db.replica.tables, self._agreed)
        if not writes or schema is None:
            return
        transaction = Transaction()
        transaction.require_lock(LOCK)
        for (table, uuid), columns in writes.items():
            transaction.update(table, by_uuid(uuid), format_row(schema.tables[table], columns))
        try:
            check_results(await self._db.transact(transaction.operations))
        except (ConnectionLost, RemoteError, TransactionError) as error:
            log.warn("could not update the database: %s", error)

    async def _write_status(self) -> None:
        """Write what changed by itself, such as a bond's active member, as soon as it did."""
        while True:
            await self._status_changed.wait()
            self._status_changed = trio.Event()
            if self._is_serving() and self.reconciler.desired.uuid:
                await self._write(self.reconciler.observation(refresh=False))

    async def _write_statistics(self) -> None:
        while True:
            await trio.sleep(self.reconciler.desired.stats_interval)
            if self._is_serving() and self.reconciler.desired.uuid:
                try:
                    writes = self.reconciler.observation(refresh=True)
                except DatapathError as error:
                    log.warn("%s", error_text(error))
                else:
                    await self._write(writes | system_columns(self.reconciler.desired, gather))
                    if self.reconciler.is_behind(time.monotonic()):
                        self._dirty.set()  # somebody else changed the datapath

    async def _revalidate(self) -> None:
        while True:
            started = time.monotonic()
            for type_ in [] if self.reconciler.tuning.paused else list(self.reconciler.forwardings):
                try:
                    self.reconciler.revalidate(type_, time.monotonic())
                except DatapathError as error:
                    log.warn("%s", error_text(error))
                await trio.lowlevel.checkpoint()
            took = time.monotonic() - started
            await trio.sleep(max(REVALIDATE_EVERY, took / REVALIDATE_SHARE))

    def _listen(self, nursery: trio.Nursery) -> None:
        """Take the upcalls of every datapath that is open, and of no other."""
        handles = self.reconciler.datapaths.handles
        for type_, (handle, scope) in list(self._listeners.items()):
            if handles.get(type_) is not handle:
                scope.cancel()
                del self._listeners[type_]
        for type_, handle in handles.items():
            if type_ not in self._listeners:
                scope = trio.CancelScope()
                self._listeners[type_] = handle, scope
                for descriptor in handle.listen():
                    nursery.start_soon(self._serve_upcalls, type_, handle, descriptor, scope)

    async def _serve_upcalls(
        self, type_: str, handle: Datapath, descriptor: int, scope: trio.CancelScope
    ) -> None:
        # A datapath that is closed closes its descriptor; what trio waits for must be open until it lets go.
        watched = os.dup(descriptor)
        try:
            with scope:
                while True:
                    await trio.lowlevel.wait_readable(watched)
                    if not self._serve_batch(type_, handle, descriptor):
                        await trio.sleep(UPCALL_PAUSE)
        finally:
            os.close(watched)

    def _serve_batch(self, type_: str, handle: Datapath, descriptor: int) -> bool:
        """Decide some packets; false where that is not possible now."""
        forwarding = self.reconciler.forwardings.get(type_)
        if forwarding is None or self.reconciler.datapaths.handles.get(type_) is not handle:
            return False
        try:
            upcalls = handle.upcalls(descriptor, BATCH)
        except DatapathError as error:
            log.err("%s: %s", DATAPATH_NAMES[type_], error_text(error))
            return False
        if upcalls:
            self.reconciler.run(type_, handle_upcalls(forwarding, upcalls, time.monotonic()))
        return True


def is_configuration(change: Change) -> bool:
    """Tell whether a change of a row may change what the switch shall be; our own writes do not."""
    if change.old is None or change.new is None:
        return True
    return any(change.old.get(c) != change.new.get(c) for c in rows.CONFIGURATION.get(change.table, ()))
