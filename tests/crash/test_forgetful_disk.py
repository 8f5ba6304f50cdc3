"""Whatever a crash leaves of what was not synced: what opens is a prefix with everything that was promised.

CRASH=full makes 100 times as many images.
"""

import os
import random
from pathlib import Path

import orjson
import pytest

from ovsdb.storage import disk, file, rewrite
from ovsdb.storage.base import Accepted
from ovsdb.storage.file import FileStorage
from tests.kit.forgetful import Event, Mark, RecordingOs, crash, images

pytestmark = pytest.mark.crash
FULL = os.environ.get("CRASH") == "full"
RUNS = 40 if FULL else 4
IMAGES = 2500 if FULL else 250


def schema(generation: int) -> dict[str, object]:
    return {"name": "db", "version": f"{generation}.0.0", "tables": {}}


class Workload:
    """Commits that count upwards, compactions, conversions; each promise is written down."""

    def __init__(self, path: Path, dice: random.Random, recorder: RecordingOs) -> None:
        self._dice = dice
        self._recorder = recorder
        self._storage = FileStorage(path, 0.0)
        list(self._storage.load())
        self._next = 0
        self._generation = 0

    def run(self, steps: int) -> None:
        """Do so many things."""
        for _ in range(steps):
            chance = self._dice.random()
            if chance < 0.06:
                self.compact()
            elif chance < 0.08:
                self.compact_at_once()
            elif chance < 0.11:
                self.convert()
            else:
                self.commit()
        self._storage.close()

    def commit(self) -> None:
        """One commit; the last number that is proposed stands before it, what is durable behind."""
        number, durable = self._next, self._dice.random() < 0.4
        self._next += 1
        self._recorder.promise(("proposed", number, self._generation))
        body = orjson.dumps({"_date": number, "_comment": "x" * self._dice.randrange(300)})
        verdict = self._storage.propose(body, self._storage.head, durable=durable).verdict
        assert isinstance(verdict, Accepted)
        if durable:
            self._recorder.promise(("durable", number, self._generation))

    def _snapshot(self) -> bytes:
        return orjson.dumps({"_upto": self._next - 1, "_comment": "y" * 500})

    def compact(self) -> None:
        """In the background, with commits meanwhile."""
        made = self._storage.start_compaction()
        try:
            body = self._snapshot()
            pieces = [body[n : n + 100] for n in range(0, len(body), 100)]
            made.write(pieces, lambda: self.commit() if self._dice.random() < 0.5 else None)
            if self._dice.random() < 0.2:
                self.convert()
            made.catch_up(lambda: self._storage.size)
            for _ in range(self._dice.randrange(3)):
                self.commit()
            self._storage.finish_compaction(made)
        except rewrite.GivenUpError:
            pass
        finally:
            self._storage.give_up(made)

    def compact_at_once(self) -> None:
        """As ovsdb-tool does."""
        self._storage.compact([self._snapshot()])

    def convert(self) -> None:
        """Another schema; all that was committed is durable with it."""
        self._generation += 1
        self._recorder.promise(("proposed", self._next - 1, self._generation))
        self._storage.replace(schema(self._generation), [self._snapshot()])
        self._recorder.promise(("durable", self._next - 1, self._generation))


def survived(directory: Path) -> tuple[int, int]:
    """The number of the last commit (-1: none) and the generation of the schema; asserts that none is missing."""
    storage = FileStorage(directory / "conf.db", 0.0)
    try:
        last = -1
        for stored in storage.load():
            if "_upto" in stored.value:
                assert last == -1
                last = int(str(stored.value["_upto"]))
            else:
                assert stored.value["_date"] == last + 1
                last += 1
        return last, int(str(storage.schema["version"]).split(".")[0])
    finally:
        storage.close()


def promised(events: list[Event], kind: str) -> tuple[int, int]:
    """The highest number and generation of this kind."""
    marks = [event.promise for event in events if isinstance(event, Mark)]
    of_kind = [(-1, 0), *((number, generation) for what, number, generation in marks if what == kind)]
    return max(number for number, _ in of_kind), max(generation for _, generation in of_kind)


def record(tmp_path: Path, dice: random.Random, monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    path = tmp_path / "conf.db"
    file.create(path, schema(0))
    (tmp_path / ".conf.db.~lock~").unlink()
    recorder = RecordingOs(tmp_path)
    with monkeypatch.context() as patched:
        for module in (file, rewrite, disk):
            patched.setattr(module, "os", recorder)
        Workload(path, dice, recorder).run(60)
    return recorder.events


@pytest.mark.parametrize("run", range(RUNS))
def test_any_crash_leaves_a_prefix_with_all_that_is_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], run: int
) -> None:
    seed = random.randrange(1 << 30)
    dice = random.Random(seed)
    (tmp_path / "live").mkdir()
    image = tmp_path / "image"
    image.mkdir()
    events = record(tmp_path / "live", dice, monkeypatch)
    for number, (before, files) in enumerate(images(events, dice, IMAGES)):
        for path in image.iterdir():
            path.unlink()
        for name, data in files.items():
            (image / name).write_bytes(data)
        last, generation = survived(image)
        durable, proposed = promised(before, "durable"), promised(before, "proposed")
        assert durable[0] <= last <= proposed[0], f"seed {seed}, image {number}"
        assert durable[1] <= generation <= proposed[1], f"seed {seed}, image {number}"
    with capsys.disabled():
        print(f"\n{IMAGES} crash images tried (seed {seed})")


def test_the_disk_forgets_what_a_store_without_sync_would_lose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above can fail: without syncs, commits are lost."""
    monkeypatch.setattr(RecordingOs, "fsync", lambda self, fd: None)
    events = record(tmp_path, random.Random(1), monkeypatch)
    dice = random.Random(2)
    lost = 0
    for number in range(50):
        files = crash(events, dice, in_order=number % 2 == 0)
        whole = (tmp_path / "conf.db").read_bytes()
        lost += files.get("conf.db") != whole
    assert lost > 10
