"""The command `doctor`: gathers, judges, prints. It needs no server."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from vsctl.doctor.checks import examine
from vsctl.doctor.facts import Finding, Verdict
from vsctl.doctor.gather import gather
from vsctl.grammar import command
from vsctl.output import Report
from vsctl.session import Session

FAILS = 3  # exit status where a check fails
COLOURS = {Verdict.OK: "32", Verdict.WARN: "33", Verdict.FAIL: "31", Verdict.UNKNOWN: "36"}  # of SGR
QUICK = 1  # seconds for everything, unless --timeout says more
WIDTH = max(len(verdict.value) for verdict in Verdict)


@command("doctor", alone=True)
def doctor(session: Session) -> int:
    """Look for what makes switches fail, and say what to do; exit with 3 if a check fails."""
    settings = session.settings
    findings = examine(gather(settings.remote, settings.tls, float(session.options["timeout"] or QUICK)))
    data = [{**finding._asdict(), "verdict": finding.verdict.value} for finding in findings]
    texts = [format_findings(findings, colour=colour) for colour in (False, True)]
    sys.stdout.write(session.writer.text(Report(texts[0], data, texts[1]), sys.stdout))
    return FAILS if any(finding.verdict is Verdict.FAIL for finding in findings) else 0


def format_findings(findings: Sequence[Finding], *, colour: bool = False) -> str:
    """A line for each check, below it what to do, and how many there are of each kind."""
    lines = []
    for finding in findings:
        word = f"{finding.verdict.value:{WIDTH}}"
        if colour:
            word = f"\x1b[{COLOURS[finding.verdict]}m{word}\x1b[0m"
        lines.append(f"{word}  {finding.check}: {finding.evidence}")
        if finding.remedy:
            lines.append(f"{'':{WIDTH}}  -> {finding.remedy}")
    counts = [f"{sum(f.verdict is v for f in findings)} {v.value}" for v in Verdict]
    return "\n".join([*lines, f"{len(findings)} checks: {', '.join(counts)}", ""])
