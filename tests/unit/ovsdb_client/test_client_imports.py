"""What the client's package loads: nothing before it is asked for."""

import subprocess
import sys

import ovsdb.client


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_only_the_trio_client_loads_trio() -> None:
    for statement in (
        "import ovsdb.client.blocking",
        "import ovsdb.client.sync",
        "from ovsdb.client import Select, Conflict, TlsSettings",
    ):
        assert not loaded_after(statement) & {"trio", "jsonschema", "asyncio"}, statement


def test_every_name_that_is_offered_can_be_had() -> None:
    assert sorted(ovsdb.client._HOME) == sorted(ovsdb.client.__all__)
    for name in ovsdb.client.__all__:
        assert getattr(ovsdb.client, name).__name__ == name
