"""How programs begin, in surroundings that nobody would choose."""

import configparser
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

import programs

ROOT = Path(__file__).parents[3]
NAMES = sorted(name for name in vars(programs) if name.startswith(("ovs_", "ovsdb_")))
ODD = b"\xff\xc3\xbc"  # not UTF-8, then a letter that is not ASCII
SURROUNDINGS = {
    "C": {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
    "without UTF-8": {
        "LC_ALL": "C",
        "PYTHONIOENCODING": "ascii:strict",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    },
}


def run(
    name: str, *words: bytes, env: dict[str, str] | None = None, shell: str = "", cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a program as its console script does, in a shell that first does `shell`."""
    code = f"import programs; programs.{name}()"
    argv: list[str | bytes] = [sys.executable, "-c", code, *words]
    if shell:
        argv = ["/bin/sh", "-c", f'{shell}; exec "$@"', "sh", *argv]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OVS_RUNDIR": "/nonexistent", **(env or {})}
    # A shell that runs the tests in the background makes them, and the program with them, ignore SIGINT.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.run(argv, env=environment, capture_output=True, timeout=60, preexec_fn=heed, cwd=cwd)


def test_each_script_is_a_function_here_and_the_other_way_round() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options.entry_points"]["console_scripts"].split("\n")
    scripts = dict(line.split(" = ") for line in lines if line)
    assert scripts == {name.replace("_", "-"): f"programs:{name}" for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_interrupted_while_it_is_loaded_a_program_dies_of_it_in_silence(name: str, tmp_path: Path) -> None:
    source = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)\n"
    (tmp_path / "appctl.py").write_text(source)
    ended = run(name, b"--version", cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, b"")


@pytest.mark.parametrize("name", NAMES)
def test_words_that_are_no_text_are_shown_as_they_came(name: str) -> None:
    ended = run(name, b"--" + ODD, env=SURROUNDINGS["C"])
    program = name.replace("_", "-").encode()
    assert ended.stderr == program + b": unrecognized option '--" + ODD + b"'\n"
    assert (ended.returncode, ended.stdout) == (1, b"")


@pytest.mark.parametrize("surroundings", SURROUNDINGS)
def test_a_file_may_have_any_name(surroundings: str, tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/" + ODD
    with open(path, "w") as file:
        file.write('{"name": "shop", "tables": {"t": {"columns": {"c": {"type": "string"}}}}}')
    ended = run("ovsdb_tool", b"schema-version", path, env=SURROUNDINGS[surroundings])
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"\n", b"")


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
@pytest.mark.parametrize("words", [[b"--version"], [b"list-dbs"]], ids=["answer", "complaint"])
def test_a_closed_stream_is_as_good_as_none(closed: str, words: list[bytes]) -> None:
    ended = run("ovsdb_client", *words, shell=f"exec {closed}")
    assert ended.returncode == int(words != [b"--version"])
    assert b"Traceback" not in ended.stderr
    assert bool(ended.stdout) == (words == [b"--version"] and "1>&-" not in closed)
    assert bool(ended.stderr) == (words != [b"--version"] and "2>&-" not in closed)


def test_what_could_never_be_encoded_is_printed_as_an_escape() -> None:
    programs._use_utf8()
    assert "a\udcff\ud800ü".encode(errors="raw") == b"a\xff\\ud800\xc3\xbc"
