"""Figures of the machine, from the texts under /proc."""

import os
from pathlib import Path

import pytest

from appctl import pidfile
from vswitchd import system_statistics as s

MEMINFO = """MemTotal:        1000 kB
MemFree:          400 kB
Buffers:           50 kB
Cached:           100 kB
SwapTotal:        300 kB
SwapFree:         200 kB
HugePages_Total:    0
"""
MOUNTS = r"""proc /proc proc rw,nosuid 0 0
/dev/vda / ext4 rw,relatime 0 0
/dev/vdb /srv/a\040b ext4 rw 0 0
/dev/vdc /cdrom iso9660 ro,relatime 0 0
tmpfs /run tmpfs rw 0 0
/dev/vda / ext4 rw,relatime 0 0
"""


def test_memory_is_total_used_discardable_and_swap() -> None:
    assert s.format_memory(MEMINFO) == "1000,600,150,300,100"


def test_local_file_systems_that_can_be_written_to_are_listed_once() -> None:
    assert s.mount_points(MOUNTS) == ["/", "/srv/a b"]


def test_a_process_is_read_whatever_its_name() -> None:
    stat = "7 (a) b (c) S 3 7 7 0 -1 0 0 0 0 0 11 22 0 0 20 0 1 0 555 4096000 250 0 0 0"
    assert s.parse_process(stat) == s.Process(3, 33, 555, 4096000, 250)
    with pytest.raises(ValueError, match="no process"):
        s.parse_process("7 (a) S 3")


def test_a_monitor_tells_of_crashes() -> None:
    assert s.count_crashes("ovs-vswitchd: monitoring pid 12 (healthy)") == 0
    assert s.count_crashes("ovs-vswitchd: monitoring pid 12 (3 crashes: pid 11 died)") == 3
    assert s.count_crashes("/sbin/init") is None


def test_locks_are_read() -> None:
    text = "1: POSIX  ADVISORY  WRITE 998 fe:00:2146383 0 EOF\n2: FLOCK  ADVISORY  WRITE 7 fe:00:5 0 EOF\n"
    assert s.locks(text) == {(254, 0, 2146383): 998}


def test_daemons_are_found_by_their_pidfiles_whose_locks_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s, "rundir", lambda: str(tmp_path))
    (tmp_path / "dead.pid").write_text("1\n")
    own = pidfile.create(str(tmp_path / "own.pid"))
    try:
        found = s.gather()
        held = (tmp_path / "own.pid").stat().st_ino
        assert held in {inode for _, _, inode in s.locks(Path("/proc/locks").read_text())}
    finally:
        own.remove()
    assert "process_dead" not in found
    figures = [int(figure) for figure in found["process_own"].split(",")]
    assert len(figures) == 6
    assert figures[0] > figures[1] > 0
    assert found["cpu"] == str(os.cpu_count())
    assert len(found["load_average"].split(",")) == 3
