"""The switch as a picture: what is drawn, and that Graphviz reads it, whatever names there are."""

import shutil
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsctl import graph
from vsctl.errors import CommandError
from vsctl.graph import DrawnBridge, DrawnInterface, DrawnPort, format_graph, render_svg

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")


def port(name: str, type_: str = "", error: str = "", **options: str) -> DrawnPort:
    return DrawnPort(name, [DrawnInterface(name, type_, options, error)])


LAB = [
    DrawnBridge(
        "br0",
        [
            port("gre0", "gre", remote_ip="192.0.2.1", key="5"),
            port("p0", "patch", peer="p1"),
            port("bad", error='could not open "bad"'),
            DrawnPort(
                "bond0", [DrawnInterface("eth0"), DrawnInterface("eth1")], "trunks 1, 2", "balance-slb"
            ),
        ],
        ["netdev", "secure"],
    ),
    DrawnBridge("br1", [port("p1", "patch", peer="p0"), port("vx0", "vxlan", remote_ip="192.0.2.1")]),
    DrawnBridge("empty", []),
]


def texts(svg: str) -> list[str]:
    return [text.text or "" for text in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


@needs_dot
def test_everything_is_in_the_picture() -> None:
    svg = render_svg(format_graph(LAB))
    drawn = texts(svg)
    for text in (
        "br0",
        "netdev",
        "secure",
        "bond balance-slb:",
        "eth0",
        "trunks 1, 2",
        "empty",
        "key=5",
        "vxlan",
    ):
        assert text in drawn
    assert drawn.count("192.0.2.1") == 1
    assert drawn.count("patch") == 3  # the type of two ports, and one line between them
    assert 'bad: could not open "bad"' in drawn
    assert svg.count('fill="red"') == 2  # the name and the error
    assert svg.count('class="edge"') == 3


@needs_dot
@given(
    st.lists(
        st.text(max_size=8) | st.sampled_from(['"', "\\", "&lt;", "\\N", "<b>", "]", "\n"]),
        min_size=9,
        max_size=9,
    )
)
@settings(max_examples=10)
def test_any_name_is_drawn(names: list[str]) -> None:
    bridges = [
        DrawnBridge(
            names[0], [port(names[1], "gre", names[2], remote_ip=names[3], key=names[4])], [names[5]]
        ),
        DrawnBridge(names[6], [DrawnPort(names[7], [DrawnInterface(names[8]), DrawnInterface(names[0])])]),
    ]
    ElementTree.fromstring(render_svg(format_graph(bridges)))


@needs_dot
def test_names_are_shown_as_they_are() -> None:
    name = 'a"b\\N&lt;\\c<d>'
    assert name in texts(render_svg(format_graph([DrawnBridge(name, [])])))


def test_without_graphviz_the_complaint_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CommandError, match="needs dot, a program of Graphviz, which is not installed"):
        graph.render_svg("graph {}")
