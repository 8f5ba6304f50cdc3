"""docs/troubleshooting.md: its blocks are executed, in order, in a namespace of their own."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.kit.netns import namespaces
from tests.kit.peers import OUR_BIN, create_database, home, our_ovsdb_server, our_vswitchd

pytestmark = pytest.mark.netns

DOCUMENT = Path(__file__).parents[2] / "docs" / "troubleshooting.md"
SCHEMA = Path(__file__).parents[2] / "schemas" / "vswitch.ovsschema"
# As `sudo -u nobody ovs-vsctl`; loaded before, since that user may not read the directory of the program.
NOBODY = (
    str(OUR_BIN / "python"),
    "-c",
    """
import contextlib, os, vsctl.cli
with contextlib.suppress(SystemExit), contextlib.redirect_stderr(open(os.devnull, "w")):
    vsctl.cli.main(["--db=unix:/none", "show"])
os.setgroups([]); os.setgid(65534); os.setuid(65534); vsctl.cli.main()
""",
)
PART = re.compile(r"<!-- (?P<daemon>\S+) runs -->|```console\n(?P<block>.*?)```", re.DOTALL)


def commands(block: str) -> Iterator[tuple[str, str]]:
    """What is typed, and what is to be seen."""
    for part in block.split("$ ")[1:]:
        typed, _, shown = part.partition("\n")
        yield typed, shown


def pattern(shown: str) -> str:
    """Seconds differ as hosts do."""
    text = ".*?".join(map(re.escape, shown.split("...")))
    return re.sub(r"since\\ \d+\\ s", r"since\\ \\d+\\ s", text)


def test_the_document_says_what_is_seen() -> None:
    namespace = f"V-{os.getpid()}-a"
    with ExitStack() as stack:
        stack.enter_context(namespaces(namespace))
        place = stack.enter_context(home())
        place.env["PATH"] = f"{OUR_BIN}:{os.environ['PATH']}"
        server = None
        status = 0
        for part in PART.finditer(DOCUMENT.read_text()):
            if part["daemon"] == "ovsdb-server":
                create_database(place, schema=SCHEMA)
                server = stack.enter_context(our_ovsdb_server(place, namespace=namespace))
            elif part["daemon"]:
                assert server is not None
                stack.enter_context(our_vswitchd(server, namespace=namespace))
            for typed, shown in commands(part["block"] or ""):
                if typed == "echo $?":
                    assert f"{status}\n" == shown
                    continue
                words = ["ip", "netns", "exec", namespace, "bash", "-c", typed]
                if typed.startswith("sudo -u nobody "):
                    words = ["ip", "netns", "exec", namespace, *NOBODY, *typed.split()[4:]]
                done = subprocess.run(words, env=place.env, capture_output=True, text=True, timeout=120)
                status = done.returncode
                assert re.fullmatch(pattern(shown), done.stdout + done.stderr), (typed, done)
