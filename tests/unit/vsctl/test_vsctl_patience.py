"""What is told about waiting, and what to do about complaints."""

import pytest

from vsctl.patience import Phase
from vsctl.remedies import did_you_mean, remedy
from vsctl.waiting import Facts, Process, explain

NOBODY = Process("/run/x.pid")
DEAD, ALIVE = Process("/run/x.pid", 7), Process("/run/x.pid", 7, True)


@pytest.mark.parametrize(
    ("facts", "known"),
    [
        (Facts("unix:/x", "missing", NOBODY), "its socket does not exist; there is no /run/x.pid"),
        (Facts("unix:/x", "refused", DEAD), "nobody listens on it; /run/x.pid names pid 7, which is dead"),
        (Facts("unix:/x", "denied", ALIVE), "may not be opened by this user"),
        (Facts("tcp:1.2.3.4:6640", "", NOBODY), "does not accept the connection"),
    ],
)
def test_waiting_for_the_server_tells_what_is_known_of_it(facts: Facts, known: str) -> None:
    lines = explain(Phase("connect", 1.0), facts, 5.0)
    assert lines[0] == f"waiting for ovsdb-server at {facts.remote} since 4 s"
    assert known in lines[1]
    assert lines[-1].startswith("to do: ")


def test_waiting_for_the_switch_tells_how_far_behind_it_is() -> None:
    phase = Phase("switch", 0.0, next_cfg=9, cur_cfg=7)
    assert "cur_cfg is 7, 2 behind next_cfg 9; ovs-vswitchd runs as pid 7" in explain(
        phase, Facts("unix:/x", switch=ALIVE), 3.0
    )
    dead = explain(phase, Facts("unix:/x", switch=DEAD), 3.0)
    assert "which is dead" in dead[1]
    assert "start ovs-vswitchd" in dead[2]


def test_waiting_for_a_record_or_an_answer_names_it() -> None:
    facts = Facts("unix:/x", server=ALIVE)
    assert 'until record "br0"' in explain(Phase("record", 0.0, 'record "br0" exists'), facts, 3.0)[0]
    assert "ovsdb-server runs as pid 7" in explain(Phase("answer", 0.0), facts, 3.0)[1]


@pytest.mark.parametrize(
    ("complaint", "part"),
    [
        ("unix:/x: database connection failed (No such file or directory)", "start ovsdb-server"),
        ("unix:/x: database connection failed (Permission denied)", "as root"),
        ("'e': could not open network device e (No such device)", "set Interface e type=internal"),
        ("'e': could not open network device e (Address family not supported by protocol)", "iface_types"),
        ("could not add network device e to ofproto (Device or resource busy)", "ip -d link show e"),
        ("could not create datapath ovs-system (Protocol not supported)", "modprobe openvswitch"),
        ("could not create datapath x (Operation not permitted)", "as root"),
        ("v: vxlan type requires valid 'remote_ip' argument", "set Interface v options:remote_ip"),
        ("cannot create a port named p because a port named p already exists on bridge b", "--may-exist"),
        ("no bridge named b", "list-br"),
        ("all is well", ""),
    ],
)
def test_complaints_have_remedies(complaint: str, part: str) -> None:
    assert part in remedy(complaint)
    assert bool(remedy(complaint)) == bool(part)


def test_what_is_spelt_nearly_alike_is_named() -> None:
    assert did_you_mean("add-prot", ["add-port", "list"]) == "did you mean add-port?"
    assert did_you_mean("xyz", ["add-port"]) == ""
