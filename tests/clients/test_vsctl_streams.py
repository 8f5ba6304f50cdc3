"""batch, watch and completion of ovs-vsctl, with a server."""

import contextlib
import io
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.kit.peers import OUR_BIN, OVSDB_SERVERS, Daemon, Home, create_database, home, our_ovsdb_server
from vsctl.cli import main

pytestmark = pytest.mark.peer

VSCTL = OUR_BIN / "ovs-vsctl"


@pytest.fixture
def server() -> Iterator[Daemon]:
    with our_ovsdb_server() as running:
        yield running


def batch(server: Daemon, *words: str, lines: str) -> tuple[int, list[Any]]:
    done = server.run(VSCTL, "--no-wait", *words, stdin=lines, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_batch_answers_each_line_and_goes_on_after_a_mistake(server: Daemon) -> None:
    lines = "add-br br0\n\n# nothing\nadd-port br0 p0 -- list-ports br0\nnope\nadd-br br0\n" + (
        'set Port p0 "external_ids:a=b c"\n["get","Port","p0","external_ids"]\nwatch\nset Port "p0\n'
    )
    status, answers = batch(server, "batch", lines=lines)
    assert status == 1
    assert [answer["ok"] for answer in answers] == [True, True, False, False, True, True, False, False]
    assert [answer.get("line") for answer in answers if not answer["ok"]] == [5, 6, 9, 10]
    assert answers[1]["output"] == "p0\n"
    assert answers[3]["error"].startswith("cannot create a bridge named br0")
    assert answers[5]["output"] == '{a="b c"}\n'


def test_an_atomic_batch_does_all_or_nothing(server: Daemon) -> None:
    status, answers = batch(server, "batch", "--atomic", lines="add-br br0\nadd-port br1 p0\n")
    assert (status, [answer["ok"] for answer in answers]) == (1, [False, False])
    assert answers[0]["error"] == "not executed, because of line 2"
    assert answers[1] == {"ok": False, "error": "no bridge named br1", "line": 2}
    assert batch(server, "--plain-json", "batch", lines="list-br\n") == (0, [{"ok": True, "output": [[]]}])
    status, answers = batch(server, "--atomic", "batch", lines="add-br br0\nadd-port br0 p0\nlist-br\n")
    assert (status, answers[-1]) == (0, {"ok": True, "output": "br0\n"})


class Watch:
    """A running `ovs-vsctl watch`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def next(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the program has ended"
        told: dict[str, Any] = json.loads(line)
        return told


@contextmanager
def watching(place: Home, *words: str) -> Iterator[Watch]:
    """Started, and told what is there: from here on it knows every change."""
    process = subprocess.Popen(
        [str(VSCTL), "watch", "--initial", *words], env=place.env, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield Watch(process)
        finally:
            process.kill()


@pytest.mark.parametrize("which", sorted(OVSDB_SERVERS))
def test_watch_tells_each_change_once_and_nothing_is_lost_with_the_connection(which: str) -> None:
    with home() as place:
        create_database(place)
        with OVSDB_SERVERS[which](place) as server:
            server.run(VSCTL, "--no-wait", "add-br", "br0", "--", "add-port", "br0", "p0")
            with watching(place, "Port", "p0", "tag", "trunks") as watch:
                assert watch.next()["change"] == "initial"
                server.run(
                    VSCTL, "--no-wait", "set", "Port", "p0", "tag=5", "--", "set", "Port", "br0", "tag=6"
                )
                told = watch.next()
                assert (told["table"], told["change"]) == ("Port", "modify")
                assert (told["old"], told["new"]) == ({"tag": None}, {"tag": 5, "trunks": []})
                server.terminate()
                with OVSDB_SERVERS[which](place, name="again") as again:
                    # Whether or not it has connected again by now, this is told, and nothing else before it.
                    again.run(VSCTL, "--no-wait", "set", "Port", "p0", "tag=7")
                    told = watch.next()
                    assert (told["old"], told["new"]["tag"]) == ({"tag": 5}, 7)
                    again.run(VSCTL, "--no-wait", "del-port", "p0")
                    assert watch.next()["change"] == "delete"


def test_watch_of_every_table(server: Daemon) -> None:
    server.run(VSCTL, "--no-wait", "init")
    with watching(server.home) as watch:
        assert watch.next()["table"] == "Open_vSwitch"
        server.run(VSCTL, "--no-wait", "add-br", "br7")
        told = [watch.next() for _ in range(4)]
        assert {each["table"] for each in told} == {"Open_vSwitch", "Bridge", "Port", "Interface"}
        (bridge,) = [each for each in told if each["table"] == "Bridge"]
        assert (bridge["change"], bridge["new"]["name"]) == ("insert", "br7")


def complete(server: Daemon, *words: str) -> list[str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit):
        main([f"--db={server.remote}", "_complete", "--", *words])
    return out.getvalue().splitlines()


def test_words_are_completed(server: Daemon) -> None:
    server.run(
        VSCTL, "--no-wait", *["add-br", "br0", "--", "add-port", "br0", "port1", "--", "add-br", "br1"]
    )
    for words, offered in (
        ("add-p", ["add-port"]),
        ("--no-w", ["--no-wait"]),
        ("-- --may", ["--may-exist"]),
        ("--format=j", ["--format=json"]),
        ("-f h", ["html"]),
        ("list-ports b", ["br0", "br1"]),
        ("-t 5 del-port br0 p", ["port1"]),
        ("del-port po", ["port1"]),
        ("list Bri", ["Bridge"]),
        ("list Bridge b", ["br0", "br1"]),
        ("get Port port1 vlan_", ["vlan_mode"]),
        ("set Port port1 vlan_mode=nat", ["vlan_mode=native-tagged", "vlan_mode=native-untagged"]),
        ("set Bridge br0 stp_enable=", ["stp_enable=false", "stp_enable=true"]),
        ("add-port br0 x -- set Interface x ty", ["type="]),
        ("add-port br0 x ta", ["tag="]),
        ("set-fail-mode br0 s", ["secure", "standalone"]),
        ("nope x", []),
        (f"--db={server.remote} br-exists br1", ["br1"]),
    ):
        assert complete(server, *words.split()) == offered, words


def test_without_a_server_nothing_is_offered_and_nothing_said() -> None:
    with home() as place:
        done = place.run(VSCTL, "_complete", "--", "list-ports", "")
        assert (done.stdout, done.stderr) == ("", "")
        assert place.run(VSCTL, "_complete", "--", "add-po").stdout == "add-port\n"


def test_bash_completes(server: Daemon) -> None:
    server.run(VSCTL, "--no-wait", "add-br", "br-one", "--", "add-port", "br-one", "eth7")
    script = server.run(VSCTL, "completion", "bash").stdout
    for line, replies in (
        ("ovs-vsctl list-por", "list-ports"),
        ("ovs-vsctl list-ports ", "br-one"),
        ("ovs-vsctl set Port eth7 vlan_mode=acc", "access"),
        ("ovs-vsctl --form", "--format="),
    ):
        words = line.replace("=", " = ").split() + ([""] if line.endswith(" ") else [])
        asked = f"COMP_WORDS=({' '.join(repr(word) for word in words)}) COMP_CWORD={len(words) - 1} "
        asked += f"COMP_LINE={line!r} COMP_POINT={len(line)}"
        code = f'{script}\n{asked}\n_ovs_vsctl\nprintf "%s\\n" "${{COMPREPLY[@]}}"'
        server.home.env["PATH"] = f"{OUR_BIN}:{os.environ['PATH']}"
        assert server.run("bash", "--norc", "-c", code).stdout == f"{replies}\n", line


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish")
def test_fish_completes(server: Daemon) -> None:
    server.run(VSCTL, "--no-wait", "add-br", "br-one")
    server.home.env.update({"PATH": f"{OUR_BIN}:{os.environ['PATH']}", "HOME": str(server.home.path)})
    code = 'ovs-vsctl completion fish | source; complete -C "ovs-vsctl list-ports "'
    assert server.run("fish", "--no-config", "-c", code).stdout == "br-one\n"


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh")
def test_zsh_completes(server: Daemon) -> None:
    """On a terminal, as zsh completes nowhere else."""
    server.run(VSCTL, "--no-wait", "add-br", "br-one")
    script = server.home.path / "completion.zsh"
    script.write_text(server.run(VSCTL, "completion", "zsh").stdout)
    env = server.home.env | {
        "PATH": f"{OUR_BIN}:{os.environ['PATH']}",
        "HOME": str(server.home.path),
        "TERM": "dumb",
    }
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        ["zsh", "-f", "-i"], stdin=follower, stdout=follower, stderr=follower, env=env, start_new_session=True
    )
    os.close(follower)
    try:
        told = _Terminal(leader)
        told.type(f"PS1='READY'; autoload -U compinit; compinit -u -D; source {script}; print LOAD''ED\n")
        told.wait_for(lambda text: "READY" in text.partition("LOADED")[2])
        told.type("ovs-vsctl list-ports \t")
        told.wait_for(lambda text: "list-ports br-one" in text)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        os.close(leader)


class _Terminal:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._text = ""

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def wait_for(self, seen: Callable[[str], bool]) -> None:
        deadline = time.monotonic() + 60
        while not seen(self._text):
            assert time.monotonic() < deadline, self._text
            if select.select([self._descriptor], [], [], 1)[0]:
                self._text += os.read(self._descriptor, 4096).decode(errors="replace")
