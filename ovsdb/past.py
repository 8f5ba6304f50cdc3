"""The method get_history: what a client may ask about the past of a database, and who answers it.

    "get_history" [<db-name>, {"table": T, "record": R, "since": S, "last": N}] -> [<commit>, ...]

An extension of ours; every member of the object is optional, a <commit> is what `ovsdb-tool log -f json` has.

Rule: the log is read by a process of its own, one at a time: replaying a large one takes seconds, in which
everybody else is served as ever.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import trio

from appctl import vlog
from ovsdb.errors import OvsdbError, OvsdbSyntaxError
from ovsdb.refusals import OvsdbIoError, ResourcesExhausted

DEFAULT_LAST = 50  # commits
MOST = 1000
MAX_BYTES = 16 << 20  # of an answer
MOST_WAITING = 16  # requests; more are refused
TEXTS = ("table", "record", "since")
log = vlog.module("history")


@dataclass(frozen=True)
class HistoryRequest:
    """Which commits are wanted; what is empty does not restrict."""

    table: str = ""
    record: str = ""  # the UUID of a row, the beginning of one, or a name
    since: str = ""  # a time, or the id of a commit
    last: int = DEFAULT_LAST

    @staticmethod
    def parse(json: object) -> HistoryRequest:
        """Read the object of the request; OvsdbError."""
        if not isinstance(json, dict):
            raise OvsdbSyntaxError("get_history: object expected", json)
        for name, value in json.items():
            if name in TEXTS:
                if not isinstance(value, str) or "\0" in value:
                    raise OvsdbSyntaxError(f'get_history: "{name}" must be a string', json)
            elif name != "last":
                raise OvsdbSyntaxError(f'get_history: unexpected member "{name}"', json)
            elif type(value) is not int or not 1 <= value <= MOST:
                raise OvsdbSyntaxError(f'get_history: "last" must be an integer from 1 to {MOST}', json)
        members: Mapping[str, Any] = json
        return HistoryRequest(**members)

    def command(self, path: str) -> list[str]:
        """The command line that answers it."""
        options = [f"--{name}={getattr(self, name)}" for name in TEXTS if getattr(self, name)]
        return [
            *(sys.executable, "-P", "-m", "ovsdb.cli.tool", "--format=json", f"--last={self.last}"),
            *(*options, "-vsyslog:off", "--", "log", path),
        ]


class PastReader:
    """Reads logs for whoever asks."""

    def __init__(self) -> None:
        self._one = trio.CapacityLimiter(1)

    async def read(self, path: str, request: HistoryRequest) -> orjson.Fragment:
        """The commits, encoded; OvsdbError."""
        if self._one.statistics().tasks_waiting >= MOST_WAITING:
            raise ResourcesExhausted("get_history: too many ask for the past")
        async with self._one:
            try:
                done = await trio.run_process(
                    request.command(path), capture_stdout=True, capture_stderr=True, check=False
                )
            except OSError as e:
                raise OvsdbIoError(f"the log cannot be read: {e.strerror}") from None
        if done.returncode:
            lines = done.stderr.decode(errors="replace").splitlines() or ["no reason"]
            raise _refusal(lines[-1].removeprefix("ovsdb-tool: "))
        if len(done.stdout) > MAX_BYTES:
            raise ResourcesExhausted(f"the answer has {len(done.stdout)} bytes: ask for less")
        return orjson.Fragment(done.stdout.strip())


def _refusal(text: str) -> OvsdbError:
    log.info("get_history: %s", text)
    return OvsdbIoError(text)
