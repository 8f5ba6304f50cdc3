"""Role-based access control by itself; what the C server says to it is in differential/test_rbac_against_c.py."""

import json
from pathlib import Path
from typing import Any

import pytest

from ovsdb.engine.database import Database
from ovsdb.engine.ops import Context
from ovsdb.rbac import RoleBased
from ovsdb.schema import Schema

SCHEMA = Path(__file__).parents[2] / "differential" / "rbac.ovsschema"


def database(*, authorization: str = "name", insert_delete: bool = True, role: str = "r") -> Database:
    made = Database(Schema.parse(json.loads(SCHEMA.read_text())))
    rule = {
        "table": "Chassis",
        "authorization": authorization,
        "insert_delete": insert_delete,
        "update": "number",
    }
    outcome = made.execute(
        [
            {"op": "insert", "table": "RBAC_Permission", "uuid-name": "p", "row": rule},
            {
                "op": "insert",
                "table": "RBAC_Role",
                "row": {"name": role, "permissions": ["map", [["Chassis", ["named-uuid", "p"]]]]},
            },
            {"op": "insert", "table": "Chassis", "row": {"name": "me"}},
            {"op": "insert", "table": "Chassis", "row": {"name": "you"}},
        ]
    )
    assert outcome.changeset
    made.apply(outcome.changeset)
    return made


def result(made: Database, client_id: str | None, operation: dict[str, Any]) -> Any:
    context = Context(permissions=RoleBased(made.tables, "r", client_id))
    return made.execute([{"table": "Chassis", **operation}], context).results[0]


def update(name: str, /, **row: Any) -> dict[str, Any]:
    return {"op": "update", "where": [["name", "==", name]], "row": row}


def test_a_client_changes_the_named_columns_of_its_own_rows() -> None:
    made = database()
    assert result(made, "me", update("me", number=3)) == {"count": 1}
    denied = {
        "error": "permission error",
        "details": 'RBAC rules for client "me" role "r" prohibit modification of table "Chassis".',
    }
    assert result(made, "me", update("you", number=3)) == denied
    assert result(made, "me", update("me", name="you")) == denied
    assert result(made, "me", {"op": "update", "where": [], "row": {"number": 3}}) == denied


def test_reading_needs_no_permission() -> None:
    selected = result(database(), None, {"op": "select", "where": [], "columns": ["name"]})
    assert len(selected["rows"]) == 2


@pytest.mark.parametrize("client_id", [None, "", "other"])
def test_who_owns_no_row_changes_none(client_id: str | None) -> None:
    assert "error" in result(database(), client_id, update("me", number=3))


def test_an_unknown_role_permits_nothing() -> None:
    assert "error" in result(database(role="another"), "me", update("me", number=3))


def test_insertion_and_deletion_are_permitted_together() -> None:
    delete = {"op": "delete", "where": [["name", "==", "me"]]}
    for allowed in (True, False):
        made = database(insert_delete=allowed)
        assert ("error" in result(made, "me", {"op": "insert", "row": {"name": "me"}})) is not allowed
        assert ("error" in result(made, "me", delete)) is not allowed
    assert "error" in result(database(), "me", {"op": "insert", "row": {"name": "another"}})
