"""The direction in which packages depend on each other, read from the sources.

Rule: an arrow that is not in ALLOWED is a mistake in the code or a decision to write into ARCHITECTURE.md.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

ALLOWED: dict[str, set[str]] = {
    "rpc": set(),
    "schemas": set(),
    "appctl": {"rpc"},
    "ovsdb": {"rpc", "appctl", "schemas"},
    "declare": {"rpc", "ovsdb"},
    "vsctl": {"rpc", "appctl", "ovsdb", "declare"},
    "datapath": {"appctl"},
    "switching": {"datapath"},
    "dpctl": {"rpc", "datapath", "appctl"},  # rpc for its structs
    "vswitchd": {"rpc", "appctl", "ovsdb", "datapath", "switching", "dpctl"},
    "programs": set(),  # names what it loads, once it is safe to
}
PURE = {  # no I/O, nothing asynchronous: these modules import none of IO
    "ovsdb/engine": {"trio", "socket", "os", "time", "select", "asyncio", "threading"},
    "ovsdb/session.py": {"trio", "socket", "os", "time", "select"},
    "ovsdb/monitor.py": {"trio", "socket", "os", "time", "select"},
    "ovsdb/client/changes.py": {"trio", "socket", "os", "time", "select"},
    "ovsdb/client/conditions.py": {"trio", "socket", "os", "time", "select"},
    "ovsdb/client/core.py": {"trio", "socket", "os", "time", "select"},
    "ovsdb/rbac.py": {"trio", "socket", "os", "time", "select"},
    "ovsdb/remotes.py": {"trio", "socket", "os", "time", "select"},
    "ovsdb/remote_status.py": {"trio", "socket", "os", "time", "select"},
    "ovsdb/client/replica.py": {"trio", "socket", "os", "time", "select"},
    "ovsdb/client/selection.py": {"trio", "socket", "os", "time", "select"},
    "ovsdb/client/tables.py": {"trio", "socket", "os", "time", "select"},
    "ovsdb/client/transaction.py": {"trio", "socket", "os", "time", "select"},
    "ovsdb/client/txn.py": {"trio", "socket", "os", "time", "select"},
    "ovsdb/client/values.py": {"trio", "socket", "os", "time", "select"},
    "ovsdb/client/view.py": {"trio", "socket", "os", "time", "select"},
    "declare": {"trio", "socket", "os", "time", "select"},
    "rpc/framing.py": {"trio", "socket", "os", "time", "select"},
    "rpc/incoming.py": {"trio", "socket", "os", "time", "select"},
    "rpc/message.py": {"trio", "socket", "os", "time", "select"},
    "rpc/reconnect.py": {"trio", "socket", "os", "time", "select"},
    "switching": {"trio", "socket", "os", "time", "select"},
    "vswitchd/config": {"trio", "socket", "os", "time", "select"},
    "vswitchd/status/interface.py": {"trio", "socket", "time", "select"},
    "vswitchd/retries.py": {"trio", "socket", "os", "time", "select"},
    "vswitchd/plan.py": {"trio", "socket", "os", "time", "select"},
}
HARMLESS = {"os.urandom"}  # a row needs a UUID; no decision depends on which


def modules(place: Path) -> Iterator[Path]:
    yield from [place] if place.suffix == ".py" else sorted(place.rglob("*.py"))


def imported(path: Path, *, top_level_only: bool = False) -> Iterator[str]:
    """Name every module that `path` imports, inside functions too unless told otherwise."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def borrowed(path: Path) -> Iterator[str]:
    """Name what `path` imports as `module` or, where it takes single names from it, `module.name`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_package_imports_only_what_lies_before_it(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(ROOT / package)
        for name in imported(path)
        if (top := name.partition(".")[0]) in ALLOWED and top != package and top not in ALLOWED[package]
    ]
    assert not wrong


def test_nothing_imports_a_command_line() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for package in ALLOWED
        for path in modules(ROOT / package)
        for name in imported(path)
        if name.partition(".")[0] in ALLOWED
        and "cli" in name.split(".")
        and "cli" not in (*path.parts, path.stem)
    ]
    assert not wrong


@pytest.mark.parametrize("place", sorted(PURE))
def test_decisions_do_no_input_or_output(place: str) -> None:
    assert (ROOT / place).exists(), f"{place} is gone: mend this table"
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(ROOT / place)
        for name in borrowed(path)
        if name.partition(".")[0] in PURE[place] and name not in HARMLESS
    ]
    assert not wrong


def test_every_package_is_in_the_table() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks", "demo"}
    assert packages == set(ALLOWED)


def test_imports_make_no_cycle() -> None:
    """Of the imports that run when a module is loaded; one inside a function may close a circle."""
    graph: dict[str, set[str]] = {}
    for package in ALLOWED:
        for path in modules(ROOT / package):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            graph[name] = set(imported(path, top_level_only=True))
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " imports ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for target in graph[name] & graph.keys():
                visit(target, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())
