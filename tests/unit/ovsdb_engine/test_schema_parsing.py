"""Schemas: which are read, which are refused and where the error is."""

import copy
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import schemas
from ovsdb.errors import SchemaError
from ovsdb.schema import Schema
from ovsdb.schema_check import parse_checked
from schemas.files import read_json, read_text

NAMES = ("vswitch.ovsschema", "_server.ovsschema", "local-config.ovsschema")


@pytest.mark.parametrize("name", NAMES)
def test_our_schemas_are_read_and_written_alike(name: str) -> None:
    schema = parse_checked(read_json(name))
    assert Schema.parse(schema.to_json()) == schema


def test_switch_schema_is_8_8_0() -> None:
    schema = parse_checked(read_json("vswitch.ovsschema"))
    assert (schema.name, schema.version, len(schema.tables)) == ("Open_vSwitch", "8.8.0", 19)
    assert schema.tables["Flow_Table"].columns["prefixes"].type.max == 4
    limit = schema.tables["CT_Zone"].columns["limit"].type
    assert (limit.min, limit.key.min_integer, limit.key.max_integer) == (0, 0, 2**32 - 1)
    assert not schema.tables["Bridge"].is_root
    assert schema.tables["Bridge"].indexes == (("name",),)
    assert schema.tables["Mirror"].columns["output_port"].type.key.weak


@pytest.mark.peer
@pytest.mark.parametrize("name", NAMES)
def test_ovsdb_tool_accepts_our_schemas(name: str, tmp_path: Path) -> None:
    directory = Path(next(iter(schemas.__path__)))
    for program in ("schema-cksum", "schema-version"):
        subprocess.run(["ovsdb-tool", program, directory / name], check=True, capture_output=True)
    subprocess.run(
        ["ovsdb-tool", "create", tmp_path / "x.db", directory / name], check=True, capture_output=True
    )


@pytest.mark.peer
@pytest.mark.parametrize("name", NAMES)
def test_cksum_is_that_of_the_file_without_its_line(name: str) -> None:
    text = "".join(line for line in read_text(name).splitlines(True) if '"cksum"' not in line)
    done = subprocess.run(["cksum"], input=text.encode(), check=True, capture_output=True)
    assert Schema.parse(read_json(name)).cksum == done.stdout.decode().strip()


@pytest.mark.peer
def test_switch_schema_differs_from_8_3_1_where_it_should() -> None:
    ours = parse_checked(read_json("vswitch.ovsschema"))
    theirs = parse_checked(json.loads(Path("/usr/share/openvswitch/vswitch.ovsschema").read_text()))
    assert ours.tables.keys() == theirs.tables.keys()
    differing = set()
    for name, table in ours.tables.items():
        other = theirs.tables[name]
        assert (table.is_root, table.max_rows, table.indexes) == (
            other.is_root,
            other.max_rows,
            other.indexes,
        )
        differing |= {f"{name}.{c}" for c, column in table.columns.items() if other.columns.get(c) != column}
        assert other.columns.keys() <= table.columns.keys()
    assert differing == {
        "Flow_Table.prefixes",
        "Mirror.filter",
        "IPFIX.stats_interval",
        "IPFIX.template_interval",
        "Flow_Sample_Collector_Set.local_group_id",
        "Datapath.ct_zone_default_limit",
        "CT_Zone.limit",
    }


def bridge(json: Any) -> Any:
    return json["tables"]["Bridge"]


BREAKS: list[tuple[Callable[[Any], Any], str]] = [
    (lambda j: j.pop("tables"), ""),
    (lambda j: j.update(version="1"), "version"),
    (lambda j: j.update(name="a b"), "name"),
    (lambda j: bridge(j).update(maxRows=0), "tables/Bridge/maxRows"),
    (lambda j: bridge(j).update(indexes=[["nope"]]), "tables/Bridge/indexes/0"),
    (lambda j: bridge(j).update(indexes=[["datapath_id"]]), "tables/Bridge/indexes/0"),
    (lambda j: bridge(j).update(columns={}), "tables/Bridge/columns"),
    (lambda j: bridge(j)["columns"]["name"].update(type="strin"), "tables/Bridge/columns/name/type"),
    (lambda j: bridge(j)["columns"]["name"].update(typ=1), "tables/Bridge/columns/name"),
    (lambda j: bridge(j)["columns"]["ports"]["type"].update(min=2), "tables/Bridge/columns/ports/type/min"),
    (lambda j: bridge(j)["columns"]["ports"]["type"].update(max=0), "tables/Bridge/columns/ports/type/max"),
    (
        lambda j: bridge(j)["columns"]["ports"]["type"]["key"].update(refTable="Nope"),
        "tables/Bridge/columns/ports/type/key/refTable",
    ),
    (
        lambda j: bridge(j)["columns"]["ports"]["type"]["key"].update(refType="soft"),
        "tables/Bridge/columns/ports/type/key/refType",
    ),
    (
        lambda j: bridge(j)["columns"]["flood_vlans"]["type"]["key"].update(minInteger=9999),
        "tables/Bridge/columns/flood_vlans/type/key",
    ),
    (
        lambda j: bridge(j)["columns"]["protocols"]["type"]["key"].update(enum=["set", [1]]),
        "tables/Bridge/columns/protocols/type/key/enum",
    ),
]


@pytest.mark.parametrize("change", range(len(BREAKS)))
def test_what_is_wrong_is_found_where_it_is(change: int) -> None:
    broken, path = BREAKS[change]
    broken_schema = copy.deepcopy(read_json("vswitch.ovsschema"))
    broken(broken_schema)
    with pytest.raises(SchemaError) as checked:
        parse_checked(broken_schema)
    assert checked.value.path == path
    with pytest.raises(SchemaError) as parsed:
        Schema.parse(broken_schema)
    assert parsed.value.path.startswith(path) or path.startswith(parsed.value.path)


def test_columns_of_weak_references_are_mutable_whatever_is_said() -> None:
    key = {"type": "uuid", "refTable": "T", "refType": "weak"}
    columns = {"c": {"type": {"key": key, "min": 0}, "mutable": False}}
    schema = Schema.parse({"name": "S", "tables": {"T": {"columns": columns}}})
    assert schema.tables["T"].columns["c"].mutable


def test_schema_without_version_is_read() -> None:
    schema = Schema.parse({"name": "S", "tables": {}})
    assert schema.version == ""
    assert schema.to_json() == {"name": "S", "tables": {}}
