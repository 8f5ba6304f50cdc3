"""What a named document has said: remembered in the database, for what it no longer says.

A tree of members: {column: 1} for a value, {column: {key: tree}} for a collection, {column: {key: 1}} for a
map of which it names some keys. Open_vSwitch's external_ids hold it as JSON under "declared:NAME".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from declare.columns import KEYS
from declare.wanted import Document, Members, Wanted

Tree = Mapping[str, Any]
ONE = ""  # the key of the only row that a column refers to


def tree_of(document: Document) -> Tree:
    """What a document says."""
    return _tree(document.root)


def _tree(row: Wanted) -> dict[str, Any]:
    tree: dict[str, Any] = {column: 1 for column in row.values if column != KEYS.get(row.table)}
    tree |= {column: dict.fromkeys(pairs, 1) for column, pairs in row.merged.items()}
    tree |= {column: _members(members) for column, members in row.rows.items()}
    return tree


def _members(members: Members) -> Any:
    rows = [(ONE if key is None else str(key), m) for key, m in members.items() if isinstance(m, Wanted)]
    return {key: _tree(row) for key, row in rows} if len(rows) == len(members) else 1


def format_tree(tree: Tree) -> str:
    """As it is stored."""
    return json.dumps(tree, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def parse_tree(text: str) -> Tree:
    """What was stored; nothing, if somebody has broken it."""
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return tree if isinstance(tree, dict) else {}


def lost(old: Any, new: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The outermost members of one tree that are not in the other."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return
    for member, inner in old.items():
        if member in new:
            yield from lost(inner, new[member], (*path, member))
        else:
            yield (*path, member)


def joined(old: Any, new: Any) -> Any:
    """What either of two trees says."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return {**old, **{member: joined(old.get(member), inner) for member, inner in new.items()}}
