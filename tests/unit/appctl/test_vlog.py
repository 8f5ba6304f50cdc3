import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from appctl import vlog
from appctl.vlog import Destination, Level, RateLimit, VlogError


@pytest.fixture
def state() -> Iterator[None]:
    """Levels and patterns as in a new process, before (a test elsewhere may run a tool's main) and after."""
    _forget()
    try:
        yield
    finally:
        _forget()


def _forget() -> None:
    vlog.close_file()
    vlog.set_levels(None, None, Level.INFO)
    vlog.set_rate_limits([], kept=True)
    for destination, pattern in vlog.DEFAULT_PATTERNS.items():
        vlog.set_from_text(f"PATTERN:{destination.name}:{pattern}")


@pytest.fixture
def log_file(state: None, tmp_path: Path) -> Path:
    vlog.set_levels(None, Destination.CONSOLE, Level.OFF)
    vlog.set_levels(None, Destination.SYSLOG, Level.OFF)
    assert vlog.open_file(str(tmp_path / "test.log")) == ""
    return tmp_path / "test.log"


def lines(path: Path) -> list[str]:
    return [line.split("|", 2)[2] for line in path.read_text().splitlines()]


def test_a_line_is_in_the_file_when_the_call_returns(log_file: Path) -> None:
    vlog.module("unit_a").info("%s is %d", "x", 3)
    text = log_file.read_text().splitlines()[-1]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\|\d{5}\|unit_a\|INFO\|x is 3", text)
    assert lines(log_file)[0] == f"vlog|INFO|opened log file {log_file}"


def test_a_percent_sign_without_arguments_is_text(log_file: Path) -> None:
    vlog.module("unit_a").warn("100% of it")
    assert lines(log_file)[-1] == "unit_a|WARN|100% of it"


def test_levels_decide_what_is_written(log_file: Path) -> None:
    log = vlog.module("unit_a")
    log.dbg("too detailed")
    vlog.set_from_text("unit_a:file:dbg")
    log.dbg("wanted")
    vlog.module("unit_b").dbg("of another")
    vlog.set_from_text("file:off")
    log.log(Level.EMER, "off is off")
    assert lines(log_file)[1:] == ["unit_a|DBG|wanted"]


def test_a_module_made_later_has_the_levels_set_before(log_file: Path) -> None:
    vlog.set_from_text("file,dbg")
    vlog.module("unit_made_later").dbg("seen")
    assert lines(log_file)[-1] == "unit_made_later|DBG|seen"


def test_console_lines_go_to_stderr(state: None, capfd: pytest.CaptureFixture[str]) -> None:
    vlog.module("unit_a").err("see")
    assert re.fullmatch(r"....-..-..T..:..:..Z\|\d{5}\|unit_a\|ERR\|see\n", capfd.readouterr().err)


def test_the_console_is_spared_the_trace_of_an_exception(
    log_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    vlog.set_from_text("console:err")
    try:
        raise ValueError("inside")
    except ValueError:
        vlog.module("unit_a").exception("it failed")
    assert "ValueError: inside" in log_file.read_text()
    assert capfd.readouterr().err.endswith("|unit_a|ERR|it failed\n")


def test_reopening_follows_a_rotation(log_file: Path) -> None:
    os.rename(log_file, log_file.with_suffix(".1"))
    assert vlog.reopen_file() == ""
    vlog.module("unit_a").info("after")
    assert lines(log_file)[-1] == "unit_a|INFO|after"
    assert lines(log_file.with_suffix(".1"))[-1] == "vlog|INFO|closing log file"


def test_a_file_that_cannot_be_opened_is_reported(state: None) -> None:
    vlog.set_levels(None, Destination.CONSOLE, Level.OFF)
    assert vlog.open_file("/nonexistent/x") == "No such file or directory"


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("foo", 'no destination, level, or module "foo"'),
        ("file:dbg:info", "cannot specify multiple levels"),
        ("file,console", "cannot specify multiple destinations"),
        ("jsonrpc unixctl", "cannot specify multiple modules"),
        ("FACILITY:foo", "invalid facility"),
        ("PATTERN:foo:%m", 'unknown destination "foo"'),
    ],
)
def test_a_bad_specification_says_why(state: None, spec: str, text: str) -> None:
    with pytest.raises(VlogError, match=re.escape(text)):
        vlog.set_from_text(spec)


def test_modules_that_only_the_c_programs_have_are_accepted(state: None) -> None:
    vlog.set_from_text("ofproto_dpif:FILE:ANY:warn")
    assert "\nofproto_dpif      INFO       INFO       WARN\n" in vlog.format_levels()


def test_patterns_are_listed_as_they_were_set(state: None) -> None:
    vlog.set_from_text("PATTERN:file:%m")
    assert "\nFILE     none                              %m\n" in vlog.format_patterns()


def test_a_flood_is_cut_off_and_counted(log_file: Path) -> None:
    limit = RateLimit(rate=60, burst=2)
    assert [limit.admit(100.0) for _ in range(5)] == [True, True, False, False, False]
    assert limit.admit(102.0)
    assert limit.take_dropped(102.0) == (3, 2)


def test_an_admitted_message_tells_how_many_were_dropped(log_file: Path) -> None:
    log = vlog.module("unit_a")
    limit = RateLimit(rate=0, burst=1)
    for _ in range(3):
        log.warn("again", limit=limit)
    limit.burst, limit.rate = 1, 1e9
    log.warn("again", limit=limit)
    assert lines(log_file)[1] == "unit_a|WARN|again"
    assert lines(log_file)[2].startswith("unit_a|WARN|Dropped 2 log messages in last 0 seconds")
    assert len(lines(log_file)) == 4


def test_rate_limits_can_be_lifted(log_file: Path) -> None:
    log = vlog.module("unit_a")
    vlog.set_rate_limits(["unit_a"], kept=False)
    limit = RateLimit(rate=0, burst=1)
    for _ in range(3):
        log.warn("again", limit=limit)
    vlog.set_rate_limits([], kept=True)
    assert len(lines(log_file)) == 4
    with pytest.raises(VlogError, match="unknown module"):
        vlog.set_rate_limits(["nosuch"], kept=True)
