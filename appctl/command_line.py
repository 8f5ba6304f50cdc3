"""A program from its command line to its exit status.

Rule: a user's mistake is one line on stderr and exit status 1, in the words of the C library; nobody sees a
traceback. A tool is a table of options (appctl.getopt) and a function; click is loaded when help is asked
for, which it lays out from the same table.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Sequence

from appctl import vlog
from appctl.getopt import BadUsage, Given, Option, read, values_of
from appctl.version import VERSION, format_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from types import FrameType
    from typing import Any, NoReturn
else:
    import _signal as signal  # as in programs


class CliError(Exception):
    """Ends a program with `text` on stderr after its name, and `status`; `hint` stands in lines below."""

    def __init__(self, text: str, status: int = 1, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint
        self.text = text
        self.status = status


class Finished(Exception):
    """Ends a program early, with nothing more to say."""

    def __init__(self, status: int = 0) -> None:
        super().__init__(status)
        self.status = status


class Line:
    """A command line that was read."""

    __slots__ = ("args", "given", "tool", "values", "words")

    def __init__(self, tool: Tool, args: Sequence[str], given: Sequence[Given], words: Sequence[str]) -> None:
        self.tool = tool
        self.args = args  # as typed
        self.given = given
        self.values: dict[str, Any] = values_of(given, tool.options)
        self.words = words  # behind the options, or among them


class Tool:
    """A program that is not told to stay: its options, and what it does."""

    __slots__ = ("console", "epilog", "explain", "function", "options", "permute", "program", "text", "usage")

    def __init__(
        self,
        program: str,
        function: Callable[[Line], int | None],  # the exit status, None for 0; CliError, BadUsage
        options: Sequence[Option],
        *,
        usage: str,  # what the help says behind the name of the program
        text: str | Callable[[], str],  # of the help
        console: vlog.Level = vlog.Level.INFO,  # where the user does not choose another
        permute: bool = True,  # options may stand behind words
        epilog: Callable[[], list[tuple[str, str]]] | None = None,  # commands, for the help
        explain: Callable[[Tool, BadUsage], str] | None = None,  # a hint for a mistake
    ) -> None:
        self.program = program
        self.function = function
        self.options = options
        self.usage = usage
        self.text = text
        self.console = console
        self.permute = permute
        self.epilog = epilog
        self.explain = explain

    def main(self, args: Sequence[str] | None) -> int | None:
        """Read the command line, do what its options do when they are read, then the rest."""
        args = sys.argv[1:] if args is None else args
        try:
            given, words = read(args, self.options, permute=self.permute)
            vlog.set_program(self.program)
            vlog.set_levels(None, vlog.Destination.CONSOLE, self.console)
            for option, _, value in given:
                if option.act is not None:
                    option.act(self, value)
            return self.function(Line(self, args, given, words))
        except BadUsage as error:
            raise CliError(error.text, hint=self.explain(self, error) if self.explain else "") from None


def show_version(tool: Tool, _: str) -> NoReturn:
    """What --version does."""
    print(f"{format_version(tool.program)}\nvswitch {VERSION}")
    raise Finished


def show_help(tool: Tool, _: str = "") -> NoReturn:
    """What --help does."""
    from appctl.clicking import format_help

    print(format_help(tool))
    raise Finished


VERSION_OPTION = Option("-V", "--version", text="Show the version.", act=show_version)
HELP_OPTION = Option("-h", "--help", text="Show this message and exit.", act=show_help)


def set_alarm(text: str, option: str) -> None:
    """Say so and die of SIGALRM after so many seconds, as the C programs do; CliError names the `option`."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 31):
        raise CliError(f"value {text} on {option} or --timeout is invalid")

    def expire(number: int, _: FrameType | None) -> None:
        vlog.module("fatal_signal").warn("terminating with signal %d (%s)", number, signal.strsignal(number))
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGALRM, expire)
    signal.alarm(int(text))


# Of a file without a name, these are those of standard output: stores and sockets have errors of their own.
_OUTPUT_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def run(
    main: Callable[[Sequence[str] | None], int | None], program: str, args: Sequence[str] | None = None
) -> NoReturn:
    """Call `main` with `args` (None: those of the process), and end the process: what a console script does.

    It returns its exit status, or None for 0; it may raise CliError.
    """
    status = _run(main, program, args)
    if args is None and "threading" not in sys.modules:  # so nobody is to be waited for
        with contextlib.suppress(OSError):  # which the interpreter meets and tells as well
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)  # taking the interpreter apart would take a tenth of a call
    sys.exit(status)


def _run(main: Callable[[Sequence[str] | None], int | None], program: str, args: Sequence[str] | None) -> int:
    try:
        try:
            status = main(args)
        except Finished as finished:
            status = finished.status
        sys.stdout.flush()
    except CliError as error:
        status = _complain(program, error.text, error.status)
        for line in error.hint.splitlines():
            print(f"    {line}", file=sys.stderr)
        return status
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still buffered has nowhere to go
        return 1
    except Exception as error:  # a mistake of ours, which the user can only report
        if isinstance(error, OSError) and error.filename is None and error.errno in _OUTPUT_ERRORS:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still buffered is lost
            return _complain(program, f"standard output: {error.strerror}")
        vlog.module("util").exception("internal error")
        why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return _complain(program, f"internal error: {why} (with --log-file=FILE, FILE tells where)")
    return status if isinstance(status, int) else 0


def _complain(program: str, text: str, status: int = 1) -> int:
    print(f"{program}: {text}", file=sys.stderr)
    return status
