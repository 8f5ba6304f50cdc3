"""Documents as text, and what is wrong with them."""

import pytest

from declare.errors import DocumentError, format_path
from declare.text import Word, format_document, parse_document
from declare.wanted import read
from tests.kit.declared import SCHEMA


def complaint(text: str) -> str:
    with pytest.raises(DocumentError) as caught:
        read(SCHEMA, parse_document(text, "FILE"))
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bridges: [", "FILE:"),
        ("a: 1\na: 2", 'FILE:2:1: "a" stands twice in one mapping'),
        ('{"a": 1, "a": 2}', 'FILE: "a" stands twice in one object'),
        (
            "a: !!python/object:os.system x",
            "the tag tag:yaml.org,2002:python/object:os.system is not allowed",
        ),
        ("a: &x {}\nb: {<<: *x}", "FILE:2:5: merge keys are not supported"),
        ("a: *x", "FILE:1:4: the anchor x is not defined before"),
        ("a: &x [*x]", "the anchor x is not defined before"),
        ("- 1", "FILE: expected a mapping"),
        ("just text", "FILE: expected a mapping"),
        ("a: 1\n---\nb: 2", "FILE:2:1: only one document"),
        ("{[1]: 2}", "the name of a member must be a word or a string"),
        ("a: " + "[" * 60 + "]" * 60, "more than 50 levels"),
        ("a: 1\nb: \0", "FILE:2: U+0000 is not allowed"),
        ('a: "\\ud800"', "FILE"),
        ("%", "FILE:1"),
        ("a: \x01", "FILE"),
    ],
)
def test_a_text_that_is_no_document_is_refused_with_its_place(text: str, said: str) -> None:
    assert said in complaint(text)


def test_anchors_that_multiply_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    assert "more than 2000000 values" in complaint("\n".join(lines))


def test_words_are_read_as_they_stand() -> None:
    found = parse_document(
        "{a: no, b: 010, c: 0x1F, d: 12:30:45, e: 1_000, f: ~, g: 'null', h: 2024-01-01}", ""
    )
    assert found == {
        "a": "no",
        "b": "010",
        "c": "0x1F",
        "d": "12:30:45",
        "e": "1_000",
        "f": None,
        "g": "null",
        "h": "2024-01-01",
    }
    assert isinstance(found["a"], Word)
    assert not isinstance(found["g"], Word)


def test_json_is_read_with_its_numbers_as_they_stand() -> None:
    assert parse_document('{"a": 1.0, "b": true, "c": null, "d": "\\ud83d\\ude00\\t"}', "") == {
        "a": "1.0",
        "b": "true",
        "c": None,
        "d": "\N{GRINNING FACE}\t",
    }


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_strings_survive_being_written(form: str) -> None:
    texts = [
        "",
        "null",
        "~",
        "no",
        "1",
        "1.5",
        "a: b",
        "- x",
        "\t",
        " x ",
        "é\u2028\x85",
        "'",
        '"',
        "a\nb\n",
        "<<",
    ]
    document = {"external_ids": {text: text for text in texts}}
    assert parse_document(format_document(document, form), "") == document


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bridge: {}", "bridge: Open_vSwitch has no column of that name"),
        (
            "bridges: {br0: {ports: {eth1: {tag: x}}}}",
            'bridges.br0.ports.eth1.tag: "x" is not a decimal integer',
        ),
        ("bridges: {br0: {ports: {eth1: {tag: 0x10}}}}", '"0x10" is not a decimal integer'),
        ("bridges: {br0: {ports: {eth1: {tag: 4096}}}}", "4096 is not in the valid range 0 to 4095"),
        (
            "bridges: {br0: {ports: {eth1: {tag: [1, 2]}}}}",
            "bridges.br0.ports.eth1.tag: 2 values, but at most 1",
        ),
        ("bridges: {br0: {ports: {eth1: {trunks: [1, 1]}}}}", "trunks: a value stands twice"),
        ("bridges: {br0.5: {stp_enable: yes}}", 'bridges."br0.5".stp_enable: "yes" is not a boolean'),
        ("bridges: {br0: {fail_mode: safe}}", "bridges.br0.fail_mode: safe is not one of the allowed values"),
        ("bridges: {br0: {datapath_id: x}}", "bridges.br0.datapath_id: the switch reports this"),
        ("bridges: {br0: {name: br1}}", "bridges.br0.name: the name before the row says that already"),
        ("bridges: {br0: {netflow: {}}}\nshared: {}", ""),
        ("bridges: {br0: {netflow: {targets: []}}}", ""),
        ("bridges: {br0: {netflow: n}}", 'bridges.br0.netflow: "n" is not in shared.NetFlow'),
        ("shared: {QoS: {q: {}}}", "shared.QoS.q: nothing refers to it"),
        ("shared: {Port: {q: {}}}", "shared.Port: rows of no such table can be shared"),
        ("bridges: {br0: {ports: {p: }}, br1: {ports: {p: }}}", "bridges.br1.ports.p: this Port stands in"),
        (
            "bridges: {br0: {ports: {p: {interfaces: {}}}}}",
            "bridges.br0.ports.p.interfaces: at least 1 is needed",
        ),
        ("bridges: {br0: {mirrors: {m: {output_port: {}}}}}", "expected the name of a Port"),
        ("bridges: {br0: {other_config: [x]}}", "bridges.br0.other_config: expected a mapping"),
        (
            "bridges: {br0: {other_config: {x: {}}}}",
            "bridges.br0.other_config.x: expected a string, found a mapping",
        ),
        ("external_ids: {system-id: x}", "external_ids.system-id: this key is not the configuration's"),
        ("flow_sample_collector_sets: [{id: 1}]", "flow_sample_collector_sets.0: bridge is missing"),
        (
            "bridges: {br0: {controller: [{max_backoff: 1000}]}}",
            "bridges.br0.controller.0: target is missing",
        ),
        (
            "bridges: {br0: {flow_tables: {255: }}}",
            "bridges.br0.flow_tables.255: 255 is not in the valid range",
        ),
        ("name: [x]", "name: expected the document's name"),
    ],
)
def test_a_document_that_cannot_be_names_the_place(text: str, said: str) -> None:
    if said:
        assert said in complaint(text)
    else:
        read(SCHEMA, parse_document(text, "FILE"))


def test_a_path_has_quotes_where_they_are_needed() -> None:
    assert format_path(("bridges", "br0.5", 'a"b')) == 'bridges."br0.5"."a\\"b"'
