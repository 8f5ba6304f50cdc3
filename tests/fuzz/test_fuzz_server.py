"""Requests with something wrong in them, and damaged files, against a running server; `tests.fuzz.run` does it for long."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from ovsdb.schema import Schema
from tests.fuzz.attack import Attacker, damaged_files
from tests.kit import peers
from tests.kit.strategies import Maker

pytestmark = [pytest.mark.fuzz, pytest.mark.peer]
MESSAGES = 2_000
FILES = 300
GROWTH_KB = 60_000


def make_schema(seed: str) -> Schema:
    """A random schema named S0."""
    schema = Maker(random.Random(seed)).schema()
    return Schema("S0", schema.tables, schema.version)


def make_file(place: peers.Home, schema: Schema) -> Path:
    """An empty database."""
    source = place.path / "s.ovsschema"
    source.write_text(json.dumps(schema.to_json()))
    return peers.create_database(place, "s.db", source)


@pytest.mark.parametrize("seed", range(2))
def test_requests_with_something_wrong_harm_nobody(seed: int) -> None:
    schema = make_schema(f"requests {seed}")
    with peers.home() as place:
        path = make_file(place, schema)
        with peers.our_ovsdb_server(place, databases=[path]) as server:
            attacker = Attacker(server, schema, f"attack {seed}")
            attacker.attack(400)  # what is imported and cached at first is no growth
            before = server.resident_kb()
            attacker.attack(MESSAGES)
            attacker.check()
            attacker.close()
            assert attacker.answered > MESSAGES / 20, (attacker.answered, attacker.closed)
            assert server.resident_kb() - before < GROWTH_KB
        with peers.our_ovsdb_server(place, databases=[path]) as server:  # it reads what it wrote
            assert "ERR" not in server.output()


@pytest.mark.parametrize("seed", range(2))
def test_damaged_files_are_read_up_to_the_damage_or_refused(seed: int, tmp_path: Path) -> None:
    schema = make_schema(f"files {seed}")
    with peers.home() as place:
        path = make_file(place, schema)
        with peers.our_ovsdb_server(place, databases=[path]) as server:
            attacker = Attacker(server, schema, f"fill {seed}")
            attacker.attack(300)
            while path.read_bytes().count(b"OVSDB JSON ") < 12:  # else most of the damage is in the schema
                attacker.attack(100)
            attacker.close()
        data = path.read_bytes()
        outcomes = Counter(damaged_files(data, tmp_path, random.Random(seed), FILES))
        assert outcomes.total() == FILES
        assert outcomes["read"] > FILES / 10
