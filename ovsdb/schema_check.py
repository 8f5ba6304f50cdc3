"""Check a schema against its meta-schema, then read it.

Apart from `ovsdb.schema` because it needs jsonschema, whose import takes 70 ms: ovsdb-server and ovsdb-tool
use it, tools that only talk to a server do not.
"""

from __future__ import annotations

import functools
from typing import Any

import jsonschema
from jsonschema.exceptions import best_match

from ovsdb.errors import SchemaError
from ovsdb.schema import Schema
from schemas.files import read_json


@functools.cache
def _validator() -> Any:
    meta = read_json("ovsschema.meta.json")
    jsonschema.Draft202012Validator.check_schema(meta)
    return jsonschema.Draft202012Validator(meta)


def parse_checked(json: object) -> Schema:
    """The schema.  Raises SchemaError with the path of what is wrong."""
    fault = best_match(_validator().iter_errors(json))
    if fault is not None:
        raise SchemaError("/".join(str(step) for step in fault.absolute_path), fault.message)
    return Schema.parse(json)
