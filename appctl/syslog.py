"""The way to the syslog daemon.

Rule: a log line must never stop or fail a program: sockets do not block, and where nobody listens lines are
dropped.
"""

from __future__ import annotations

import _socket  # as in rpc.connecting
import atexit
import contextlib
import os
import time

from appctl.log_pattern import Record

_FACILITY_NAMES = """
    kern user mail daemon auth syslog lpr news uucp clock ftp ntp audit alert clock2
    local0 local1 local2 local3 local4 local5 local6 local7
"""  # in the order of their numbers (RFC 5424, 6.2.1), but for cron, which is called clock
FACILITIES = {name: code for code, name in enumerate(_FACILITY_NAMES.split())}
DEVICE = "/dev/log"


class SyslogError(Exception):
    """A method or target that cannot be understood; the text says why."""


class _State:
    """Of this process."""

    def __init__(self) -> None:
        self.local: str | tuple[str, int] | None = DEVICE  # a socket's file, or host and port; None: nowhere
        self.prefixed = False  # our own prefix, instead of the one that libc puts before a message
        self.target: tuple[str, int] | None = None  # gets a copy over UDP
        self.sockets: dict[int, _socket.socket] = {}


_state = _State()


def set_method(text: str) -> None:
    """libc, null, unix:FILE or udp:IP:PORT (--syslog-method); SyslogError."""
    kind, _, rest = text.partition(":")
    if text == "libc":
        _state.local, _state.prefixed = DEVICE, False
    elif text == "null":
        _state.local = None
    elif kind == "unix" and rest:
        _state.local, _state.prefixed = rest, True
    elif kind == "udp":
        _state.local, _state.prefixed = _parse_target(rest), True
    else:
        raise SyslogError(f"unsupported syslog method '{text}'")


def set_target(text: str) -> None:
    """IP:PORT that gets a copy of each message over UDP (--syslog-target); SyslogError."""
    _state.target = _parse_target(text)


def send(record: Record, line: str, facility: int | None) -> None:
    """`line` to where --syslog-method and --syslog-target say; `facility` None stands for each one's
    default."""
    if _state.local is not None:
        prefix = _prefix(record) if _state.prefixed else _libc_prefix(record)
        _send(_state.local, prefix + line)
    if _state.target is not None:
        code = FACILITIES["local0"] if facility is None else facility
        _send(_state.target, _prefix(record._replace(priority=code * 8 + record.priority % 8)) + line)


def _prefix(record: Record) -> str:
    when = time.strftime("%b %e %H:%M:%S", time.gmtime(record.when))
    return f"<{record.priority}> {when} {_socket.gethostname()} {record.program}: "


def _libc_prefix(record: Record) -> str:
    when = time.strftime("%b %e %H:%M:%S", time.localtime(record.when))
    return f"<{record.priority}>{when} {record.program}: "


def _send(target: str | tuple[str, int], text: str) -> None:
    if isinstance(target, str):
        family = _socket.AF_UNIX
    else:
        family = _socket.AF_INET6 if ":" in target[0] else _socket.AF_INET
    with contextlib.suppress(OSError):
        if family not in _state.sockets:
            if not _state.sockets:
                atexit.register(_close)
            _state.sockets[family] = _socket.socket(family, _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK)
        _state.sockets[family].sendto(text.encode(errors="backslashreplace"), target)


def _close() -> None:
    for opened in _state.sockets.values():
        opened.close()
    _state.sockets.clear()


def _parse_target(text: str) -> tuple[str, int]:
    import ipaddress  # 3 ms, which only this option is worth

    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        return str(ipaddress.ip_address(host)), int(port)
    except ValueError:
        raise SyslogError(f"{text}: not a numerical IP address and a port") from None


with contextlib.suppress(SyslogError):  # the default of --syslog-method
    set_method(os.environ.get("OVS_SYSLOG_METHOD", "libc"))
