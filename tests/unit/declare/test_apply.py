"""What a document changes and what it leaves alone."""

from pathlib import Path

import pytest

from declare.change import Kind, Names, changes_to_json, format_changes, inverted, operations
from declare.errors import DocumentError
from tests.kit.declared import SCHEMA, Switchboard


def board(text: str) -> Switchboard:
    made = Switchboard()
    made.apply(text)
    return made


def bridges(text: str) -> str:
    return f"bridges: {{{text}}}"


def test_a_new_bridge_has_its_own_port_and_a_new_port_its_interface() -> None:
    made = board(bridges("br0: {ports: {eth1: }}"))
    named = made.picture.named
    assert set(named["Port"]) == set(named["Interface"]) == {"br0", "eth1"}
    own = made.picture.value("Interface", named["Interface"]["br0"], "type")
    assert own == "internal"
    assert made.export() == "bridges:\n  br0:\n    ports:\n      eth1: {}\n"


def test_what_is_not_named_stays() -> None:
    made = board(bridges("br0: {fail_mode: secure, other_config: {a: 1}, ports: {eth1: {tag: 5}}}"))
    made.apply(bridges("br0: {other_config: {b: 2}, ports: {eth2: }}, br1: "))
    assert made.apply(bridges("br0: {fail_mode: secure, other_config: {a: 1, b: 2}}")) == []
    assert made.apply(bridges("br0: {ports: {eth1: {tag: 5}, eth2: }}, br1: {}")) == []


def test_null_sets_a_column_back_and_removes_a_key() -> None:
    made = board(bridges("br0: {fail_mode: secure, netflow: {targets: a}, other_config: {a: 1, b: 2}}"))
    made.apply(bridges("br0: {fail_mode: , netflow: , other_config: {a: }}"))
    assert made.export() == "bridges:\n  br0:\n    other_config:\n      b: '2'\n"
    assert not made.picture.rows["NetFlow"]


def test_members_of_a_closed_collection_are_those_named() -> None:
    made = board(bridges("br0: {controller: {'tcp:1.1.1.1': {max_backoff: 2000}, 'tcp:1.1.1.2': }}"))
    before = made.picture.named["Controller"]["tcp:1.1.1.1"]
    made.apply(bridges("br0: {controller: {'tcp:1.1.1.1': {}, 'tcp:1.1.1.3': }}"))
    named = made.picture.named["Controller"]
    assert named.keys() == {"tcp:1.1.1.1", "tcp:1.1.1.3"}
    assert named["tcp:1.1.1.1"] == before
    assert made.picture.value("Controller", before, "max_backoff") == {2000}


def test_a_port_moves_between_bridges_with_its_row() -> None:
    made = board(bridges("br0: {ports: {eth1: {tag: 5}}}, br1: "))
    before = made.picture.named["Port"]["eth1"]
    made.apply(bridges("br1: {ports: {eth1: }}"))
    picture = made.picture
    assert picture.named["Port"]["eth1"] == before
    [place] = picture.referrers[before]
    assert picture.key("Bridge", place.uuid) == "br1"


def test_an_interface_moves_into_a_bond_and_its_port_goes() -> None:
    made = board(bridges("br0: {ports: {eth1: , eth2: }}"))
    made.apply(bridges("br0: {ports: {bond0: {interfaces: {eth1: , eth2: }}}}"))
    assert made.picture.named["Port"].keys() == {"br0", "bond0"}
    with pytest.raises(DocumentError, match="its only interface eth2 stands elsewhere"):
        board(bridges("br0: {ports: {eth2: }}")).plan(
            bridges("br0: {ports: {eth2: , bond0: {interfaces: {eth1: , eth2: }}}}")
        )


def test_a_shared_row_is_one_row() -> None:
    text = bridges("br0: {ports: {a: {qos: q}, b: {qos: q}}}") + "\nshared: {QoS: {q: {type: linux-htb}}}"
    made = board(text)
    assert len(made.picture.rows["QoS"]) == 1
    assert "qos: qos1" in made.export()
    made.apply(text.replace("linux-htb", "linux-hfsc"))
    assert len(made.picture.rows["QoS"]) == 1


def test_a_row_that_others_refer_to_is_not_changed() -> None:
    text = bridges("br0: {ports: {a: {qos: q}, b: {qos: q}}}") + "\nshared: {QoS: {q: {type: linux-htb}}}"
    made = board(text)
    assert made.apply(bridges("br0: {ports: {a: {qos: {type: linux-htb}}}}")) == []
    made.apply(bridges("br0: {ports: {a: {qos: {type: linux-hfsc}}}}"))
    types = {made.picture.value("QoS", uuid, "type") for uuid in made.picture.rows["QoS"]}
    assert types == {"linux-htb", "linux-hfsc"}


def test_a_quality_of_service_that_nothing_refers_to_any_more_goes_with_its_queues() -> None:
    made = board(bridges("br0: {ports: {a: {qos: {queues: {0: {dscp: 1}}}}}}"))
    made.apply(bridges("br0: {ports: {a: {qos: }}}"))
    assert not made.picture.rows["QoS"]
    assert not made.picture.rows["Queue"]


def test_references_by_name_reach_ports_that_the_document_does_not_hold() -> None:
    made = board(bridges("br0: {ports: {eth1: }}"))
    made.apply(bridges("br0: {mirrors: {m: {output_port: eth1}}}"))
    with pytest.raises(
        DocumentError, match=r"^bridges.br0.mirrors.m.output_port: there is no Port named eth9"
    ):
        made.plan(bridges("br0: {mirrors: {m: {output_port: eth9}}}"))


# --- pruning

FIRST = """
name: lab
other_config: {x: 1}
external_ids: {k: v}
bridges:
  br0:
    fail_mode: secure
    ports: {br0: {tag: 1}, eth1: {tag: 5, type: internal}, eth2: }
  br1: {ports: {eth3: }}
"""


def test_pruning_removes_what_the_document_no_longer_names() -> None:
    made = board("external_ids: {mine: 1}\n" + bridges("br0: {ports: {eth9: {tag: 9}}}, br9: "))
    made.apply(FIRST)
    second = "name: lab\n" + bridges("br0: {ports: {eth1: {tag: 5}}}")
    assert made.apply(second) == []
    assert "eth2" in made.picture.named["Port"]
    made.apply(second, prune=True)
    assert made.export() == (
        "external_ids:\n  mine: '1'\n"
        "bridges:\n  br0:\n    ports:\n      eth1:\n        tag: 5\n      eth9:\n        tag: 9\n  br9: {}\n"
    )


def test_pruning_with_nothing_named_leaves_what_others_made() -> None:
    made = board(bridges("br9: {ports: {eth9: }}"))
    before = made.export()
    made.apply(FIRST)
    made.apply("name: lab", prune=True)
    assert made.export() == before


def test_pruning_spares_what_another_document_says() -> None:
    made = board(FIRST)
    made.apply("name: other\n" + bridges("br0: {ports: {eth1: }}"))
    made.apply("name: lab", prune=True)
    assert made.picture.named["Port"].keys() == {"br0", "eth1"}


def test_pruning_a_bridge_takes_what_samples_it() -> None:
    made = board("name: lab\n" + bridges("br0: ") + "\nflow_sample_collector_sets: [{id: 1, bridge: br0}]")
    made.apply("name: lab", prune=True)
    assert made.export() == "{}\n"
    assert not made.picture.rows["Flow_Sample_Collector_Set"]


def test_pruning_needs_a_name() -> None:
    with pytest.raises(DocumentError, match="pruning needs a document with a name"):
        Switchboard().plan("bridges: {}", prune=True)


def test_a_record_of_what_was_said_that_somebody_broke_is_none() -> None:
    made = board(FIRST)
    broken = [
        ["external_ids", "delete", "declared:lab"],
        ["external_ids", "insert", ["map", [["declared:lab", "["]]]],
    ]
    made.transact([{"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": broken}])
    made.apply("name: lab", prune=True)
    assert made.picture.named["Bridge"].keys() == {"br0", "br1"}


# --- changes


def test_changes_backwards_restore_everything() -> None:
    made = board(FIRST)
    made.apply(bridges("br0: {mirrors: {m: {select_src_port: [eth2, eth1, eth3]}}}"))
    made.apply(bridges("br0: {ports: {eth2: {qos: {queues: {1: {dscp: 3}}}}}}"))
    before = made.export()
    rows = {table: set(rows) for table, rows in made.picture.rows.items()}
    changes = made.apply("name: lab\n" + bridges("br0: {ports: {eth2: {tag: 7}, new: }}, br2: "), prune=True)
    assert {change.kind for change in changes} == {*Kind}
    assert made.export() != before
    made.transact(operations(SCHEMA, inverted(SCHEMA, changes)))
    assert made.export() == before
    assert {table: set(rows) for table, rows in made.picture.rows.items()} == rows


def test_changes_are_shown_with_names() -> None:
    made = board(bridges("br0: {ports: {eth1: {tag: 5, trunks: [1, 2]}}}"))
    picture = made.picture
    changes = made.plan(bridges("br0: {ports: {eth1: {tag: 7, trunks: [2, 3]}, eth2: }}"))
    names = Names(
        {uuid: picture.key("Port", uuid) for uuid in picture.rows["Port"]} | {c.uuid: c.name for c in changes}
    )
    text = format_changes(SCHEMA, changes, names)
    assert text.splitlines() == [
        *("+ Port eth2", "+   interfaces: [eth2]", "+ Interface eth2"),
        *("~ Bridge br0", "+   ports: [eth2]"),
        *("~ Port eth1", "~   tag: 5 -> 7", "-   trunks: [1]", "+   trunks: [3]"),
    ]
    painted = format_changes(SCHEMA, changes, names, colour=True)
    assert painted.startswith("\x1b[32m+ Port eth2\x1b[0m\n")
    data = changes_to_json(SCHEMA, changes)
    assert {"old": 5, "new": 7} in [change["columns"].get("tag") for change in data]  # type: ignore[index, union-attr, call-overload]


# --- the page


def test_the_example_of_the_page_is_applied_and_exported() -> None:
    page = (Path(__file__).parents[3] / "docs" / "declarative.md").read_text()
    example = page.partition("```yaml\n")[2].partition("```")[0]
    made = board(example)
    assert made.picture.named["Port"].keys() == {"br0", "eth1", "gre0", "bond0"}
    again = board(made.export())
    assert again.export() == made.export()
