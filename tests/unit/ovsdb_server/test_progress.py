"""Progress: on a terminal only, not at once, not too often, wiped at the end."""

import io

from ovsdb.cli.progress import Progress, format_line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_it_after_a_while_and_not_with_every_step() -> None:
    stream, now = Terminal(), 0.0
    with Progress("reading", 1000, stream=stream, clock=lambda: now) as progress:
        progress(100)
        assert stream.getvalue() == ""
        now = 0.6
        progress(500)
        progress(501)
        assert stream.getvalue() == "\r" + format_line("reading", 500, 1000)
    assert stream.getvalue().endswith("\r")
    assert stream.getvalue().split("\r")[-2].strip() == ""


def test_a_file_sees_nothing() -> None:
    stream, now = io.StringIO(), 0.0
    with Progress("reading", stream=stream, clock=lambda: now) as progress:
        now = 10.0
        assert list(progress.count("abc")) == ["a", "b", "c"]
    assert stream.getvalue() == ""


def test_the_line_says_how_far_it_is() -> None:
    assert format_line("x", 500, 1000) == "x: [" + "#" * 15 + "." * 15 + "]  50%"
    assert format_line("x", 2000, 1000).endswith("100%")
    assert format_line("x", 1234567, 0) == "x: 1,234,567"
