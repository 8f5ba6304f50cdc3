"""Random sessions of several clients with a server: what they ask for, one step after the other.

Rule: a step is made from what the clients have open, which does not depend on the server: the same script runs on
several. What is known to bring the C server down is not asked for (docs/compatibility.md): `monitor` without its
requests, conditions on columns that are not monitored, among them `_uuid` where not all monitors that show the same
columns have one, and `monitor_cond_change` without a "where".
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass, field
from typing import Any

from ovsdb.schema import ColumnSchema, Schema, TableSchema
from tests.kit.strategies import POOL_SIZE, Maker, pool_uuid

UNKNOWN_ID = "01234567-89ab-4cde-8f01-23456789abcd"
METHODS = ("monitor", "monitor_cond", "monitor_cond_since")
LOCKS = ("mine", "yours")
MONITORS = 3  # of each client, at most
PARKED = 3  # transactions of each client


class FreshMaker(Maker):
    """Gives most rows a UUID that was not there before.

    The C server does not always survive that a row comes back which a monitor has seen go.
    """

    def __init__(self, r: random.Random) -> None:
        super().__init__(r)
        self._next = POOL_SIZE

    def number(self) -> int:
        """One of the last rows, or the next."""
        return self._next - self.r.randrange(POOL_SIZE)

    def new_number(self) -> int:
        """The next; now and then one that has been there."""
        if self.chance(4):
            return self.number()
        self._next += 1
        return self._next - 1


@dataclass
class Asked:
    """A monitor that a client has asked for, with the conditions of now."""

    method: str
    requests: dict[str, list[dict[str, Any]]]
    columns: dict[str, list[str]]  # by table, without `_version`
    exact: bool  # no `select`: the copy is the database


@dataclass(frozen=True)
class Step:
    """`kind`: send (a request or notification by `client`), reconnect (`client`), restart, compact."""

    kind: str
    client: int = 0
    message: dict[str, Any] = field(default_factory=dict)
    monitor: Asked | None = None  # what a successful reply to the request opens


@dataclass
class ClientState:
    """What the script knows of one client, if all that is well-formed succeeds."""

    monitors: dict[str, Asked] = field(default_factory=dict)  # by id
    locks: set[str] = field(default_factory=set)
    parked: list[int] = field(default_factory=list)  # ids of transactions that may be waiting


class Script:
    """Draws steps from `maker`, for one schema."""

    def __init__(self, maker: FreshMaker, schema: Schema, clients: int) -> None:
        self.maker = maker
        self.schema = schema
        self.by_uuid = maker.chance(40)  # every monitor has a condition on `_uuid`
        self.clients = [ClientState() for _ in range(clients)]
        self._numbers = 0

    def next(self) -> Step:
        """Draw a step."""
        r = self.maker.r
        kinds = (
            ("transact",) * 40
            + ("monitor",) * 12
            + ("change",) * 16
            + ("wait",) * 5
            + ("cancel",) * 2
            + ("lock",) * 6
            + ("monitor_cancel",) * 3
            + ("broken",) * 8
            + ("reconnect",) * 5
            + ("other",) * 2
            + ("compact",)
        )
        client = r.randrange(len(self.clients))
        return getattr(self, "_" + r.choice(kinds))(client)  # type: ignore[no-any-return]

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _request(self, client: int, method: str, params: list[Any], monitor: Asked | None = None) -> Step:
        message = {"id": self._number(), "method": method, "params": params}
        return Step("send", client, message, monitor)

    # --- transactions

    def _transact(self, client: int) -> Step:
        operations = self.maker.transaction(self.schema, 8)
        return self._request(client, "transact", [self.schema.name, *operations])

    def _wait(self, client: int) -> Step:
        """A transaction that waits until somebody else has done something, or for nothing at all."""
        state = self.clients[client]
        if len(state.parked) >= PARKED:
            return self._cancel(client)
        maker = self.maker
        number = maker.r.randrange(len(self.schema.tables))
        table = list(self.schema.tables.values())[number]
        column = maker.r.choice(list(table.columns.values()))
        wait = {
            "op": "wait",
            "table": table.name,
            "where": [["_uuid", "==", ["uuid", pool_uuid(number, maker.number())]]],
            "columns": [column.name],
            "rows": [] if maker.chance(50) else [{column.name: maker.datum(column.type, self.schema)}],
            "until": maker.r.choice(("==", "!=")),
        }
        step = self._request(client, "transact", [self.schema.name, wait, maker.operation(self.schema)])
        for op in step.message["params"][1:]:
            if op["op"] == "wait" and op is not wait:
                op["timeout"] = 0
        state.parked.append(step.message["id"])
        return step

    def _cancel(self, client: int) -> Step:
        state = self.clients[client]
        if not state.parked:
            return self._wait(client)
        id_ = state.parked.pop(self.maker.r.randrange(len(state.parked)))
        return Step("send", client, {"id": None, "method": "cancel", "params": [id_]})

    # --- monitors

    def _monitor(self, client: int) -> Step:
        state, r = self.clients[client], self.maker.r
        if len(state.monitors) >= MONITORS:
            return self._change(client)
        method = r.choice(METHODS[1:] if self.by_uuid else METHODS)
        key = f"m{self._number()}"
        asked = self._asked(method)
        state.monitors[key] = asked
        params: list[Any] = [self.schema.name, key, copy.deepcopy(asked.requests)]
        if method == "monitor_cond_since":
            params.append(UNKNOWN_ID)
        return self._request(client, method, params, asked)

    def _asked(self, method: str) -> Asked:
        r, maker = self.maker.r, self.maker
        requests: dict[str, list[dict[str, Any]]] = {}
        columns: dict[str, list[str]] = {}
        exact = True
        names = list(self.schema.tables)
        for name in r.sample(names, r.randint(1, len(names))):
            table = self.schema.tables[name]
            chosen = r.sample(list(table.columns), r.randint(0, len(table.columns)))
            request: dict[str, Any] = {"columns": chosen}
            if maker.chance(20):
                chosen = list(table.columns)
                request = {}
            wanted = [table.columns[c] for c in chosen]
            if self.by_uuid or (method != "monitor" and maker.chance(60)):
                request["where"] = self.condition(table, wanted)
                if self.by_uuid:
                    request["where"].append(self._uuid_clause(table))
            if maker.chance(8):
                exact = False
                request["select"] = {
                    kind: maker.chance(60) for kind in ("initial", "insert", "modify", "delete")
                }
            parts = [request]
            if len(chosen) > 1 and "columns" in request and "select" not in request and maker.chance(40):
                parts = [{**request, "columns": chosen[:1]}, {**request, "columns": chosen[1:]}]
            requests[name] = parts
            columns[name] = chosen
        return Asked(method, requests, columns, exact)

    def condition(self, table: TableSchema, by: list[ColumnSchema]) -> list[Any]:
        """The `where` of a monitor: a row is seen if any part holds."""
        r, maker = self.maker.r, self.maker
        parts: list[Any] = []
        for _ in range(r.choice((0, 1, 1, 1, 2, 3))):
            kind = r.randrange(10)
            if kind == 0 or (kind > 2 and not by):
                # Once: the C server takes true and two times false for false.
                parts += [b for b in (r.choice((True, False)),) if b not in parts]
            elif kind <= 2 and self.by_uuid:
                parts.append(self._uuid_clause(table))
            elif by:
                column = r.choice(by)
                one = TableSchema(table.name, {column.name: column}, True, None, ())
                clauses = maker.where(one, self.schema)
                parts += clauses[:1]
        return parts

    def _uuid_clause(self, table: TableSchema) -> list[Any]:
        number = list(self.schema.tables).index(table.name)
        uuid = ["uuid", pool_uuid(number, self.maker.number())]
        return ["_uuid", self.maker.r.choice(("==", "==", "==", "!=")), uuid]

    def _change(self, client: int) -> Step:
        state, r = self.clients[client], self.maker.r
        conditional = [key for key, asked in state.monitors.items() if asked.method != "monitor"]
        if not conditional:
            return self._transact(client) if state.monitors else self._monitor(client)
        key = r.choice(conditional)
        asked = state.monitors.pop(key)
        new_key = key if self.maker.chance(70) else f"m{self._number()}"
        state.monitors[new_key] = asked
        changes = {}
        for name in r.sample(list(asked.columns), r.randint(1, len(asked.columns))):
            table = self.schema.tables[name]
            where = self.condition(table, [table.columns[c] for c in asked.columns[name]])
            changes[name] = [{"where": where}]
            for request in asked.requests[name]:
                request["where"] = where
        return self._request(client, "monitor_cond_change", [key, new_key, copy.deepcopy(changes)])

    def _monitor_cancel(self, client: int) -> Step:
        state = self.clients[client]
        if not state.monitors:
            return self._monitor(client)
        key = self.maker.r.choice(list(state.monitors))
        del state.monitors[key]
        return self._request(client, "monitor_cancel", [key])

    # --- locks, and the rest

    def _lock(self, client: int) -> Step:
        state, r = self.clients[client], self.maker.r
        name = r.choice(LOCKS)
        if name in state.locks and self.maker.chance(90):
            state.locks.discard(name)
            return self._request(client, "unlock", [name])
        state.locks.add(name)
        return self._request(client, r.choice(("lock", "lock", "steal")), [name])

    def _other(self, client: int) -> Step:
        method = self.maker.r.choice(("get_schema", "echo", "no_such_method"))
        return self._request(client, method, [self.schema.name])

    def _broken(self, client: int) -> Step:
        """A request with something wrong; none of them changes anything."""
        r, state = self.maker.r, self.clients[client]
        name = self.schema.name
        table, columns = r.choice([(n, list(t.columns)) for n, t in self.schema.tables.items()])
        key = r.choice([*state.monitors, "nothing"])
        wrong: list[tuple[str, list[Any]]] = [
            ("transact", []),
            ("transact", [7]),
            ("transact", ["nowhere"]),
            ("transact", [name, 7]),
            ("transact", [name, {}]),
            ("transact", [name, {"op": "no such"}]),
            ("transact", [name, {"op": "nosuch"}]),
            ("transact", [name, {"op": "select", "table": "Nowhere", "where": []}]),
            ("transact", [name, {"op": "select", "table": table, "where": [], "columns": ["nothing"]}]),
            ("transact", [name, {"op": "select", "table": table, "where": [["nothing", "==", 1]]}]),
            ("transact", [name, {"op": "select", "table": table, "where": [["_uuid", "=", 1]]}]),
            ("transact", [name, {"op": "delete", "table": table, "where": [["_uuid", "<", ["uuid", UNKNOWN_ID]]]}]),
            ("transact", [name, {"op": "insert", "table": table, "row": {}, "uuid": "nope"}]),
            ("transact", [name, {"op": "insert", "table": table, "row": {"_uuid": ["uuid", UNKNOWN_ID]}, "uuid": 7}]),
            ("transact", [name, {"op": "assert", "lock": "not an id"}]),
            ("monitor", ["nowhere", "x", {table: [{}]}]),
            ("monitor", [name, "x", 7]),
            ("monitor", [name, "x", {"Nowhere": [{}]}]),
            ("monitor", [name, "x", {table: [7]}]),
            ("monitor", [name, "x", {table: [{"columns": 7}]}]),
            ("monitor", [name, "x", {table: [{"columns": [7]}]}]),
            ("monitor", [name, "x", {table: [{"columns": ["nothing"]}]}]),
            ("monitor", [name, "x", {table: [{"columns": [columns[0], columns[0]]}]}]),
            ("monitor", [name, "x", {table: [{"columns": columns[:1], "where": []}]}]),
            ("monitor", [name, "x", {table: [{"columns": [], "select": {"insert": 1}}]}]),
            ("monitor", [name, "x", {table: [{"columns": [], "select": {"remove": True}}]}]),
            ("monitor_cond", [name, "x", {table: [{"columns": [], "where": 7}]}]),
            ("monitor_cond", [name, "x", {table: [{"columns": [], "where": [7]}]}]),
            ("monitor_cond", [name, "x", {table: [{"columns": [], "where": [["nothing", "==", 1]]}]}]),
            ("monitor_cond", [name, "x", {table: [{"columns": [], "where": [["_uuid", "<", ["uuid", UNKNOWN_ID]]]}]}]),
            ("monitor_cond_since", [name, "x", {table: [{}]}]),
            ("monitor_cond_since", [name, "x", {table: [{}]}, 7]),
            ("monitor_cond_since", [name, "x", {table: [{}]}, "seven"]),
            ("monitor_cond_change", [key]),
            ("monitor_cond_change", ["nothing", "nothing", {}]),
            ("monitor_cond_change", [key, key, 7]),
            ("monitor_cond_change", [key, key, {"Nowhere": []}]),
            ("monitor_cancel", []),
            ("monitor_cancel", ["nothing"]),
            ("lock", []),
            ("lock", ["not an id"]),
            ("unlock", ["nobodys"]),
            ("steal", [7]),
            ("get_schema", ["nowhere"]),
            ("get_schema", []),
            ("set_db_change_aware", [7]),
            ("set_db_change_aware", []),
        ]  # fmt: skip
        if state.monitors:
            wrong.append(("monitor", [name, r.choice(list(state.monitors)), {table: [{}]}]))
        method, params = r.choice(wrong)
        return self._request(client, method, params)

    def _reconnect(self, client: int) -> Step:
        self._gone(client)
        return Step("reconnect", client)

    def _gone(self, client: int) -> None:
        state = self.clients[client]
        state.locks.clear()
        state.parked.clear()

    def restart(self) -> Step:
        """The server ends and comes back; every client connects again."""
        for client in range(len(self.clients)):
            self._gone(client)
        return Step("restart")

    def _compact(self, client: int) -> Step:
        return Step("compact")
