"""The IDL of PyPI's `ovs`, the library of most programs that follow a database, on any server."""

from collections.abc import Callable
from typing import Any

import ovs.db.idl
import ovs.poller

from tests.kit import peers
from tests.kit.peers import C_SCHEMA, Daemon


class Follower:
    """The PyPI IDL, run until a condition holds."""

    def __init__(self, server: Daemon) -> None:
        helper = ovs.db.idl.SchemaHelper(str(C_SCHEMA))
        helper.register_columns("Open_vSwitch", ["bridges", "external_ids", "next_cfg"])
        helper.register_columns("Bridge", ["name", "ports"])
        self.idl = ovs.db.idl.Idl(server.remote, helper)

    def until(self, condition: Callable[[], Any], what: str) -> None:
        def turn() -> bool:
            self.idl.run()
            if condition():
                return True
            poller = ovs.poller.Poller()
            self.idl.wait(poller)
            poller.timer_wait(100)
            poller.block()
            return False

        peers.wait_until(turn, what)

    def rows(self, table: str) -> list[Any]:
        return list(self.idl.tables[table].rows.values())

    def commit(self, change: Callable[[Any], None]) -> str:
        transaction = ovs.db.idl.Transaction(self.idl)
        change(transaction)
        status = str(transaction.commit_block())
        assert status in (transaction.SUCCESS, transaction.UNCHANGED), transaction.get_error()
        return status
