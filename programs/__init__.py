"""Where the console scripts begin: one function for each program, which loads the real one.

Rule: whatever the user, the terminal or the environment does while a program is still being loaded, it ends
as a C program would. Ctrl-C is a silent death by SIGINT; the standard streams are open; arguments and output
are bytes that happen to be UTF-8, whatever the locale says. Only what every program needs is imported here.
"""

from __future__ import annotations

import codecs
import gc
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from typing import NoReturn
else:
    import _signal as signal  # which signal makes enums of: a thirtieth of a call of a tool


def ovs_appctl() -> NoReturn:
    """Run ovs-appctl."""
    _run("appctl.cli")


def ovs_dpctl() -> NoReturn:
    """Run ovs-dpctl."""
    _run("dpctl.cli")


def ovs_vsctl() -> NoReturn:
    """Run ovs-vsctl."""
    _run("vsctl.cli")


def ovs_vswitchd() -> NoReturn:
    """Run ovs-vswitchd."""
    _run("vswitchd.cli")


def ovsdb_client() -> NoReturn:
    """Run ovsdb-client."""
    _run("ovsdb.cli.client")


def ovsdb_server() -> NoReturn:
    """Run ovsdb-server."""
    _run("ovsdb.cli.server")


def ovsdb_tool() -> NoReturn:
    """Run ovsdb-tool."""
    _run("ovsdb.cli.tool")


def _run(name: str) -> NoReturn:
    """Load the module `name` and end the process with its main()."""
    heeded = signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    if heeded:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    _use_utf8()
    _open_standard_streams()
    gc.disable()  # what is loaded stays: looking for cycles in it takes a tenth of a call
    main = __import__(name, fromlist=["main"]).main
    gc.freeze()
    gc.enable()
    try:
        if heeded:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        main()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    finally:
        if heeded:  # what the interpreter does last has no use for an exception either
            signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(0)


def _open_standard_streams() -> None:
    """Put nothing in place of one that was closed, lest a socket of its number receive what is printed."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))
        getattr(sys, name).reconfigure(encoding="utf-8", errors="surrogateescape" if mode == "r" else "raw")


def _use_utf8() -> None:
    """Arguments, input and output are UTF-8; bytes that are not pass through as they are."""
    codecs.register_error("raw", _encode_raw)
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        # PYTHONUTF8=0, or a locale of another encoding, would change arguments and names of files.
        environment = {**os.environ, "PYTHONUTF8": "1"}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def _encode_raw(error: UnicodeError) -> tuple[str | bytes, int]:
    """Encode what was a byte as that byte, and another surrogate as an escape: printing never fails."""
    assert isinstance(error, UnicodeEncodeError)
    letter = ord(error.object[error.start])
    escaped = 0xDC80 <= letter <= 0xDCFF
    return bytes([letter - 0xDC00]) if escaped else f"\\u{letter:04x}", error.start + 1
