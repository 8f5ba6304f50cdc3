"""ovs-vsctl: the same command lines to ours and to the C one, on servers with the same contents.

What is compared, and how: tests/kit/vsctl_pair.py. The files of the directory vsctl hold one command line in each line.
"""

import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.kit.peers import C_BIN, OUR_BIN, c_ovsdb_server, c_vswitchd
from tests.kit.vsctl_pair import Pair, vsctl_pair
from vsctl.cli import PEER_FAILED

pytestmark = pytest.mark.peer

SCENARIOS = sorted(Path(__file__).with_name("vsctl").glob("*.txt"))


@pytest.fixture(scope="module")
def servers() -> Iterator[Pair]:
    with vsctl_pair() as both:
        yield both


@pytest.fixture
def pair(servers: Pair) -> Pair:
    servers.reset()
    return servers


def test_two_tools_at_the_same_time_lose_nothing(pair: Pair) -> None:
    """Each decides on what it has read, which the other changes all the time."""
    pair.check("add-br br0")
    words = ["set", "bridge", "br0"]
    ours: list[str | Path] = [OUR_BIN / "ovs-vsctl", f"--db={pair.ours.remote}", "--no-wait"]
    runs = [
        subprocess.Popen([*ours, *words, f"other_config:key{n}=1", "--", "add-port", "br0", f"p{n}"])
        for n in range(6)
    ]
    assert [run.wait(60) for run in runs] == [0] * 6
    assert pair.run_ours("list-ports", "br0").stdout == ["", *(f"p{n}" for n in range(6))]
    assert pair.run_ours("--bare", "get", "bridge", "br0", "other_config").stdout == [
        "",
        "{" + ", ".join(f'key{n}="1"' for n in range(6)) + "}",
    ]


def test_the_switch_is_waited_for_and_its_complaint_shown() -> None:
    with c_ovsdb_server() as server, c_vswitchd(server, "--enable-dummy=override", "--disable-system") as _:
        ours, theirs = OUR_BIN / "ovs-vsctl", C_BIN / "ovs-vsctl"
        assert server.run(ours, "-t20", "add-br", "br0").stderr == ""
        assert server.run(ours, "get", "open", ".", "next_cfg", "cur_cfg").stdout == "1\n1\n"
        line = [
            "-t20",
            "--if-exists",
            "del-port",
            "p0",
            "--",
            "add-port",
            "br0",
            "p0",
            "--",
            "set",
            "interface",
            "p0",
            "type=nope",
        ]
        said = [server.run(tool, *line, check=False) for tool in (ours, theirs)]
        assert said[0].stderr.startswith(said[1].stderr)  # behind it, what to do
        assert said[0].stderr.startswith("ovs-vsctl: Error detected while setting up 'p0': ")
        assert said[0].returncode == PEER_FAILED


def test_time_out_ends_the_program_with_the_alarm_signal(pair: Pair) -> None:
    line = ["-t1", "wait-until", "bridge", "nope"]
    ours = pair.ours.run(OUR_BIN / "ovs-vsctl", f"--db={pair.ours.remote}", *line, check=False)
    theirs = pair.theirs.run(C_BIN / "ovs-vsctl", f"--db={pair.theirs.remote}", *line, check=False)
    assert ours.returncode == theirs.returncode == -signal.SIGALRM


def test_wait_until_goes_on_when_the_row_comes(pair: Pair) -> None:
    tool: list[str | Path] = [OUR_BIN / "ovs-vsctl", f"--db={pair.ours.remote}", "--no-wait"]
    line = ["wait-until", "bridge", "br0", "stp_enable=true", "--", "get", "bridge", "br0", "name"]
    with subprocess.Popen([*tool, *line], stdout=subprocess.PIPE, text=True) as waiting:
        pair.run_ours("add-br", "br0")
        pair.run_ours("set", "bridge", "br0", "stp_enable=true")
        assert waiting.communicate(timeout=30)[0] == "br0\n"


def test_lists_of_commands_and_options_hold_all_of_the_c_tool(pair: Pair) -> None:
    for option in ("--commands", "--options"):
        theirs, ours = pair.run_theirs(option), pair.run_ours(option)
        # A line of --commands is options,name,arguments: ours has more options.
        names = [{line.partition(",")[2] or line for line in result.stdout} for result in (theirs, ours)]
        assert names[0] <= names[1]


BRIDGES, PORTS = ("br0", "br1", "fb"), ("p0", "p1", "p2", "br0", "fb")
VALUES = ("", "5", "[]", "1,2", "a=b", "{a=b,c=5}", "true", '""', '"x y"', "1-3", "secure", "@x", "x,")
COLUMNS = ("flood_vlans", "other_config", "stp_enable", "fail_mode", "name", "ports")
BAD_COLUMNS = (
    *COLUMNS,
    "other_config:a",
    "no",
)  # the C tool looks at them in all commands before it executes any
TEMPLATES = (
    "{may} add-br {bridge}",
    "{may} add-br fb {bridge} {tag}",
    "{if_} del-br {bridge}",
    "{may} add-port {bridge} {port}",
    "{may} add-port {bridge} {port} tag={tag}",
    "{may} add-bond {bridge} bond0 {port} {port}",
    "{may} add-bond-iface bond0 {port}",
    "{if_} del-bond-iface {port}",
    "{if_} del-port {port}",
    "{if_} --with-iface del-port {bridge} {port}",
    "{if_} set bridge {bridge} {column}={value}",
    "{if_} add bridge {bridge} {column} {value}",
    "{if_} remove bridge {bridge} {column} {value}",
    "{if_} clear bridge {bridge} {column}",
    "{if_} get bridge {bridge} {column}",
    "--columns=name find bridge {column}{operator}{value}",
    "list-ports {bridge}",
    "list-ifaces {bridge}",
    "port-to-br {port}",
    "iface-to-br {port}",
    "br-to-vlan {bridge}",
    "br-set-external-id {bridge} k v",
    "br-get-external-id {bridge}",
    "set-controller {bridge} tcp:1.2.3.4",
    "list-br",
    "show",
)
OPERATORS = ("=", "!=", "<", ">", "<=", ">=", "{=}", "{!=}", "{<}", "{>}", "{<=}", "{>=}", "{in}", "{not-in}")


def command_line(random: Random) -> str:
    """One to three commands, many of which make no sense."""
    commands = []
    count = random.choice((1, 1, 1, 2, 3))
    for _ in range(count):
        commands.append(
            random.choice(TEMPLATES).format(
                may=random.choice(("", "--may-exist")),
                if_=random.choice(("", "--if-exists")),
                bridge=random.choice(BRIDGES),
                port=random.choice(PORTS),
                tag=random.choice((0, 5, 4096)),
                column=random.choice(BAD_COLUMNS if count == 1 else COLUMNS),
                value=shlex.quote(random.choice(VALUES)),
                operator=shlex.quote(random.choice(OPERATORS)),
            )
        )
    return " -- ".join(["", *commands])


@pytest.mark.parametrize("seed", range(4))
def test_both_tools_do_and_say_the_same_to_random_commands(pair: Pair, seed: int) -> None:
    random = Random(seed)
    for _ in range(60):
        pair.check(command_line(random))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.stem)
def test_both_tools_do_and_say_the_same(pair: Pair, scenario: Path) -> None:
    for line in scenario.read_text().splitlines():
        pair.check(line)
