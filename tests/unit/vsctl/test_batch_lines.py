"""The input of a batch: however it is cut, its lines are the same, and nobody waits while one is there."""

from hypothesis import given
from hypothesis import strategies as st

from vsctl.batch_lines import Lines

LINES = st.lists(st.sampled_from(["list-br", "", "# é", "get Port é name", "'", "  show "]), max_size=6)


@given(LINES, st.booleans(), st.lists(st.integers(1, 9)), st.booleans())
def test_lines_are_the_same_however_they_come(
    texts: list[str], ends: bool, sizes: list[int], ahead: bool
) -> None:
    rest = ("\n".join(texts) + "\n" * ends).encode()
    taken = iter(sizes)

    def read(_: int) -> bytes:
        nonlocal rest
        size = next(taken, 100)
        piece, rest = rest[:size], rest[size:]
        return piece

    lines = Lines(read, lambda: None)
    found = []
    for line in lines:
        found.append((line.number, bool(line.error)))
        if ahead:
            lines.look_ahead()
    wanted = [(n, text == "'") for n, text in enumerate(texts, 1) if text.strip() and text[0] != "#"]
    assert found == wanted


def test_it_is_waited_only_where_no_whole_line_is_left() -> None:
    pieces = [b"list-br\nshow\nlist", b"-br\n", b""]
    told: list[str] = []
    lines = Lines(lambda _: pieces.pop(0), lambda: told.append("wait"))
    for line in lines:
        told.append(line.calls[0].command.name)
    assert told == ["wait", "list-br", "show", "wait", "list-br", "wait"]
