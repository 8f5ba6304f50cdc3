"""What the compiler of setup.py's modules takes amiss, in sources that Python runs as they are meant."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]


def compiled() -> list[Path]:
    """The modules that setup.py has compiled."""
    found: list[Path] = []
    for pattern in re.findall(r'"((?:appctl|ovsdb|rpc)/\S+\.py)"', (ROOT / "setup.py").read_text()):
        found += ROOT.glob(pattern)
    return found


def doubly_named(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Functions that give exceptions of two types one name, with the name."""
    for function in ast.walk(tree):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        seen: dict[str, str] = {}
        for handler in ast.walk(function):
            if isinstance(handler, ast.ExceptHandler) and handler.name and handler.type:
                type_ = ast.unparse(handler.type)
                if seen.setdefault(handler.name, type_) != type_:
                    yield function.name, handler.name


def test_no_function_gives_two_kinds_of_exceptions_one_name() -> None:
    """The compiled one has a variable of the first type, and raises TypeError for the second."""
    found = [(str(path), *each) for path in compiled() for each in doubly_named(ast.parse(path.read_text()))]
    assert not found


def called_in_slices(tree: ast.AST) -> Iterator[str]:
    """What is called where a slice says from where to where, but for what changes nothing."""
    for each in ast.walk(tree):
        if isinstance(each, ast.Slice):
            for call in (inner for inner in ast.walk(each) if isinstance(inner, ast.Call)):
                name = ast.unparse(call.func).rpartition(".")[2]
                if name not in ("len", "start", "end"):
                    yield ast.unparse(call)


def test_no_slice_calls_what_has_an_effect() -> None:
    """It was called twice: a server sent each piece of a long answer twice (mypyc, of a memoryview)."""
    found = [(str(path), *called_in_slices(ast.parse(path.read_text()))) for path in compiled()]
    assert not [each for each in found if len(each) > 1]


def test_the_modules_are_found() -> None:
    names = {str(path.relative_to(ROOT)) for path in compiled()}
    assert {"appctl/coverage.py", "ovsdb/session.py", "ovsdb/engine/ops.py"} <= names
