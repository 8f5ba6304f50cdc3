import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from appctl import pidfile, vlog
from appctl.pidfile import PidfileError

HOLD = "import sys; from appctl import pidfile; p = pidfile.create(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """A pidfile and the pid of another process that holds it."""
    path = str(tmp_path / "x.pid")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"held\n"
            yield path, process.pid
        finally:
            process.kill()


def test_a_pidfile_holds_the_pid_and_goes(tmp_path: Path) -> None:
    made = pidfile.create(str(tmp_path / "x.pid"))
    assert (tmp_path / "x.pid").read_text() == f"{os.getpid()}\n"
    assert os.listdir(tmp_path) == ["x.pid"]
    made.remove()
    assert os.listdir(tmp_path) == []


def test_a_running_daemon_keeps_its_pidfile(held: tuple[str, int]) -> None:
    path, pid = held
    with pytest.raises(PidfileError) as caught:
        pidfile.create(path)
    assert str(caught.value) == f"{path}: already running as pid {pid}, aborting"
    assert os.listdir(os.path.dirname(path)) == ["x.pid"]
    assert pidfile.read(path) == pid


def test_overwriting_takes_even_a_held_pidfile(held: tuple[str, int]) -> None:
    path, _ = held
    made = pidfile.create(path, overwrite=True)
    assert Path(path).read_text() == f"{os.getpid()}\n"
    made.remove()


def test_a_stale_pidfile_is_taken_over(tmp_path: Path) -> None:
    vlog.set_from_text("console:off")
    path = tmp_path / "x.pid"
    path.write_text("1\n")
    with pytest.raises(PidfileError, match="No such process"):
        pidfile.read(str(path))
    pidfile.create(str(path)).remove()
    assert not path.exists()
    vlog.set_from_text("console:info")


def test_a_pidfile_that_another_has_overwritten_stays(tmp_path: Path) -> None:
    made = pidfile.create(str(tmp_path / "x.pid"))
    (tmp_path / "y").write_text("7\n")
    os.rename(tmp_path / "y", tmp_path / "x.pid")
    made.remove()
    assert (tmp_path / "x.pid").read_text() == "7\n"


def test_a_missing_directory_is_an_error_that_names_the_file() -> None:
    with pytest.raises(PidfileError, match=r"/nonexistent/x\.pid\.tmp\d+: create failed \(No such file"):
        pidfile.create("/nonexistent/x.pid")
