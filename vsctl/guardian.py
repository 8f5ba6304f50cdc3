"""The process that takes a change back unless it is confirmed: `ovs-vsctl apply --confirm`.

Rule: the database decides. A change that waits stands in external_ids of Open_vSwitch under a key of its own,
whose removal confirms it; what takes the change back removes the key too, and does nothing where the key is
gone. So it does not matter who comes first, whose answer is lost, or whether the change was ever made.

What to do is in a file, which the guardian holds a lock on. It runs in a session of its own, where the end
of a terminal does not reach it; on SIGTERM it takes the change back at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from types import FrameType

from declare.columns import ROOT, UNCONFIRMED
from ovsdb.client.blocking import Client, connect
from ovsdb.client.transaction import Conflict, TransactionError, check_results
from rpc.address import AddressError, parse
from rpc.errors import ConnectError, ConnectionLost, RemoteError, Timeout
from rpc.jsonvalue import Json
from rpc.tls_settings import TlsSettings
from rpc.unixsocket import rundir

DATABASE = "Open_vSwitch"
ATTEMPT = 10.0  # seconds for one attempt to reach the server
INTERVAL = 0.2  # seconds between looks at the clock and at the file; between attempts
UNREACHABLE = (AddressError, ConnectError, ConnectionLost, RemoteError, Timeout)


@dataclass(frozen=True)
class Errand:
    """What is to be done, and where."""

    nonce: str  # that stands in the database while the change waits
    deadline: float  # time.monotonic(), which all processes of a host share
    remote: str
    tls: TlsSettings
    operations: list[Json]  # that take the change back, if it waits still

    @property
    def path(self) -> str:
        """The file with this."""
        return path_of(self.nonce)


class GuardianError(Exception):
    """No guardian could be started."""


def path_of(nonce: str) -> str:
    """The file of an errand."""
    return f"{rundir()}/ovs-vsctl.{nonce}.unconfirmed"


def write_errand(errand: Errand) -> None:
    """Write the file. OSError."""
    handle = os.open(errand.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(handle, "w", encoding="utf-8") as file:
        json.dump({**vars(errand), "tls": errand.tls._asdict()}, file)


def read_errand(path: str) -> Errand:
    """Read the file. OSError; ValueError, TypeError if it is none."""
    with open(path, encoding="utf-8") as file:
        members = json.load(file)
    return Errand(**{**members, "tls": TlsSettings(**members["tls"])})


def remove_errand(nonce: str) -> None:
    """Remove the file, upon which the guardian looks into the database."""
    with contextlib.suppress(OSError):
        os.unlink(path_of(nonce))


def start(errand: Errand) -> None:
    """Start a guardian and wait until it is on guard. GuardianError."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    code = f"import sys; sys.path.insert(0, {root!r}); from vsctl.guardian import main; main()"
    try:
        write_errand(errand)
        guardian = subprocess.Popen(
            [sys.executable, "-P", "-c", code, errand.path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise GuardianError(f"{error.filename or errand.path}: {error.strerror}") from error
    assert guardian.stdout is not None
    with guardian.stdout:
        if not guardian.stdout.read(1):
            remove_errand(errand.nonce)
            raise GuardianError("the process that is to take the change back has ended")
    guardian.returncode = 0  # it is nobody's child from here on: no warning that it was not waited for


def main() -> None:
    """Keep watch: the program that start() starts."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    hurry = _Hurry()
    signal.signal(signal.SIGTERM, hurry.on_signal)
    path = sys.argv[1]
    with open(path, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        errand = read_errand(path)
        os.write(1, b"!")
        os.dup2(0, 1)  # nobody is to wait for this process
        if _wait(errand, hurry):
            _take_back(errand)
    remove_errand(errand.nonce)


class _Hurry:
    """Whether SIGTERM has come."""

    def __init__(self) -> None:
        self.now = False

    def on_signal(self, _: int, __: FrameType | None) -> None:
        self.now = True


def _wait(errand: Errand, hurry: _Hurry) -> bool:
    """Wait until it is time; False if the change was confirmed or taken back by somebody before."""
    watched = True
    while time.monotonic() < errand.deadline and not hurry.now:
        if watched and not os.path.exists(errand.path):
            watched = False
            if not _is_pending(errand):
                return False
        time.sleep(INTERVAL)
    return True


def _is_pending(errand: Errand) -> bool:
    try:
        with _connect(errand) as client:
            select: Json = {"op": "select", "table": ROOT, "where": [], "columns": ["external_ids"]}
            return errand.nonce in json.dumps(check_results(client.transact([select])))
    except (*UNREACHABLE, TransactionError):
        return True


def _take_back(errand: Errand) -> None:
    while True:
        try:
            with _connect(errand) as client:
                take_back(client, errand)
            return
        except TransactionError as error:
            _log(f"the unconfirmed change {errand.nonce} could not be taken back: {error}")
            return
        except UNREACHABLE:
            time.sleep(INTERVAL)


def take_back(client: Client, errand: Errand) -> bool:
    """Take the change back; False if it waits no more. TransactionError."""
    try:
        check_results(client.transact(errand.operations))
    except Conflict:
        return False
    return True


def while_pending(nonce: str, operations: list[Json]) -> list[Json]:
    """These operations, if a change waits still; then it waits no more."""
    pairs: Json = ["map", [[UNCONFIRMED, nonce]]]
    wait: Json = {
        "op": "wait",
        "table": ROOT,
        "where": [["external_ids", "includes", pairs]],
        "columns": ["_uuid"],
        "until": "!=",
        "rows": [],
        "timeout": 0,
    }
    end: Json = {
        "op": "mutate",
        "table": ROOT,
        "where": [],
        "mutations": [["external_ids", "delete", ["set", [UNCONFIRMED]]], ["next_cfg", "+=", 1]],
    }
    comment: Json = {"op": "comment", "comment": f"ovs-vsctl: unconfirmed change {nonce} taken back"}
    return [wait, *operations, end, comment]


def _connect(errand: Errand) -> Client:
    deadline = time.monotonic() + ATTEMPT
    addresses = [parse(text) for text in errand.remote.split(",")]
    return connect(addresses, DATABASE, deadline=deadline, tls=errand.tls)


def _log(text: str) -> None:
    import syslog

    syslog.openlog("ovs-vsctl", syslog.LOG_PID, syslog.LOG_DAEMON)
    syslog.syslog(syslog.LOG_ERR, text)
