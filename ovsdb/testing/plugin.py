"""The pytest plugin: the fixture `ovsdb_server` (docs/pytest-plugin.md).

Rule: pytest loads this in every run, so nothing else is imported before a test asks for a server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ovsdb.testing.server import Data, OvsdbServer, SchemaSource

    MakeServer = Callable[..., OvsdbServer]


@pytest.fixture
def ovsdb_server() -> Iterator[MakeServer]:
    """Make servers, each with a database of its own: `ovsdb_server(schema="Open_vSwitch", data=None)`.

    They end with the test, whoever is still connected.
    """
    from ovsdb.testing.server import OvsdbServer

    with ExitStack() as servers:

        def make(schema: SchemaSource = "Open_vSwitch", data: Data | None = None) -> OvsdbServer:
            return servers.enter_context(OvsdbServer(schema, data))

        yield make
