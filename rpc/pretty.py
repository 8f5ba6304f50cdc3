"""JSON for people: a line for each member, keys in order, closing brackets behind the last member.

Rule: as the C programs print it with --pretty.
"""

from __future__ import annotations

from typing import Any

import orjson


def format_pretty(value: Any, depth: int = 0) -> str:
    """The text of a JSON value, without a line feed at the end."""
    indent = "\n" + "  " * (depth + 1)
    if isinstance(value, list) and value:
        return "[" + ",".join(indent + format_pretty(member, depth + 1) for member in value) + "]"
    if isinstance(value, dict) and value:
        members = (
            f"{indent}{orjson.dumps(name).decode()}: {format_pretty(value[name], depth + 1)}"
            for name in sorted(value)
        )
        return "{" + ",".join(members) + "}"
    return orjson.dumps(value).decode()
