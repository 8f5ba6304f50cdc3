"""ovsdb-tool fsck: where a database file is damaged, what is good, what would be lost; a repaired copy.

Rule: the file itself is never written. Exit status 0: it is fine; 2: it is damaged, also where a repaired
copy was made; 1: it could not be looked at, or the copy could not be made.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from appctl.command_line import CliError
from ovsdb.cli.progress import Progress
from ovsdb.cli.tool_command import Options
from ovsdb.cli.tool_common import FALSE, database_path

if TYPE_CHECKING:
    from ovsdb.storage.fsck import Report


def fsck(options: Options, words: list[str]) -> int:
    """fsck [DB]."""
    from ovsdb.storage.fsck import check

    path = database_path(words)
    if path.exists() and not path.is_file():
        raise CliError(f"{path}: not a regular file")
    size = path.stat().st_size if path.exists() else 0
    with Progress(f"checking {path.name}", size) as progress:
        report = check(path, progress)
    repaired = _repair(report, options.repair) if options.repair is not None and report.damage else None
    if options.format == "json":
        json = {**report.to_json(), "repaired": None if repaired is None else str(repaired)}
        print(orjson.dumps(json, option=orjson.OPT_INDENT_2).decode(errors="replace"))
    else:
        print("\n".join(_describe(report, repaired)))
    return FALSE if report.damage else 0


def _repair(report: Report, target: str) -> Path:
    """Write what is good into a new file; CliError."""
    from ovsdb.storage.file import copy_start

    if report.kind == "clustered":
        raise CliError(f"{report.path}: clustered databases are not repaired: let the server join anew")
    if not report.repairable:
        raise CliError(f"{report.path}: nothing in it is good: {report.damage}")
    repaired = Path(target) if target else report.path.with_name(report.path.name + ".repaired")
    copy_start(report.path, repaired, report.good_bytes)
    return repaired


def _describe(report: Report, repaired: Path | None) -> list[str]:
    good = f"{_count(report.commits, 'commit')} ({_count(report.good_records, 'record')} with the schema)"
    if report.last_date is not None:
        from ovsdb.cli.show_log import format_date

        good += f", the last of {format_date(report.last_date)}"
    if not report.damage:
        return [f"{report.path}: ok: {report.kind} database {report.name}, {report.size} bytes, {good}"]
    lines = [
        f"{report.path}: damaged at byte {report.good_bytes}: {report.damage}",
        f"  good: {report.good_bytes} bytes, {good}" if report.good_records else "  good: nothing",
        f"  lost: {report.lost_bytes} bytes, {_describe_behind(report)}",
    ]
    if repaired is not None:
        lines.append(f"  {repaired}: written, holds what is good")
    elif report.repairable:
        lines.append(f"  to make a copy of what is good: ovsdb-tool fsck --repair {report.path}")
    return lines


def _describe_behind(report: Report) -> str:
    if not report.intact_behind:
        return "no intact record among them"
    least = "" if report.complete_search else "at least "
    count = _count(len(report.intact_behind), "intact record")
    where = f"{report.intact_bytes} bytes, the first at byte {report.intact_behind[0]}"
    return f"{least}{count} among them ({where})"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
