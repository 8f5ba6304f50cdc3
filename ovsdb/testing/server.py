"""A server for one test: a database in memory, served on a Unix domain socket by a thread of this process.

Rule: whatever a test leaves behind, `close` ends: the thread, the socket, its directory. The test's thread
and the server's meet through trio's token only.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import orjson
import trio

from ovsdb.hub import Hub
from ovsdb.schema import Schema
from ovsdb.server import Server
from ovsdb.session import ProtocolError, Session
from ovsdb.storage import record
from ovsdb.storage.base import JsonObject, StoredRecord
from ovsdb.storage.memory import MemoryStorage
from ovsdb.testing.faults import Fault, Faults, FaultySession
from schemas.files import read_json, read_text

SchemaSource = str | PathLike[str] | Mapping[str, Any]
Data = Mapping[str, Sequence[Mapping[str, Any]]]
T = TypeVar("T")
STOP_SECONDS = 30.0
SHIPPED = {"Open_vSwitch": "vswitch.ovsschema"}


class TransactionFailed(AssertionError):
    """A transaction that the test itself made; `results` as RFC 7047, 4.1.3, has them."""

    def __init__(self, results: Any) -> None:
        super().__init__(f"the transaction failed: {results}")
        self.results = results


class _KeptStorage(MemoryStorage):
    """A log in memory that begins with what another one held."""

    def __init__(self, schema: JsonObject, bodies: Sequence[bytes] = ()) -> None:
        super().__init__(schema)
        self._kept = list(bodies)

    def load(self) -> Iterator[StoredRecord]:
        """What was kept."""
        for body in self._kept:
            self.bodies.append(body)
            self.head = record.next_id(self.head, record.format_record(body)[1])
            yield StoredRecord(self.head, orjson.loads(body))


class OvsdbServer:
    """A running server; a context manager that ends it.

    `schema` is the name of one that is shipped ("Open_vSwitch"), the path of a file, or the schema itself.
    `data` are rows to begin with: table → rows, as RFC 7047 writes them.
    """

    def __init__(self, schema: SchemaSource = "Open_vSwitch", data: Data | None = None) -> None:
        self._storage = _KeptStorage(_read_schema(schema))
        self.database = Schema.parse(self._storage.schema).name
        self._faults = Faults()
        self._directory = Path(
            tempfile.mkdtemp(prefix="ovsdb-", dir="/tmp")
        )  # short: a socket's path has 107 bytes
        self.socket = self._directory / "db.sock"
        self.remote = f"unix:{self.socket}"
        try:
            self._start()
            if data:
                rows = [(table, row) for table, rows in data.items() for row in rows]
                self.transact(*({"op": "insert", "table": table, "row": dict(row)} for table, row in rows))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- its life

    def _start(self) -> None:
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._thread = threading.Thread(target=self._run, name="ovsdb-server", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            trio.run(self._serve)
        except BaseException as e:
            self._failure = e
        finally:
            self._token = None
            self._ready.set()

    async def _serve(self) -> None:
        make_session = partial(FaultySession, self._faults)
        self._hub = Hub(Schema.parse(read_json("_server.ovsschema")), make_session=make_session)
        self._hub.add_database(self._storage)
        self._server = Server(self._hub, [f"punix:{self.socket}"])
        try:
            async with trio.open_nursery() as nursery:
                self._faults.later = lambda session, delay: nursery.start_soon(self._later, session, delay)
                nursery.start_soon(self._server.run)
                await trio.lowlevel.checkpoint()
                await trio.lowlevel.checkpoint()
                self._token = trio.lowlevel.current_trio_token()
                self._ready.set()
                await self._server.stopping.wait()
                nursery.cancel_scope.cancel()
        finally:
            self._hub.close()

    async def _later(self, session: FaultySession, delay: float) -> None:
        await trio.sleep(delay)
        if session not in self._hub.sessions:
            return
        try:
            session.resume()
        except ProtocolError as e:
            session.disconnect(str(e))
        self._hub.mark(session)
        self._server.settle()

    def _stop(self) -> None:
        if self._token is not None:
            self._call(self._server.stopping.set)
        self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():
            raise RuntimeError(f"the server of {self.socket} did not end")

    def close(self) -> None:
        """End the server and remove its socket; more than once does no harm."""
        try:
            self._stop()
        finally:
            shutil.rmtree(self._directory, ignore_errors=True)

    def restart(self) -> None:
        """End the server and begin again with the same contents: clients have to reconnect."""
        self._stop()
        self._storage = _KeptStorage(self._storage.schema, self._storage.bodies)
        self._start()

    def _call(self, function: Callable[[], T]) -> T:
        """Run something in the server's thread."""
        token = self._token
        if token is None:
            raise RuntimeError("the server has ended") from self._failure
        return trio.from_thread.run_sync(function, trio_token=token)

    # --- its contents

    def transact(self, *operations: Mapping[str, Any]) -> list[Any]:
        """Run a transaction past all faults: the results. TransactionFailed if one is an error."""
        results: list[Any] = self._call(lambda: self._transact(list(map(dict, operations))))
        if any(result and "error" in result for result in results):
            raise TransactionFailed(results)
        return results

    def _transact(self, operations: list[dict[str, Any]]) -> Any:
        session = Session(self._hub, "test", self._hub.now)
        try:
            session.handle({"id": 0, "method": "transact", "params": [self.database, *operations]})
            answer = session.take_output()
            if not answer:
                raise TransactionFailed("it waits")
            reply = orjson.loads(answer)
            if reply["error"] is not None:
                raise TransactionFailed(reply["error"])
            return reply["result"]
        finally:
            session.close()
            self._server.settle()

    def rows(self, table: str) -> dict[str, dict[str, Any]]:
        """The rows of a table by UUID, as RFC 7047 writes them, without `_uuid` and `_version`."""
        [result] = self.transact({"op": "select", "table": table, "where": []})
        found = {}
        for row in result["rows"]:
            del row["_version"]
            found[row.pop("_uuid")[1]] = row
        return found

    # --- faults

    def delay(self, seconds: float) -> None:
        """From now on look at each request of a client so much later; 0: no more."""
        self._faults.delay = seconds

    def drop(self, method: str = "transact", times: int = 1) -> None:
        """Do not answer the next requests of this kind."""
        self._faults.planned.append(Fault(method, times))

    def error(self, error: object, method: str = "transact", times: int = 1) -> None:
        """Answer the next requests of this kind with an error and do nothing; a text stands for its tag."""
        wire = {"error": error, "details": "asked for by the test"} if isinstance(error, str) else error
        self._faults.planned.append(Fault(method, times, wire))

    def disconnect(self) -> None:
        """Close the connections of all clients; they may come back."""
        self._call(lambda: self._server.disconnect_all("asked for by the test"))


def _read_schema(source: SchemaSource) -> JsonObject:
    if isinstance(source, Mapping):
        return dict(source)
    shipped = SHIPPED.get(source) if isinstance(source, str) else None
    schema: JsonObject = json.loads(read_text(shipped) if shipped else Path(source).read_text("utf-8"))
    return schema
