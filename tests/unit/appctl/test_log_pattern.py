import pytest

from appctl.log_pattern import Record, format_record, parse_pattern

RECORD = Record("prog", 42, 30, "mod", "WARN", 7, 1_700_000_000.25, 1_699_999_999.0, "", "the text")


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        ("%D{%Y-%m-%dT%H:%M:%S.###Z}|%05N|%c%T|%p|%m", "2023-11-14T22:13:20.250Z|00007|mod|WARN|the text"),
        ("%-6p|%6p|%06N", "WARN  |  WARN|000007"),
        ("%A %B %P %r %t", "prog 30 42 1250 main"),
        ("%D", "2023-11-14 22:13:20.250"),
        ("%D{%S.#}%D{####}", "20.22500"),
        ("%q 100%% 5%", "q 100% 5%"),
        ("%n", "\n"),
        ("%2m%2c", "the textmod"),
    ],
)
def test_escapes_are_expanded(pattern: str, line: str) -> None:
    assert format_record(parse_pattern(pattern), RECORD) == line


def test_a_subprogram_is_named_in_parentheses() -> None:
    record = RECORD._replace(subprogram="monitor")
    assert format_record(parse_pattern("%c%T %t"), record) == "mod(monitor) monitor"
