"""A served database is compacted in the background: a picture of it is written while it goes on.

Rule: a commit meanwhile is as durable as ever, in the old file; the new one takes its place with everything
or not at all. A conversion, or the end of the server, ends the compaction without a trace.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from ovsdb.engine.picture import format_picture, take_picture
from ovsdb.hosted import HostedDatabase, format_members
from ovsdb.storage.file import FileStorage

COMMENT = "compacting database online"
REST_SECONDS = 0.0002  # longer than the interpreter needs to hand itself to the thread that waits


class Considerate:
    """A checkpoint that rests after each piece for as long as clients are being served.

    40,000 rows take 70 ms while nobody asks for anything, 700 ms with a rest after each piece.
    """

    def __init__(
        self,
        served: Callable[[], int],
        check: Callable[[], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`served` grows with whatever clients ask for; `check` may raise to end the work."""
        self._served, self._check, self._sleep = served, check, sleep
        self._seen = served()

    def __call__(self) -> None:
        """Rest, or not."""
        self._check()
        served = self._served()
        if served != self._seen:
            self._seen = served
            self._sleep(REST_SECONDS)


class Compaction:
    """A context that lasts as long as the compaction of one database in a file.

    with Compaction(hosted, storage) as compaction:
        compaction.write(checkpoint)  # in another thread
        compaction.finish()
    """

    def __init__(self, hosted: HostedDatabase, storage: FileStorage) -> None:
        """Take the picture; StorageError if it cannot begin."""
        self._storage = storage
        self._rewrite = storage.start_compaction()
        self._picture = take_picture(hosted.database)

    def write(self, checkpoint: Callable[[], None]) -> None:
        """The slow part; StorageError. `checkpoint` may rest, and may raise to end it."""
        members = format_members(time.time_ns() // 1_000_000, COMMENT)
        self._rewrite.write(format_picture(self._picture, members), checkpoint)
        self._picture = []
        self._rewrite.catch_up(lambda: self._storage.size, checkpoint)

    def finish(self) -> None:
        """Put the new file in place; StorageError."""
        self._storage.finish_compaction(self._rewrite)

    def __enter__(self) -> Compaction:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """It is over, however: count commits and age anew, also after an attempt that failed."""
        self._storage.give_up(self._rewrite)
        self._storage.note_compacted(time.monotonic())
