"""The schemas and reply schemas that the programs bring along, read from the package."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any


def read_text(name: str) -> str:
    """The text of a file of this directory, such as "vswitch.ovsschema"."""
    return resources.files("schemas").joinpath(name).read_text(encoding="utf-8")


def read_json(name: str) -> Any:
    """The contents of a JSON file of this directory."""
    return json.loads(read_text(name))
